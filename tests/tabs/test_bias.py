"""The handlers of the Bias tab on tiny models: what they show, what they refuse, how they stop and go on."""

import json
import threading
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
import pytest

from playground.labs.bias.data import occupations
from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.bias import associations, change, fill, generation, pair_source, pairs
from playground.tabs.bias import tab as bias
from playground.tabs.kit import Parcel
from playground.tabs.layout import lay_out
from tests.tabs.conftest import visitor

PANES = {
    "blank": (fill, "Blank"),
    "grid": (fill, "Grid"),
    "pairs": (pairs, "Pane"),
    "weat": (associations, "Pane"),
    "axis": (associations, "Axis"),
    "texts": (generation, "Pane"),
    "change": (change, "Pane"),
}


@dataclass
class Laid:
    panes: dict
    writer: str  # a folder
    reader: str

    def values(self, name: str, model: str, **chosen) -> dict:
        pane = self.panes[name]
        parts = vars(pane) | (vars(pane.source) if hasattr(pane, "source") else {})
        inside = vars(pane.source) if hasattr(pane, "source") else {}
        given = {}
        for group in (vars(pane), inside):
            for key, part in group.items():
                if isinstance(part, gr.components.Component):
                    named = f"pair_{key}" if group is inside and key in vars(pane) else key
                    given[part] = chosen.get(named, part.value)
        assert not set(chosen) - {*parts, *(f"pair_{key}" for key in inside)}
        return given | {pane.desk.page.reference: model}

    def run(self, name: str, model: str = "", who: str = "ann", **chosen) -> dict:
        pane, shown = self.panes[name], {}
        for update in pane.desk._worker(pane.work)(self.values(name, model or self.writer, **chosen), visitor(who)):
            shown |= update
        return shown


@pytest.fixture(scope="module")
def laid(base, reader, tmp_path_factory):
    built: dict = {}
    settings = Settings(cache_dir=tmp_path_factory.mktemp("cache"), dtype="float32", threads=1, memory_budget="200MB")
    with pytest.MonkeyPatch.context() as patch, gr.Blocks() as blocks:
        for name, (module, kind) in PANES.items():
            original = getattr(module, kind)

            def remembered(*arguments, original=original, name=name, **named):
                built[name] = original(*arguments, **named)
                return built[name]

            if kind == "Blank" or original.__module__ == fill.__name__:
                patch.setattr(module, kind, remembered)
            else:  # its fields are asked for

                class Kept(original):
                    def __post_init__(self, name=name) -> None:
                        built[name] = self

                patch.setattr(module, kind, dataclass(frozen=True, eq=False)(Kept))
        lay_out(blocks, ModelCache(settings), settings, [bias])
    return Laid(built, str(base), str(reader))


def section(shown, pane):
    return shown[pane.out.section]


@pytest.mark.parametrize("kind", ["writer", "reader"])
def test_a_blank_is_filled_by_both_kinds_of_model(laid, kind):
    pane = laid.panes["blank"]
    shown = laid.run("blank", getattr(laid, kind), text="The [MASK] sat on the mat.", candidates="cat, doctor")
    assert shown[pane.words].count("<meter") == 2 and "lab-verdict" in shown[pane.out.says]
    assert {row[0] for row in section(shown, pane).rows} == {"cat", "doctor"}
    written = [Path(path) for path in shown[pane.out.files]]
    assert {path.suffix for path in written} == {".csv", ".json"}
    folder, code = getattr(laid, kind), shown[pane.out.code]
    assert f"PATH/TO/{Path(folder).name}" in code and folder not in code and "transformers" in code
    told = json.loads(next(path for path in written if path.suffix == ".json").read_text())
    assert told["sections"][0]["provenance"]["model"] == getattr(laid, kind)


@pytest.mark.parametrize(
    ("text", "blank", "words"),
    [
        ("The doctor said that he was tired.", "The doctor said that [MASK] was tired.", "he, she"),
        ("I met her yesterday.", "I met [MASK] yesterday.", "her, him"),
        ("She lost her keys.", "[MASK] lost her keys.", "She, He"),
        ("The [MASK] saw him.", "The [MASK] saw him.", ""),
        ("Nobody is named.", "Nobody is named.", ""),
    ],
)
def test_a_text_from_another_tab_gets_a_blank(text, blank, words):
    assert fill.receive(Parcel(text)) == [blank, words]


def test_a_grid_is_drawn(laid):
    pane = laid.panes["grid"]
    shown = laid.run(
        "grid", laid.reader, templates="The {word} asked if [MASK] sat.", words="cat, nurse", first="it", second="the"
    )
    (heat,) = shown[pane.chart]["value"].data
    assert heat.z.shape == (2, 2)  # the template, and behind it the same with “it” and “the” exchanged
    assert shown[pane.chart]["value"].layout.xaxis.ticktext[1].startswith("⇄ It")
    assert "keep their side" in section(shown, pane).says
    assert [row[0] for row in section(shown, pane).rows] == list(shown[pane.chart]["value"].layout.yaxis.ticktext)


def test_pairs_say_no_more_than_the_interval(laid):
    pane = laid.panes["pairs"]
    shown = laid.run("pairs", first="The {word} sat.", second="The {word} asked.", words="cat, nurse")
    assert "not enough to tell" in section(shown, pane).says  # two pairs tell nothing
    assert "Blodgett" not in shown[pane.out.says] and "50 %" in section(shown, pane).ideal
    assert any("50 %" in note.text for note in shown[pane.chart]["value"].layout.annotations)
    assert shown[pane.most].count("<li>") == 2 and "<u>" in shown[pane.most]


def test_a_stopped_run_goes_on(laid):
    pane = laid.panes["pairs"]
    words = ", ".join(f"cat{i}" for i in range(100))
    asked = {"first": "The {word} sat.", "second": "The {word} asked.", "words": words}
    work = pane.desk._worker(pane.work)(laid.values("pairs", laid.writer, **asked), visitor("bob"))
    shown: dict = {}
    for update in work:
        shown |= update
        if "32" in str(update.get(pane.desk.status, "")):
            pane.desk.stops.halt(visitor("bob"))
    first = section(shown, pane)
    assert "of 100" in first.data and not first.data.startswith("100")
    again = laid.run("pairs", who="bob", **asked)
    assert section(again, pane).data.startswith("100 pairs scored of 100")


def test_a_file_of_ones_own(laid, tmp_path):
    pane = laid.panes["pairs"]
    path = tmp_path / "own.csv"
    path.write_text("first,second,category\nThe cat sat.,The nurse sat.,a\nThe mat,The cat,b\n")
    chosen = {"data": pair_source.FILE, "file": str(path)}
    shown = laid.run("pairs", laid.reader, **chosen)
    assert [row[0] for row in section(shown, pane).rows] == ["all", "a", "b"]
    path.write_text("sent_more,sent_less,stereo_antistereo,bias_type\nThe cat sat.,The nurse sat.,stereo,a\n")
    assert "Blodgett" in laid.run("pairs", laid.reader, **chosen)[pane.out.says]  # it looks like CrowS-Pairs
    path.write_text("text,label\nThe cat sat.,x\n")
    with pytest.raises(gr.Error, match="two with sentences are needed"):
        laid.run("pairs", laid.reader, **chosen)
    with pytest.raises(gr.Error, match="There is no file yet"):
        laid.run("pairs", laid.reader, data=pair_source.FILE)


def test_winogender_comes_with_the_page_and_says_what_it_is(laid):
    pane = laid.panes["pairs"]
    shown = laid.run("pairs", laid.reader, data=pair_source.WINOGENDER)
    kinds = {row[0]: int(row[1]) for row in section(shown, pane).rows}
    women = [one.women for one in occupations()]
    assert kinds == {
        "all": 120,
        "mostly men's work": 2 * sum(share < 100 / 3 for share in women),
        "mixed work": 2 * sum(100 / 3 <= share <= 200 / 3 for share in women),
        "mostly women's work": 2 * sum(share > 200 / 3 for share in women),
    }
    assert "was made to test what a pronoun is taken to refer to" in shown[pane.out.says]


def test_associations_and_the_axis(laid):
    pane = laid.panes["weat"]
    sets = {"x": "cat, mat", "y": "doctor, nurse", "a": "Paris, France", "b": "capital, help"}
    shown = laid.run("weat", where=associations.WORDS, **sets)
    assert "6 partitions" in section(shown, pane).definition and len(shown[pane.chart]["value"].data) == 2
    deeper = laid.run("weat", where=associations.SENTENCES, layer=1, **sets)
    assert "SEAT" in section(deeper, pane).metric
    axis = laid.panes["axis"]
    shown = laid.run("axis", layer=1)
    assert len(section(shown, axis).rows) == 60 and "r = " in section(shown, axis).says
    with pytest.raises(gr.Error, match="2 and 1 words"):
        laid.run("weat", where=associations.WORDS, **sets | {"y": "doctor"})


def test_texts_are_written_and_compared(laid):
    pane = laid.panes["texts"]
    shown = laid.run("texts", prompts="The {group} sat", groups="cat, doctor", n=3, tokens=8)
    assert shown[pane.texts].count("<details>") == 2 and len(shown[pane.chart]["value"].data) == 3
    assert "6 continuations" in section(shown, pane).data
    with pytest.raises(gr.Error, match="reads text but does not write it"):
        laid.run("texts", laid.reader, prompts="The {group} sat", groups="cat, doctor", n=1)


@pytest.mark.parametrize("how", [change.REMOVE, change.STEER, change.ARGUE, change.OTHER])
def test_the_same_pairs_before_and_after(laid, how):
    pane = laid.panes["change"]
    pairs_asked = {"pair_first": "The {word} sat.", "pair_second": "The {word} asked.", "words": "cat, nurse, doctor"}
    layers = {"low": 1, "high": 1, "strength": 1.0, "how": how, "other": laid.writer}
    shown = laid.run("change", **layers, **pairs_asked)
    rows = section(shown, pane).rows
    assert rows[0][0] == "As it is" and rows[-1][0] == "change"
    assert all(row[-1] for row in rows)  # the price in perplexity, for every kind of change
    assert "measured()" in shown[pane.out.code]
    assert ("random direction" in shown[pane.moved]) == (how in (change.REMOVE, change.STEER))
    if how == change.OTHER:  # the same model: nothing may have moved
        assert rows[0][1:] == rows[1][1:] and "cannot be told" in section(shown, pane).says


@pytest.mark.parametrize(
    ("given", "layers"), [({}, [1]), ({"high": "2"}, [2]), ({"low": "0"}, [0]), ({"low": 0, "high": 1}, [0, 1])]
)
def test_layers_that_are_not_named_are_a_third_of_the_way_up(laid, given, layers):
    pane = laid.panes["change"]
    with pane.desk.page.models.lease(laid.reader) as engine:  # three layers
        found = pane._directions(engine, laid.values("change", laid.reader, **given), threading.Event())
    assert sorted(found.bases) == layers


def test_what_cannot_be_changed_is_said(laid):
    for chosen, sentence in (
        ({"low": 2, "high": 1}, "Write the lower one first"),
        ({"low": "ten"}, "“ten” is no layer"),
        ({"low": 9, "high": 9}, "No layer was chosen|has no layer"),
        ({"how": change.OTHER, "other": " "}, "No other model was named"),
        ({"how": change.OTHER, "other": laid.reader}, "their scores do not compare"),
        ({"how": change.ARGUE, "instruction": ""}, "no instruction to argue against"),
    ):
        with pytest.raises(gr.Error, match=sentence):
            laid.run("change", **{"low": 1, "high": 1} | chosen)
    holdings = laid.panes["change"].desk.page.models.ledger().holdings
    assert all(holding.lent == 0 for holding in holdings)
