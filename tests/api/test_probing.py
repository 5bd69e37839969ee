"""The probing endpoint over real HTTP on a tiny model."""

import html
import time

import numpy as np
import pytest
from gradio_client.exceptions import AppError

ROWS = [{"text": f"The cat sat on mat {i}", "label": "cat"} for i in range(12)]
ROWS += [{"text": f"A doctor asked nurse {i}", "label": "doctor"} for i in range(12)]


def test_own_rows_are_probed_and_arrays_name_their_axes(client, models):
    job = client.submit(rows=ROWS, layers=[0, 3], every_text=True, api_name="/probe")
    last = job.result(timeout=120)
    states = job.outputs()
    done = [state["done"] for state in states]
    assert done == sorted(done) and done[-1] == 1
    assert all(state["result"] is None for state in states[:-1]) and "Read" in states[0]["doing"]
    result = last["result"]
    assert result["layers"] == [0, 3] and result["classes"] == ["cat", "doctor"] and result["complete"]
    assert result["accuracy"]["axes"] == ["layer"] and len(result["accuracy"]["values"]) == 2
    confusion = np.array(result["confusion"]["values"])
    assert result["confusion"]["axes"] == ["layer", "true class", "said class"] and (confusion.sum(2) == 12).all()
    assert np.shape(result["points"]["values"]) == (2, 24, 2)
    assert result["words"]["accuracy"] == 1, "each label has words of its own"
    assert result["provenance"]["reference"] == models.settings.default_models[0]


def test_a_task_that_ships(client):
    result = client.predict("part_of_speech", pooling="word", layers=[1], api_name="/probe")["result"]
    assert result["n_texts"] == 480 and result["classes"] == ["noun", "verb", "adjective", "adverb"]
    assert result["items_kept_together"] and "points" not in result
    assert result["provenance"]["settings"]["pooling"] == "word"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"task": "nonsense"}, "no task called 'nonsense'"),
        ({"rows": []}, "There are no texts"),
        ({"rows": [{"text": "a"}]}, "Row 1 cannot be read"),
        ({"rows": ROWS[:12]}, "All 12 texts have the label"),
        ({"rows": [*ROWS, {"text": "x", "label": "cat", "word": "y"}]}, "Row 1 has no word"),
        ({"rows": ROWS, "pooling": "max"}, "no pooling 'max'"),
        ({"rows": ROWS, "layers": [9]}, "There is no layer 9. This model has layers 0 to 3"),
        ({"rows": ROWS, "probe": "tree"}, "no probe 'tree'"),
        ({"rows": ROWS, "pooling": "word"}, "no word of their own"),
        ({"layers": [1, "2"]}, "`layers[1]` does not fit: input should be a valid integer"),
        ({"seed": -1}, "must be a whole number from 0"),
        ({"rows": 5}, "`rows` does not fit: input should be a valid list"),
    ],
)
def test_bad_input_gets_a_sentence(client, models, arguments, sentence):
    with pytest.raises(AppError) as refused:
        client.predict(**arguments, api_name="/probe")
    assert sentence in html.unescape(str(refused.value))
    assert sum(holding.lent for holding in models.ledger().holdings) == 0


def test_cancelling_ends_the_work_and_returns_the_lease(client, models):
    job = client.submit("topic", probe="mlp", api_name="/probe")
    until = time.monotonic() + 60
    while not job.outputs() and time.monotonic() < until:
        time.sleep(0.02)
    job.cancel()
    while sum(h.lent for h in models.ledger().holdings) and time.monotonic() < until:
        time.sleep(0.05)
    assert sum(holding.lent for holding in models.ledger().holdings) == 0
