"""From a reply to the tabs that look inside a model."""

from types import SimpleNamespace

import gradio as gr
import pytest

from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.chat import tab as chat
from playground.tabs.chat.token_pane import Written
from playground.tabs.layout import lay_out


def senders(tmp_path, *titles: str):
    settings = Settings(cache_dir=tmp_path, dtype="float32", threads=1, memory_budget="100MB")
    others = [SimpleNamespace(TITLE=title, TAKES_TEXTS=True, build=lambda page: None) for title in titles]
    with gr.Blocks() as blocks:
        page = lay_out(blocks, ModelCache(settings), settings, [chat, *others])
    return page, [each.fn for each in blocks.fns.values() if each.name == "send"]


def test_only_tabs_that_are_there_are_offered(tmp_path):
    assert senders(tmp_path)[1] == []
    assert len(senders(tmp_path, "Attention")[1]) == 1
    assert len(senders(tmp_path, "Attention", "Internals", "Merge")[1]) == 2


def test_the_prompt_and_the_reply_arrive_with_their_special_tokens(tmp_path, chatty):
    page, (send,) = senders(tmp_path, "Attention")
    with page.models.lease(str(chatty)) as engine:
        ids = tuple(engine.tokenizer("Paris", add_special_tokens=False).input_ids)
    updates = send(Written(str(chatty), "", (("user", "Hello"),), ids))
    parcel = updates[page.post["Attention"]]
    assert parcel.text == "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nParis"
    assert parcel.complete
    assert parcel.reference == str(chatty)
    with pytest.raises(gr.Error, match="no reply of a model"):
        send(None)


def test_message_and_reply_are_looked_up_as_plain_text(tmp_path, chatty):
    settings = Settings(cache_dir=tmp_path, dtype="float32", threads=1, memory_budget="100MB")
    others = [SimpleNamespace(TITLE="Search", TAKES_TEXTS=True, build=lambda page: None)]
    with gr.Blocks() as blocks:
        page = lay_out(blocks, ModelCache(settings), settings, [chat, *others])
    post = page.post["Search"]
    asked, answered = (each.fn for each in blocks.fns.values() if post in each.outputs)
    with page.models.lease(str(chatty)) as engine:
        ids = tuple(engine.tokenizer(" Paris<|im_end|>", add_special_tokens=False).input_ids)
    written = Written(str(chatty), "", (("user", "Hello"), ("assistant", "Hi"), ("user", "Which city? ")), ids)
    assert asked(written)[post].text == "Which city?"
    assert answered(written)[post].text == "Paris"
    with pytest.raises(gr.Error, match="no reply to look up"):
        asked(None)


def test_the_bias_tab_gets_the_reply_alone(tmp_path, chatty):
    page, (send,) = senders(tmp_path, "Bias")
    with page.models.lease(str(chatty)) as engine:
        ids = tuple(engine.tokenizer("The nurse sat<|im_end|>", add_special_tokens=False).input_ids)
    parcel = send(Written(str(chatty), "", (("user", "Hello"),), ids))[page.post["Bias"]]
    assert (parcel.text, parcel.complete, parcel.reference) == ("The nurse sat", False, str(chatty))


def test_nothing_is_fetched_because_a_reply_is_looked_at(laid, monkeypatch):
    """A file that was imported may name any model."""
    inspect = next(fn.fn for fn in laid.page.blocks.fns.values() if fn.name == "inspect")
    monkeypatch.setattr(laid.page.models, "lease", lambda reference: pytest.fail(f"{reference} was asked for"))
    look, shown, _ = inspect(Written("org/of-a-file", "", (("user", "Hello"),), (5, 6)), True, None, "Probability")
    assert look is None
    assert "org/of-a-file, which wrote this, is not on this machine" in shown
