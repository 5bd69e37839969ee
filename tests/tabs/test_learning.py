"""An exercise on the page: a guess goes in, and what the model does comes back, or why it does not."""

import gradio as gr
import pytest

from playground.labs.learning import answers, texts
from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.layout import lay_out
from tests.tabs.visitor import Visitor


@pytest.fixture
def ask(laid):
    """Guesses in the Chat tab with a model; what learn.js is told."""

    def guess(model, **guessed) -> dict:
        visitor = Visitor(laid.page.blocks)
        visitor.values[laid.page.reference] = None if model is None else str(model)
        blocks = laid.page.blocks.blocks.values()
        box = next(block for block in blocks if "learn" in getattr(block, "elem_classes", []))
        visitor.fire(box, "guessed", **guessed)
        return visitor.value(box)

    return guess


def test_the_model_in_use_answers(ask, chatty, laid):
    told = ask(chatty, answer="next_token", guess="paris")
    with laid.page.models.lease(str(chatty)) as engine:
        ids = engine.encode(answers.CAPITAL)
        best = engine.model(ids).logits[0, -1].softmax(-1).max().item()
    assert told["answer"] == "next_token" and told["right"] in answers.ANSWERS["next_token"].choices
    assert f"with {100 * best:.1f} %" in told["html"] and f"Measured just now on {chatty.name}." in told["html"]
    assert ("You guessed right" in told["html"]) == (told["right"] == "paris")
    assert ask(chatty, answer="next_token", guess="paris")["number"] > told["number"]  # the page sees a new answer


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("bert", "it has no next token. Pick a model that writes."),
        ("/no/such/folder", "/no/such/folder"),
        (None, "No model was named."),
    ],
)
def test_a_model_that_cannot_says_so_where_the_answer_would_stand(ask, reader, model, sentence):
    told = ask(reader if model == "bert" else model, answer="next_token", guess="<b>")
    assert told["right"] == "" and "It could not answer." in told["html"] and "模型未能回答" in told["html"]
    assert sentence in told["html"]
    assert "<b>" not in told["html"]


def test_an_exercise_of_another_tab_is_not_answered(ask, chatty):
    told = ask(chatty, answer="doctor", guess="he")
    assert "There is no such exercise in this tab. Reload the page." in told["html"]


def test_a_surprise_is_a_number_in_the_log(ask, chatty, monkeypatch, caplog):
    monkeypatch.setattr(answers, "answer", lambda name, asked: 1 / 0)
    told = ask(chatty, answer="next_token", guess="paris")
    assert "Something went wrong that should not have" in told["html"] and "division" not in told["html"]
    assert "ZeroDivisionError" in caplog.text


def test_what_the_tour_shows_stands_in_the_tab_that_it_opens(tmp_path):
    settings = Settings(cache_dir=tmp_path)
    with gr.Blocks() as blocks:
        page = lay_out(blocks, ModelCache(settings), settings)

    def tab_of(block) -> str:
        while block is not blocks and block.parent is not page.tabs:
            block = block.parent
        return getattr(block, "label", "")

    shown = {block.elem_id: tab_of(block) for block in blocks.blocks.values() if getattr(block, "elem_id", None)}
    for step in texts.tour():
        assert shown[step.target.removeprefix("#")] == step.tab
