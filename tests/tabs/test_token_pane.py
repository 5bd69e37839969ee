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
