"""From every tab to every tab where it makes sense: the target is selected, filled in and run."""

import re
from html import unescape

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
    panes = {pane.TITLE for pane in internals.PANES}
    assert {place for _, place in offered(Visitor(blocks), "attention-send-to")} == panes


def test_every_row_names_tabs_and_sub_tabs_that_there_are(laid, ann):
    titles = {getattr(block, "id", None) for block in laid.blocks.blocks.values() if isinstance(block, gr.Tab)}
    rows = [b.elem_id for b in laid.blocks.blocks.values() if (getattr(b, "elem_id", None) or "").endswith("-send-to")]
    assert len(rows) == 17
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


def test_a_neuron_is_taken_out_and_comes_back(ann):
    ann.values |= {ann.find("neuron-text"): TEXT, ann.find("neuron-layer"): 1, ann.find("neuron-index"): 5}
    send(ann, "neurons-send-to", "the neuron", "Ablation")
    assert (ann.value(ann.find("ablation-targets")), ann.value(ann.find("ablation-text"))) == ("neuron 1.5", TEXT)
    assert "Neuron 5 of layer 1" in ann.value(ann.find("ablation-told"))
    ann.values |= {ann.find("ablation-targets"): "head 0.3, neuron 2.7", ann.find("ablation-text"): "The dog ran."}
    send(ann, "ablation-send-to", "the first neuron taken out", "Neurons")
    assert (ann.value(ann.find("neuron-layer")), ann.value(ann.find("neuron-index"))) == (2, 7)
    assert ann.opened["internals"] == "Neurons" and "layer 2, MLP neuron 7" in ann.value(ann.find("neuron-caption"))
    assert re.sub("<[^>]*>", "", ann.value(ann.find("neuron-heat"))).count("The dog ran.") == 1
    ann.values[ann.find("neuron-kind")] = "Residual dimension"
    with pytest.raises(gr.Error, match="Only MLP neurons"):
        send(ann, "neurons-send-to", "the neuron", "Ablation")


def test_a_text_of_special_tokens_is_looked_at_by_a_neuron_as_it_is(ann, llama):
    with ann.page.models.lease(llama) as engine:
        whole = engine.tokenizer.bos_token + "The dog ran."
        n_tokens = len(engine.tokenizer(whole, add_special_tokens=False).input_ids)
    ann.values |= {ann.find("ablation-text"): whole, ann.find("ablation-kind"): "Text with its special tokens"}
    ann.values |= {ann.find("neuron-layer"): 1, ann.find("neuron-index"): 5}
    send(ann, "ablation-send-to", "the text", "Neurons")
    assert ann.value(ann.find("neuron-heat")).count('class="token ') == n_tokens
    with pytest.raises(gr.Error, match="Send a plain text"):
        send(ann, "ablation-send-to", "the text", "Patching")


def test_a_text_is_patched_with_its_clearest_counterfactual(ann):
    text = "The doctor was happy and the cat was a bird"
    ann.values[ann.find("lens-text")] = text
    send(ann, "lens-send-to", "the text", "Patching")
    boxes = [ann.value(ann.find(f"patching-{name}")) for name in ("clean", "corrupted", "answer", "wrong")]
    assert boxes[0] == text and boxes[1] != text and all(boxes)
    assert ann.opened["internals"] == "Patching" and "Denoising" in ann.value(ann.find("patching-verdict"))
    assert "the counterfactual that turns the answer" in ann.value(ann.find("patching-look"))


def test_the_cell_of_a_patch_goes_where_its_part_can_be_seen(ann):
    text = "The doctor was happy and the cat was a bird"
    with pytest.raises(gr.Error, match="Press Patch"):
        send(ann, "patching-send-to", "the layer or head of the cell looked at", "Ablation")
    site = next(block for block in ann.blocks.blocks.values() if getattr(block, "label", "") == "What is patched")
    ann.values |= {ann.find("lens-text"): text, site: "Single heads"}
    send(ann, "lens-send-to", "the text", "Patching")
    ann.fire(ann.find("patching-numbers"), "select", [3, 1])  # column, layer
    assert "layer 1, head 3" in ann.value(ann.find("patching-cell"))
    send(ann, "patching-send-to", "the layer or head of the cell looked at", "Ablation")
    assert (ann.value(ann.find("ablation-targets")), ann.value(ann.find("ablation-text"))) == ("head 1.3", text)
    for name, part in (("MLP output", "mlp 2"), ("Residual", "layer 2")):
        ann.values[site] = name
        ann.fire(ann.find("patch"), "click")
        ann.fire(ann.find("patching-numbers"), "select", [2, 2])
        send(ann, "patching-send-to", "the layer or head of the cell looked at", "Ablation")
        assert ann.value(ann.find("ablation-targets")) == part


def test_a_message_is_steered_as_one_and_what_came_goes_on(ann):
    ann.values |= {ann.find("steering-layer"): 1, ann.find("map-layer"): 2, ann.find("attention-text"): "The dog"}
    send(ann, "attention-send-to", "the layer in Map", "Steering")
    assert (ann.value(ann.find("steering-text")), ann.value(ann.find("steering-layer"))) == ("The dog", 2)
    assert ann.value(ann.find("steering-written")).count("<li>") == 3
    send(ann, "steering-send-to", "the steered text", "Logit lens")
    said = ann.value(ann.find("lens-text"))
    steered = unescape(re.findall("<li>.*?</li>", ann.value(ann.find("steering-written")), re.S)[1])
    assert said.startswith("The dog") and len(said) > len("The dog")
    assert re.sub(r"\s+", "", said.removeprefix("The dog"))[:8] in re.sub(r"<[^>]*>|\s+", "", steered)
    send(ann, "steering-send-to", "the layer", "Attention")
    assert (ann.value(ann.find("map-layer")), ann.value(ann.find("attention-text"))) == (2, "The dog")
    ann.values[ann.find("bias-generation-chat")] = True
    send(ann, "bias-generation-send-to", "the first prompt, with the first group", "Steering")
    assert ann.value(ann.find("steering-kind")) == "Chat message"
    assert "{group}" not in ann.value(ann.find("steering-text"))


def test_pairs_templates_and_directions_of_bias_go_out(ann):
    first = ann.value(ann.find("bias-pairs-first")).splitlines()[0]
    send(ann, "bias-pairs-send-to", "its second sentence", "Attention")
    seen = ann.value(ann.find("attention-text"))
    assert "{" not in seen and seen != first and seen.split()[0] in ann.value(ann.find("bias-pairs-second"))
    ann.values |= {ann.find("bias-grid-templates"): "[MASK] is a {word}.", ann.find("bias-grid-words"): "actor, nurse"}
    send(ann, "bias-grid-send-to", "the first template, with its first word", "Fill the blank")
    assert ann.value(ann.find("bias-fill-text")) == "[MASK] is an actor." and ann.opened["bias"] == "Fill the blank"
    ann.values |= {ann.find("bias-change-first"): "He ran.", ann.find("bias-change-second"): "She ran."}
    ann.values |= {ann.find("bias-change-low"): "1", ann.find("steering-text"): "The dog"}
    send(ann, "bias-change-send-to", "the sentences that the direction is found between", "Steering")
    sets = [ann.value(ann.find(f"steering-{name}")) for name in ("positive", "negative")]
    assert sets == ["He ran.", "She ran."] and ann.value(ann.find("steering-layer")) == 1
    assert ann.value(ann.find("steering-text")) == "The dog" and "<li>" in ann.value(ann.find("steering-written"))
    ann.values[ann.find("bias-change-first")] = " "
    with pytest.raises(gr.Error, match="Both sets need at least one text"):
        send(ann, "bias-change-send-to", "the sentences that the direction is found between", "Steering")
    ann.values[ann.find("bias-generation-prompts")] = " "
    with pytest.raises(gr.Error, match="Write at least one"):
        send(ann, "bias-generation-send-to", "the first prompt, with the first group", "Chat")


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
    with pytest.raises(gr.Error, match="Click one first"):
        send(ann, "token-send-to", "all that stands before the token looked at", "Logit lens")
    ann.fire(ann.find("token-pane"), "expand")
    ann.fire(ann.find("tokens"), "select", 1)
    send(ann, "token-send-to", "all that stands before the token looked at", "Logit lens")
    with ann.page.models.lease(llama) as engine:
        first, second = map(engine.tokenizer.decode, ids[:2])
    assert ann.value(ann.find("lens-text")) == parcel.text.removesuffix(" Paris<|im_end|>") + first
    assert ann.value(ann.find("lens-follow")) == second.strip()
    ann.fire(ann.find("tokens"), "select", 2)
    send(ann, "token-send-to", "all that stands before the token looked at", "Logit lens")
    assert ann.value(ann.find("lens-text")).endswith("Paris")
    assert ann.value(ann.find("lens-follow")) == "", "a token that begins a word would be another"


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
