"""The Prompt lab's endpoints over real HTTP on a tiny model: equal to the labs' own results."""

import numpy as np
import pytest
from gradio_client.exceptions import AppError

from playground.labs.chat import replies
from playground.labs.prompting import labels, prompts, scorers, statistics
from playground.labs.prompting.scorers import Scorer

ROWS = [
    {"text": text, "label": label}
    for text, label in (("The cat sat.", "the"), ("Paris", "cat"), ("The nurse asked.", "was"), ("A mat", "the"))
]
FEW = {
    "name": "few",
    "instruction": "Say a word.",
    "style": "few-shot",
    "examples": [{"question": "The doctor", "reasoning": "", "answer": "was"}],
}
ZERO = {"name": "zero", "instruction": "Say a word."}
SETTINGS = {"max_new_tokens": 6}


@pytest.fixture
def engine(models):
    with models.lease(models.settings.default_models[0]) as engine:
        yield engine


def run(client, *arguments, **named):
    job = client.submit(*arguments, **named, api_name="/prompt_run")
    last = job.result(timeout=100)
    assert last["finished"] and last["done"] == last["total"]
    assert all(not state["finished"] and "cells" not in state for state in job.outputs()[:-1])
    return last


def written(engine, prompt, row):
    sampling = replies.Sampling(max_new_tokens=6, temperature=0, stop=prompts.stop_strings(prompt))
    *_, last = replies.complete(engine, prompts.rendered(prompt, row), sampling)
    return last


def test_cells_scores_and_comparisons(client, engine):
    got = run(client, [FEW, ZERO], ROWS, settings=SETTINGS, scorer={"kind": "contains"})
    listed = [prompts.read(FEW), prompts.read(ZERO)]
    assert [(cell["prompt"], cell["row"]) for cell in got["cells"]] == [(p, r) for p in (0, 1) for r in range(4)]
    outcomes = [[], []]
    for cell in got["cells"]:
        row = ROWS[cell["row"]]
        expected = written(engine, listed[cell["prompt"]], row)
        judged = scorers.score(Scorer("contains"), expected.text, row)
        assert cell["outputs"] == [expected.text] and cell["new_tokens"] == expected.new_tokens
        assert cell["prompt_tokens"] == expected.prompt_tokens
        assert (cell["outcome"], cell["why"], cell["error"]) == (judged.outcome, judged.why, "")
        outcomes[cell["prompt"]].append(judged.outcome)
    for score, line in zip(got["scores"], outcomes, strict=True):
        accuracy = statistics.accuracy(line)
        assert (score["correct"], score["accuracy"]) == (accuracy.correct, accuracy.share)
        assert (score["low"], score["high"]) == pytest.approx(accuracy.interval)
    assert [score["name"] for score in got["scores"]] == ["few", "zero"]
    (comparison,) = got["comparisons"]
    assert comparison["difference"] == pytest.approx(statistics.compare(*outcomes).difference)
    assert comparison["verdict"] == "cannot tell", "four rows are not enough"
    assert got["alone"] == "" and got["dtype"] == "float32" and got["seed"] == 0


def test_choice_writes_nothing_and_gives_probabilities(client, engine):
    choices = ("the", "was", "cat")
    settings = {"content_free": "N/A", "by": "per token"}
    got = run(client, [FEW], ROWS, settings=settings, scorer={"kind": "choice", "choices": list(choices)})
    prompt = prompts.read(FEW)
    free = [prompts.rendered(prompt, {"text": "N/A"})]
    expected = labels.label(engine, [prompts.rendered(prompt, row) for row in ROWS], choices, free)
    for label in expected:
        cell = got["cells"][label.row]
        np.testing.assert_allclose(cell["probabilities"], label.probabilities("per token", True), atol=1e-5)
        assert cell["outputs"] == [label.best("per token", True)] and cell["new_tokens"] == 0
        assert cell["outcome"] == ("correct" if cell["outputs"] == [ROWS[label.row]["label"]] else "wrong")


def test_samples_are_put_to_a_vote(client):
    settings = SETTINGS | {"temperature": 1.2, "samples": 3, "seed": 4}
    scorer = {"kind": "written", "choices": ["the", "cat", "was"]}
    got = run(client, [ZERO], ROWS, settings=settings, scorer=scorer)
    assert all(len(cell["outputs"]) == 3 for cell in got["cells"]) and got["seed"] == 4
    again = run(client, [ZERO], ROWS, settings=settings, scorer=scorer)
    assert again["cells"] == got["cells"]


def test_without_a_scorer_and_with_a_row_that_fails(client):
    got = run(client, [ZERO], [{"text": "The cat"}, {"text": ""}, {"text": "A mat"}], settings=SETTINGS)
    assert [bool(cell["outputs"]) for cell in got["cells"]] == [True, False, True]
    assert "Row 2 has nothing in column" in got["cells"][1]["error"]
    assert got["scores"] == [] and got["comparisons"] == []
    assert all(cell["outcome"] is None for cell in got["cells"])


def test_a_judge_tells_how_far_it_is_and_marks_what_it_cannot_read(client, models):
    model = models.settings.default_models[0]
    rows = [*ROWS, {"text": "A mat", "label": "the " * 3_000}]
    scorer = {"kind": "judge", "reference": model}
    job = client.submit([ZERO], rows, model, SETTINGS, scorer, api_name="/prompt_run")
    got = job.result(timeout=100)
    judging = [state for state in job.outputs() if state["doing"] == f"Judging with {model}"]
    assert judging and judging[-1]["done"] == judging[-1]["total"] == 5
    assert all(cell["outcome"] in ("correct", "wrong", "unparseable") for cell in got["cells"][:4])
    assert got["cells"][4]["outcome"] is None and got["cells"][4]["error"].startswith("Row 5: ")
    assert got["cells"][4]["outputs"] and got["scores"][0]["failed"] == 1


def test_label(client, engine):
    got = client.predict(
        "The cat", ["the", "comfortable mat"], "{{text}} sat on", content_free="N/A", api_name="/label"
    )
    (label,) = labels.label(engine, ["The cat sat on"], ("the", "comfortable mat"), ["N/A sat on"])
    assert got["label"] == label.best(calibrated=True)
    for place, choice in enumerate(got["choices"]):
        assert choice["scored"] == label.texts[place] and choice["tokens"] == len(label.ids[place])
        assert choice["logprob"] == pytest.approx(label.logprobs[place], abs=1e-5)
        assert choice["per_byte"] == pytest.approx(label.scores("per byte")[place], abs=1e-5)
        assert choice["content_free"] == pytest.approx(label.content_free[place], abs=1e-5)
        assert choice["probability"] == pytest.approx(label.probabilities(calibrated=True)[place], abs=1e-5)
    plain = client.predict("The cat", ["the", "cat"], api_name="/label")
    assert plain["choices"][0]["content_free"] is None and plain["prompt_tokens"] > 3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (([ZERO] * 21, ROWS), "There are 21 prompts; at most 20"),
        (([ZERO], [{"text": "x"}] * 2_500), "There are 2,500 rows; at most 2,000"),
        (([ZERO] * 2, [{"text": "x"}] * 1_500), "3,000 cells; at most 2,000"),
        (([ZERO], [{"text": "x" * 2_100_000}]), "at most 2,000,000 are read"),
        (([], ROWS), "There is no prompt to run"),
        (([ZERO], []), "table is empty"),
        (([ZERO], [["text"]]), r"`rows\[0\]` does not fit"),
        (([{"query": "{{text"}], ROWS), "braces"),
        (([{"colour": "red"}], ROWS), "no field “colour”"),
        (([ZERO], ROWS, None, {"heat": 1}), "There is no setting “heat”"),
        (([ZERO], ROWS, None, {"temperature": 9}), "temperature is 9"),
        (([ZERO], ROWS, None, {"samples": 2}), "would all be the same"),
        (([ZERO], ROWS, None, None, {"kind": "vibes"}), "no scorer “vibes”"),
        (([ZERO], ROWS, None, None, {"kind": "regex", "pattern": "("}), "pattern cannot be read"),
        (([ZERO], ROWS, None, {"by": "word"}, {"kind": "choice", "choices": ["the", "cat", "was"]}), "by must be one"),
        (([ZERO], [{"text": "x"}], None, None, {"kind": "exact"}), "no column “label” with the right answer"),
    ],
)
def test_bad_input_is_one_sentence(client, models, arguments, sentence):
    arguments = [models.settings.default_models[0] if place == 2 else value for place, value in enumerate(arguments)]
    with pytest.raises(AppError, match=sentence):
        client.predict(*arguments, api_name="/prompt_run")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("The cat", ["the", "cat"], "Text:"), "does not say where the text goes"),
        (("The cat", ["the"]), "from 2 to 100"),
        (("", ["the", "cat"]), "has nothing in column “text”"),
        (("The cat " * 2_000, ["the", "cat"]), "reads at most 2,048"),
    ],
)
def test_label_refuses_in_one_sentence(client, arguments, sentence):
    with pytest.raises(AppError, match=sentence):
        client.predict(*arguments, api_name="/label")
