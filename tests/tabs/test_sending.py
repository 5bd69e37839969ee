"""From every tab to every tab where it makes sense: the target is selected, filled in and run."""

import re

import gradio as gr
import pytest

from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.attention import tab as attention
from playground.tabs.chat.token_pane import Written
from playground.tabs.internals import tab as internals
from playground.tabs.kit import Parcel
from playground.tabs.layout import lay_out
from playground.tabs.merge import visitors
from playground.views import sending as view
from tests import tiny
from tests.tabs.visitor import Visitor

TEXT = "The cat sat on the mat because it was comfortable."


@pytest.fixture(scope="module")
def laid(tmp_path_factory):
    settings = Settings(cache_dir=tmp_path_factory.mktemp("cache"), dtype="float32", threads=1, memory_budget="200MB")
    with gr.Blocks() as blocks:
        page = lay_out(blocks, ModelCache(settings), settings)
    return page


@pytest.fixture(scope="module")
def llama(tmp_path_factory) -> str:
    return str(tiny.save(tmp_path_factory.mktemp("chatty"), "llama", context=4096))


@pytest.fixture
def ann(laid, llama):
    visitor = Visitor(laid.blocks)
    visitor.page = laid
    visitor.values[laid.reference] = llama
    return visitor


def offered(visitor: Visitor, row: str) -> dict[tuple[str, str], list[int]]:
    """(what is sent, place) -> what a click on that button says."""
    html = visitor.find(row).value
    whats = re.findall(r"<option value=\"\d+\">(.*?)</option>", html) or [re.search(r"Send (.*?) to <", html)[1]]
    buttons = re.findall(r'data-at="(\d+),(\d+)">(.*?)</button>', html)
    return {(whats[int(i)].replace("&#x27;", "'"), place): [int(i), int(j)] for i, j, place in buttons}


def send(visitor: Visitor, row: str, what: str, place: str) -> None:
    visitor.fire(visitor.find(row), "select", offered(visitor, row)[what, place])


def test_rows_offer_what_the_page_has():
    html = view.row({"the <text>": ["Chat", "Bias"], "a head": ["Ablation"]}, "x")
    assert "<text>" not in html and html.count("<button") == 3 and html.count(" hidden") == 1
    assert "<select" not in view.row({"the text": ["Chat"]}, "x")


def test_only_tabs_that_are_there_are_offered(tmp_path):
    settings = Settings(cache_dir=tmp_path)
    with gr.Blocks() as blocks:
        lay_out(blocks, ModelCache(settings), settings, [attention])
    assert "attention-send-to" not in {getattr(block, "elem_id", None) for block in blocks.blocks.values()}
    with gr.Blocks() as blocks:
        lay_out(blocks, ModelCache(settings), settings, [attention, internals])
    assert {place for _, place in offered(Visitor(blocks), "attention-send-to")} == {
        "Logit lens",
        "Ablation",
        "Probing",
    }


def test_every_row_names_tabs_and_sub_tabs_that_there_are(laid, ann):
    titles = {getattr(block, "id", None) for block in laid.blocks.blocks.values() if isinstance(block, gr.Tab)}
    rows = [b.elem_id for b in laid.blocks.blocks.values() if (getattr(b, "elem_id", None) or "").endswith("-send-to")]
    assert len(rows) == 9
    for row in rows:
        assert {place for _, place in offered(ann, row)} <= titles


def test_attentions_text_is_read_by_the_lens_at_once(ann):
    ann.values[ann.find("attention-text")] = TEXT
    send(ann, "attention-send-to", "the text", "Logit lens")
    assert ann.value(ann.find("lens-text")) == TEXT
    assert ann.opened["internals"] == "Logit lens"
    assert "Layer" in str(ann.value(ann.find("lens-detail")))


def test_a_head_is_taken_out_and_comes_back(ann):
    ann.values |= {ann.find("attention-text"): TEXT, ann.find("map-layer"): 1, ann.find("map-head"): 2}
    send(ann, "attention-send-to", "the head in Map", "Ablation")
    assert ann.value(ann.find("ablation-targets")) == "head 1.2"
    assert ann.opened["internals"] == "Ablation"
    assert "Head 2 of layer 1" in ann.value(ann.find("ablation-told"))
    ann.values |= {ann.find("ablation-targets"): "mlp 0, head 0.3", ann.find("ablation-text"): "The dog ran."}
    send(ann, "ablation-send-to", "the first head taken out", "Attention")
    assert (ann.value(ann.find("map-layer")), ann.value(ann.find("map-head"))) == (0, 3)
    assert ann.value(ann.find("attention-text")) == "The dog ran."
    assert "layer 0, head 3" in ann.value(ann.find("map-caption"))


def test_a_layer_is_probed_at_what_it_gives(ann, monkeypatch):
    ann.values |= {ann.find("attention-text"): TEXT, ann.find("map-layer"): 1}
    ann.values[ann.find("probing-task")] = "own"  # without a file: the run says so, and nothing is trained here
    with pytest.raises(gr.Error, match="There is no file yet"):
        send(ann, "attention-send-to", "the layer in Map", "Probing")
    assert ann.value(ann.find("probing-which")) == "One layer"
    assert ann.value(ann.find("probing-layer")) == 2, "layer 1's output; 0 is what goes into the first block"


def test_a_text_becomes_a_new_conversation_and_is_answered(ann):
    ann.values[ann.find("attention-text")] = "Hello"
    box = next(b for b in ann.blocks.blocks.values() if getattr(b, "label", "") == "System prompt")
    ann.values[box] = "Be brief."
    most = next(b for b in ann.blocks.blocks.values() if isinstance(b, gr.Slider) and b.label == "Max new tokens")
    ann.values[most] = 3
    send(ann, "attention-send-to", "the text", "Chat")
    thread = next(v for k, v in ann.values.items() if isinstance(k, gr.State) and hasattr(v, "now"))
    assert thread.now.path[0].content == "Hello"
    assert [node.role for node in thread.now.path] == ["user", "assistant"]
    assert ann.value(box) == ""


def test_a_text_is_continued_by_a_model_without_a_chat(ann, tmp_path):
    base = str(tiny.save(tmp_path / "base", "gpt2", context=2048))
    with ann.page.models.lease(base):
        pass
    ann.values |= {ann.page.reference: base, ann.find("attention-text"): "Once upon"}
    most = next(b for b in ann.blocks.blocks.values() if isinstance(b, gr.Slider) and b.label == "Max new tokens")
    ann.values[most] = 3
    send(ann, "attention-send-to", "the text", "Chat")
    written = ann.value(ann.find("text"))
    assert written.startswith("Once upon") and len(written) > len("Once upon")


def test_a_text_becomes_one_more_prompt_and_one_row_is_answered(ann):
    ann.values |= {ann.find("attention-text"): "Name a colour.", ann.find("lab-max-new-tokens"): 3}
    send(ann, "attention-send-to", "the text", "Prompt lab")
    assert ann.value(ann.find("lab-query")) == "Name a colour."
    assert ann.value(ann.find("lab-name")) == "sent"
    assert ann.value(ann.find("lab-which")) == 2, "beside the two that are there"
    assert "Name a colour." in re.sub(r"<[^>]*>", "", ann.value(ann.find("lab-preview"))).replace("·", " ")
    assert ann.value(ann.find("lab-one-answer"))
    assert "Run and compare" in ann.value(ann.find("lab-status"))
    send(ann, "lab-send-to", "the prompt as the model reads it", "Attention")
    assert ann.value(ann.find("attention-text")).startswith("<|im_start|>user\nName a colour.")
    assert "Special tokens" not in ann.value(ann.find("attention-status"))


def test_a_sentence_gets_a_blank_and_is_filled(ann):
    ann.values[ann.find("attention-text")] = "The nurse said that she was tired."
    send(ann, "attention-send-to", "the text", "Bias")
    assert ann.value(ann.find("bias-fill-text")) == "The nurse said that [MASK] was tired."
    assert ann.value(ann.find("bias-fill-candidates")) == "she, he"
    assert "she" in ann.value(ann.find("bias-fill-says")) + ann.value(ann.find("bias-fill-more"))
    send(ann, "bias-send-to", "the sentence", "Attention")
    assert ann.value(ann.find("attention-text")) == "The nurse said that", "a causal model reads up to the blank"


def test_the_reply_the_message_and_all_of_it_go_out(ann, llama):
    written = Written(llama, "Be kind.", (("user", "Hello"), ("assistant", "Hi"), ("user", "Which city? ")), ())
    with ann.page.models.lease(llama) as engine:
        ids = tuple(engine.tokenizer(" Paris<|im_end|>", add_special_tokens=False).input_ids)
    place = next(
        b
        for f in ann.blocks.fns.values()
        if f.targets == [(ann.find("chat-send-to")._id, "select")]
        for b in f.inputs
        if isinstance(b, gr.State)
    )
    with pytest.raises(gr.Error, match="no reply of a model yet"):
        send(ann, "chat-send-to", "the last reply", "Bias")
    ann.values[place] = Written(llama, written.system, written.asked, ids)
    post = ann.page.post
    with pytest.raises(gr.Error, match="no blank"):
        send(ann, "chat-send-to", "the last reply", "Bias")
    assert ann.values[post["Bias"]].text == "Paris"
    send(ann, "chat-send-to", "the message before it", "Attention")
    assert ann.values[post["Attention"]].text == "Which city?"
    send(ann, "chat-send-to", "the whole conversation", "Attention")
    parcel = ann.values[post["Attention"]]
    assert parcel.complete and parcel.reference == llama
    assert parcel.text.endswith("user\nWhich city? <|im_end|>\n<|im_start|>assistant\n Paris<|im_end|>")
    assert ann.value(ann.find("attention-text")) == parcel.text


def test_a_passage_needs_a_search_and_a_merge_a_blend(ann):
    for row, what, sentence in (
        ("search-send-to", "the passage under the microscope", "Search first"),
        ("search-send-to", "the answer", "Press Ask first"),
        ("merge-send-to", "the question, with the merge as the model,", "Press Blend and ask first"),
        ("lens-send-to", "the layer of the cell looked at", "Press Look"),
    ):
        with pytest.raises(gr.Error, match=sentence):
            send(ann, row, what, "Attention" if row == "lens-send-to" else "Chat")
    ann.values[ann.find("search-question")] = "What is a head?"
    send(ann, "search-send-to", "the question", "Attention")
    assert ann.value(ann.find("attention-text")) == "What is a head?"


def test_a_merge_goes_out_with_its_question_and_is_the_model_in_use(ann, monkeypatch):
    monkeypatch.setattr(visitors.Visitors, "current", lambda self, visitor: f"merge:of-{visitor}")
    ann.values[ann.find("merge-prompt")] = "Who are you?"
    place = ann.find("merge-send-to")
    handler = next(f for f in ann.blocks.fns.values() if (place._id, "select") in f.targets)
    at = offered(ann, "merge-send-to")["the question, with the merge as the model,", "Bias"]
    (updates,) = ann._made(handler, type("Event", (), {"index": at}))
    assert updates[ann.page.reference] == "merge:of-ann"
    assert updates[ann.page.tabs]["selected"] == "Bias"
    assert updates[ann.page.post["Bias"]].text == "Who are you?"


def test_what_is_sent_to_merge_waits_for_a_click(ann):
    post = ann.page.post["Merge"]
    ann.values[post] = Parcel("A question")
    ann.fire(post, "change")
    assert ann.value(ann.find("merge-prompt")) == "A question"
    assert "Press Blend and ask" in ann.value(ann.find("merge-look"))
    assert "run" not in ann.ran
