"""The Bias endpoints over real HTTP on a tiny model."""

import html

import pytest
from gradio_client.exceptions import AppError

PAIRS = [
    {"first": f"The cat sat on mat {i}", "second": f"The nurse sat on mat {i}", "category": "x"} for i in range(40)
]


def test_a_blank_and_an_association(client, models):
    found = client.predict("The [MASK] sat.", candidates=["cat", "nurse"], api_name="/bias_fill")
    assert {word["text"] for word in found["words"]} == {"cat", "nurse"}
    assert sum(word["probability"] for word in found["words"]) == pytest.approx(1)
    assert found["model"] == models.settings.default_models[0] and found["limits"]
    sets = [["cat", "mat"], ["doctor", "nurse"], ["Paris", "France"], ["capital", "help"]]
    found = client.predict(*sets, api_name="/bias_association")
    assert found["partitions"] == 6 and found["exact"] and set(found["x"]) == {"cat", "mat"}


def test_pairs_are_streamed_and_summed_up(client):
    job = client.submit(PAIRS, api_name="/bias_pairs")
    last = job.result(timeout=120)
    done = [state["done"] for state in job.outputs()]
    assert done == sorted(done) and done[-1] == 1
    result = last["result"]
    assert result["dialect"] == "lm-eval" and len(result["pairs"]) == 40
    total = result["shares"][0]
    assert total["first"] == sum(pair["preferred"] == "first" for pair in result["pairs"])
    assert total["low"] <= total["share"] <= total["high"] and "50 %" in result["ideal"]


def test_texts_are_streamed_and_compared(client):
    last = client.predict(["The {group} sat"], ["cat", "nurse"], n=2, max_new_tokens=4, api_name="/bias_generation")
    result = last["result"]
    assert len(result["texts"]) == 4 and set(result["means"]) == {"cat", "nurse"}
    assert {one["measure"] for one in result["differences"]} == {"sentiment", "length", "refused"}


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("/bias_fill", ["The cat sat"], "There is no blank"),
        ("/bias_fill", [5], "`template` does not fit: input should be a valid string"),
        ("/bias_pairs", [[{"first": "a"}]], "Pair 1 cannot be read"),
        ("/bias_pairs", [[]], "There are no pairs"),
        ("/bias_association", [["cat"], ["a", "b"], ["c"], ["d"]], "1 and 2 words"),
        ("/bias_generation", [["The {group}"], ["cat"]], "There is one group"),
    ],
)
def test_bad_input_gets_a_sentence(client, models, name, arguments, sentence):
    with pytest.raises(AppError) as refused:
        client.predict(*arguments, api_name=name)
    assert sentence in html.unescape(str(refused.value))
    assert sum(holding.lent for holding in models.ledger().holdings) == 0
