"""The endpoints that look inside, over real HTTP on a tiny model: arrays with named axes, equal to the labs' own."""

import numpy as np
import pytest
from gradio_client.exceptions import AppError

from playground.labs.internals import ablation, contrasts, lens, neurons, patching

TEXT = "The cat sat on the mat"


@pytest.fixture
def engine(models):
    with models.lease(models.settings.default_models[0]) as engine:
        yield engine


def same(array, values, *axes):
    assert array["axes"] == list(axes)
    np.testing.assert_allclose(np.array(array["values"], dtype=float), values, rtol=1e-5, atol=1e-6)


def test_logit_lens(client, engine):
    got = client.predict(TEXT, k=3, follow=" the", api_name="/logit_lens")
    seen = lens.lens(engine, TEXT, 3, " the")
    assert got["tokens"] == list(seen.labels) and got["layers"] == ["embedding", "0", "1", "2"]
    same(got["top_probabilities"], seen.top_probabilities, "layer", "position", "rank")
    same(got["top_ids"], seen.top_ids, "layer", "position", "rank")
    same(got["entropy"], seen.entropies, "layer", "position")
    same(got["divergence"], seen.divergences, "layer", "position")
    same(got["token_rank"], seen.token_ranks, "layer", "position")
    assert got["token"] == " the" and got["deviation"] < 1e-4 and got["predicts"] == "next"
    assert np.shape(got["top_texts"]["values"]) == seen.top_ids.shape


@pytest.mark.parametrize("site", ["residual", "head"])
def test_patch(client, engine, site):
    texts = ("The cat sat on it", "The mat sat on it", "the", "was")
    try:
        two = contrasts.contrast(engine, *texts)
    except Exception as error:
        pytest.fail(f"the tiny tokenizer has other words: {error}")
    got = client.predict(*texts, site=site, api_name="/patch")
    found = patching.patch(engine, two, site)
    same(got["effect"], found.effects, "layer", "head" if site == "head" else "position")
    same(got["control"], found.control, "layer", "head" if site == "head" else "position")
    same(got["whole_layer"], found.whole, "layer")
    assert got["clean_difference"] == pytest.approx(found.clean_difference, abs=1e-5)
    assert got["differing_positions"] == list(two.differing)


def test_ablate(client, engine):
    got = client.predict(TEXT, "head 1.2, layer 0", how="resample", seed=3, api_name="/ablate")
    found = ablation.ablate(engine, TEXT, ablation.parse("head 1.2, layer 0"), "resample", seed=3)
    same(got["divergence"], found.divergences, "position")
    assert [token["id"] for token in got["tokens"]] == found.ids.tolist()
    assert got["what"] == ["head 1.2", "layer 0"]


def test_steer_streams_both(client):
    arguments = (TEXT, ["The cat", "Paris"], ["return a", "the nurse"], 1)
    job = client.submit(*arguments, strength=8, max_new_tokens=8, api_name="/steer")
    last = job.result(timeout=60)
    states = job.outputs()
    assert len(states) > 4 and not states[0]["done"] and last["done"]
    assert last["original"] != last["steered"] and last["direction_norm"] > 0
    nothing = client.predict(*arguments, strength=0, max_new_tokens=8, api_name="/steer")
    assert nothing["original"] == nothing["steered"] == last["original"]


def test_neuron(client, engine):
    got = client.predict(TEXT, 1, 5, examples=2, api_name="/neuron")
    same(got["activation"], neurons.activations(engine, TEXT, neurons.Unit("neuron", 1, 5)).values, "position")
    assert len(got["most_active"]) == 2 and got["most_active"][0]["value"] >= got["most_active"][1]["value"]


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("/logit_lens", (" ",), "There is no text"),
        ("/patch", ("The cat", "The cat sat on", "the", "was"), "equally many tokens"),
        ("/patch", ("The cat", "The mat", "the", "was", None, "nose"), "sites and directions"),
        ("/ablate", (TEXT, "nose 3"), "names no part"),
        ("/ablate", (TEXT, "head 9.1"), "no layer 9"),
        ("/steer", (TEXT, [], ["x"], 1), "Both sets need"),
        ("/neuron", (TEXT, 1, 10**6), "they are 0 to 63"),
        ("/neuron", (TEXT, 1.5, 3), "`layer` does not fit: input should be a valid integer"),
        ("/neuron", (5, 1, 3), "`text` does not fit: input should be a valid string"),
        ("/steer", (TEXT, ["a"], ["b"], "1"), "`layer` does not fit"),
        ("/ablate", (TEXT, "mlp 1", None, "resample", 5, -1), "seed is -1; it must be a whole number from 0"),
    ],
)
def test_bad_input_gets_a_sentence(client, models, name, arguments, sentence):
    arguments = [models.settings.default_models[0] if argument is None else argument for argument in arguments]
    with pytest.raises(AppError, match=sentence):
        client.predict(*arguments, api_name=name)
    assert sum(holding.lent for holding in models.ledger().holdings) == 0
