"""The script that trained the shipped adapters: its data are what it makes, and a few steps of it train something."""

import json

import pytest
import torch

from playground.labs.adapters.catalogue import from_folder
from playground.models import lora
from tests import tiny
from training.adapters import arithmetic, data, json_answers, pirate, sentiment
from training.adapters.evaluate import evaluate
from training.adapters.train import Plan, train


@pytest.mark.parametrize("name", data.TASKS)
def test_the_files_are_what_the_script_makes(name):
    for file, pairs in data.rows(name).items():
        assert (data.FOLDER / file).read_text("utf-8") == data.as_lines(pairs), "python -m training.adapters.data"


@pytest.mark.parametrize("name", data.TASKS)
def test_nothing_held_out_was_trained_on(name):
    seen = {asked for asked, _ in data.read(name, "train")}
    held_out = data.read(name, "heldout")
    assert not seen & {asked for asked, _ in held_out}
    assert all(data.TASKS[name].right(answer, answer) for _, answer in held_out)


def test_words_of_the_held_out_halves_are_new():
    for task in (json_answers, sentiment):
        for kind, words in task.HELD_OUT_WORDS.items():
            assert not set(words) & set(task.TRAIN_WORDS[kind]), kind


def test_right_is_what_it_says():
    assert json_answers.right('{"age": "7", "name": "Ada"}', '{"name": "Ada", "age": 7}')
    assert not json_answers.right('Sure: {"name": "Ada"}', '{"name": "Ada"}')
    assert not json_answers.right('{"name": "Ada", "age": 7}', '{"name": "Ada"}')
    assert sentiment.right("Positive.", "positive")
    assert not sentiment.right("It is positive", "positive")
    assert arithmetic.right("3 + 4 = 7. The answer is 7.", "The answer is 7.")
    assert not arithmetic.right("7 or 8", "The answer is 7.")
    assert pirate.right("Arr, it be Berlin, matey!", "")
    assert not pirate.right("Your army is in harbour.", "")  # "yer", "arr" and "ye" inside other words


def test_equations_of_the_arithmetic_rows_are_true():
    for _, answer in data.read("arithmetic", "train"):
        for equation in answer.split(".")[:-2]:
            left, _, right = equation.partition("=")
            assert eval(left) == int(right), answer


def test_a_few_steps_train_an_adapter(tmp_path):
    """On a tiny model: the loss falls, PEFT's folder comes out, and the adapter makes the answers more probable."""
    base = tiny.save(tmp_path / "base", "llama", seed=1)
    rows = [("The cat", "sat on the mat."), ("Paris", "is the capital of France.")]
    done = train(
        base, rows, tmp_path / "made", Plan(steps=30, batch=2, rank=4, learning_rate=0.02), dtype=torch.float32
    )
    assert len(done.losses) == 30
    assert done.losses[-1] < 0.6 * done.losses[0]
    config = json.loads((tmp_path / "made" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (4, 16)
    assert done.n_parameters == sum(
        a.numel() + b.numel()
        for b, a, _ in map(lora.Lora(tmp_path / "made").factors, lora.Lora(tmp_path / "made").weights)
    )
    again = train(
        base, rows, tmp_path / "again", Plan(steps=30, batch=2, rank=4, learning_rate=0.02), dtype=torch.float32
    )
    assert again.losses == done.losses
    found = evaluate(
        tiny.loaded(base), from_folder("made", tmp_path / "made"), rows, lambda reply, expected: reply == expected, 4
    )
    assert found.adapter.bits < found.base.bits
    assert found.adapter.n == 2
