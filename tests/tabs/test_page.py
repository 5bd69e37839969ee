"""The page as a whole: what the bar says, what is offered, and what other programs may call."""

import gradio as gr
import pytest

from playground import api
from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs import TABS, model_bar
from playground.tabs.chat import tab as chat
from playground.tabs.layout import lay_out
from playground.tabs.theme import theme


def test_the_bar_follows_a_model_from_disk_to_memory_and_back(laid, chatty):
    models, picked = laid.page.models, str(chatty)
    view = model_bar.look(models, picked)
    assert "on disk" in view.status
    assert (view.can_load, view.can_unload) == (True, False)
    with models.lease(picked):
        view = model_bar.look(models, picked)
        assert "ready" in view.status
        assert "self-checks passed" in view.status
        assert picked in view.ledger
        assert (view.can_load, view.can_unload) == (False, True)
    models.unload(picked)
    assert "No model is in memory" in model_bar.look(models, picked).ledger


def test_the_bar_is_not_sent_again_unless_it_changed(laid, chatty):
    assert model_bar.look(laid.page.models, str(chatty)) == model_bar.look(laid.page.models, str(chatty))


@pytest.mark.parametrize("typed", ["", "no such model", "<script>"])
def test_what_cannot_be_a_model_is_said_in_the_bar(laid, typed):
    view = model_bar.look(laid.page.models, typed)
    assert 'data-state="failed"' in view.status
    assert "<script>" not in view.status


def test_the_picker_offers_every_catalog_entry_and_says_what_may_be_typed():
    settings = Settings(default_models="org/of-the-operator")
    offered = model_bar.choices(settings)
    assert offered[0][0].startswith("SmolLM2")
    assert offered[-1] == ("org/of-the-operator", "org/of-the-operator")
    assert len({reference for _, reference in offered}) == len(offered)
    assert model_bar.choices(settings, also="starter:all-minilm-l6-v2#int8")[-1][0].endswith(", int8")
    assert "folder" in model_bar.what_may_be_typed(Settings(local_paths=True))
    assert "folder" not in model_bar.what_may_be_typed(Settings(local_paths=False))


def test_offline_the_picker_says_what_is_not_here(starter_cache):
    offered = {reference: label for label, reference in model_bar.choices(Settings(cache_dir=starter_cache))}
    offline = model_bar.choices(Settings(cache_dir=starter_cache, offline=True))
    assert not any("not on this machine" in label for label in offered.values())
    absent = {reference for label, reference in offline if label == f"{offered[reference]} · not on this machine"}
    assert "google/flan-t5-small" in absent and "starter:smollm2-135m-instruct" not in absent
    assert {reference for label, reference in offline if label == offered[reference]} == set(offered) - absent


def test_the_tab_knows_what_a_model_can_do(laid, chatty, base, reader):
    assert chat.what_it_can(laid.page, "starter:smollm2-135m-instruct") == "chat"
    assert chat.what_it_can(laid.page, "starter:smollm2-135m-instruct#int8") == "chat"
    assert chat.what_it_can(laid.page, "google/flan-t5-small") == "seq2seq"
    assert chat.what_it_can(laid.page, "starter:all-minilm-l6-v2") == "none"
    assert chat.what_it_can(laid.page, str(base)) is None, "not known before it is loaded"
    for folder, ability in ((base, "base"), (chatty, "chat"), (reader, "none")):
        with laid.page.models.lease(str(folder)):
            assert chat.what_it_can(laid.page, str(folder)) == ability
    assert chat.what_it_can(laid.page, "no such model") is None


def public(blocks: gr.Blocks) -> set[str]:
    return {f"/{fn.api_name}" for fn in blocks.fns.values() if fn.api_visibility == "public"}


def test_the_page_adds_no_endpoint_of_its_own(tmp_path):
    settings = Settings(cache_dir=tmp_path)
    models = ModelCache(settings)
    with gr.Blocks() as blocks:
        api.add(models, settings)
        lay_out(blocks, models, settings)
    with gr.Blocks() as bare:
        api.add(models, settings)
    assert {"/models", "/chat"} <= public(bare) == public(blocks)
    shared = {fn.concurrency_id for fn in blocks.fns.values() if fn.name in ("answer", "chat", "complete")}
    assert shared == {"models"}


def test_every_tab_introduces_itself():
    for tab in TABS:
        assert tab.TITLE
        assert tab.__doc__.strip()


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_the_primary_button_can_be_read_and_no_font_is_fetched():
    look = theme()
    light, dark = sorted((luminance("#ffffff"), luminance(look.primary_600)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5
    assert "//fonts." not in look._get_theme_css()
    assert look._stylesheets == []
