"""The report knows every experiment of the page: what is shown where, what was asked, and nothing of another place."""

import json
import re

import gradio as gr
import pytest

from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs import page_script, report, results
from playground.tabs.layout import lay_out


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    settings = Settings(cache_dir=tmp_path_factory.mktemp("cache"), threads=1)
    with gr.Blocks() as blocks:
        return lay_out(blocks, ModelCache(settings), settings)


@pytest.fixture(scope="module")
def found(page) -> list[results.Experiment]:
    return results.experiments(page.blocks, list(page.forms.strips.values()))


def of(found: list[results.Experiment], name: str) -> results.Experiment:
    """The experiment that fills the component with this `elem_id`."""
    return next(one for one in found if any(c.elem_id == name for c in one.shown))


def names(components) -> set[str]:
    return {c.elem_id for c in components}


def labels(one: results.Experiment) -> set[str]:
    return {c.label for c in one.asked}


def test_whatever_a_model_fills_is_in_exactly_one_experiment(page, found):
    shown = [c for one in found for c in one.shown]
    assert len(shown) == len(set(shown))
    running = [event for event in page.blocks.fns.values() if event.concurrency_id == "models"]
    filled = {c for event in running for c in event.outputs if isinstance(c, results.SHOWS)}
    for c in filled - set(shown):
        assert results.is_doing(c) or results.NO_RESULT in c.elem_classes or c.visible == "hidden", c.elem_id


def test_every_pane_that_goes_into_a_link_has_results(page, found):
    places = {one.place[:2] for one in found}
    for form in page.forms:
        wanted = (form.tab, form.pane) if form.pane else (form.tab,)
        if wanted == ("Search", "Documents"):  # where documents are put in and nothing is computed of them
            continue
        assert any(place[: len(wanted)] == wanted for place in places), wanted


def test_an_experiment_is_asked_by_its_own_boxes(found):
    lens, bertviz, pairs = of(found, "lens-grid"), of(found, "bertviz-caption"), of(found, "bias-pairs-says")
    assert lens.place == ("Internals", "Logit lens")
    assert labels(lens) >= {"Model in use", "Text", "A word to follow"}
    assert names(lens.shown) >= {"lens-caption", "lens-grid", "lens-detail", "lens-chart"}
    assert names(lens.doing) == {"lens-status"}
    assert "map-layer" not in names(bertviz.asked), "a slider of another pane"
    assert "attention-text" in names(bertviz.asked), "the text above all panes"
    assert "Dialect" in labels(pairs)
    assert "bias-pairs-code" in names(pairs.shown)
    assert "System prompt" in labels(of(found, "conversation"))
    assert "message" not in names(of(found, "conversation").asked), "it is the next one by then"


def test_two_experiments_of_one_pane_stay_apart(found):
    assert of(found, "bias-fill-says") is not of(found, "bias-grid-says")
    assert of(found, "ablation-sweep-told").place[-1] == "Which parts matter? Take out each alone"
    assert of(found, "lab-verdict") is of(found, "lab-spending"), "its sub-tabs show one run"


def test_boxes_with_secrets_are_left_out():
    with gr.Blocks() as blocks:
        secret, plain, shown = gr.Textbox(type="password"), gr.Textbox(label="Text"), gr.HTML()
        gr.Button().click(lambda a, b: b, [secret, plain], shown, concurrency_id="models")
    (one,) = results.experiments(blocks, [])
    assert labels(one) == {"Text"}


def test_listening_runs_in_the_browser_alone(page, found):
    heard = [event for event in page.blocks.fns.values() if "playground-result" in str(event.js)]
    assert len(heard) == len(found) + 1
    assert all(event.fn is None and not event.outputs and event.api_visibility == "private" for event in heard)
    of_one = dict(zip(range(len(found)), heard, strict=False))
    for at, one in enumerate(found):
        assert f"of: {at}," in of_one[at].js
        assert list(of_one[at].inputs) == [*one.asked, *one.shown, *one.doing]


def test_the_script_is_told_what_the_values_are(page, found):
    place = next(block for block in page.blocks.blocks.values() if getattr(block, "elem_id", None) == "report")
    told = json.loads(re.match(r"const EXPERIMENTS = (.*);\n", place.js_on_load)[1])
    assert len(told) == len(found)
    for said, one in zip(told, found, strict=True):
        assert said["place"] == list(one.place)
        assert [box["kind"] for box in said["asked"]] == [report.kind(c) for c in one.asked]
        assert [part["id"] for part in said["shown"]] == [c.elem_id for c in one.shown]
        assert all(part["id"] for part in said["shown"]), "the browser finds its styles by it"
    numbers = next(part for said in told for part in said["shown"] if part["id"] == "bias-pairs-numbers")
    assert numbers["title"] == "All numbers"
    plotly = re.search(r'"plotly": "assets/([^"]+)"', place.js_on_load)[1]
    assert "window.Plotly" in (page_script.SCRIPTS / plotly).read_text("utf-8")[-20_000:]
