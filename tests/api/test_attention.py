"""The endpoints of the Attention tab over real HTTP; numbers against the labs, answers bounded, refusals in words."""

import html

import numpy as np
import pytest
from gradio_client.exceptions import AppError

from playground.api import attention as api
from playground.labs.attention import heads
from playground.labs.attention import maps as attention
from tests import tiny

TEXT = "The cat sat on the mat because the cat was comfortable."


@pytest.fixture(scope="module")
def engine(models):
    with models.lease(models.settings.default_models[0]) as engine:
        yield engine


def test_maps_are_those_of_the_lab(client, engine):
    seen = client.predict(TEXT, layers=[0, 2], heads=[1], api_name="/attention")
    expected = attention.attention(engine, TEXT, layers=[0, 2], heads=[1])
    np.testing.assert_allclose(seen["weights"], expected.weights, atol=6e-6)
    assert seen["layers"] == [0, 2] and seen["heads"] == [1] and seen["causal"] is True
    assert [token["label"] for token in seen["keys"]] == seen["tokens"] == list(expected.keys.labels)
    assert [token["id"] for token in seen["queries"]] == list(expected.queries.ids)
    assert seen["model"] == engine.reference and seen["dtype"] == "float32" and seen["seconds"] > 0


def test_means_words_and_hidden_tokens(client):
    seen = client.predict(TEXT, aggregate="both", words=True, hide="first", api_name="/attention")
    assert seen["layers"] is None and seen["heads"] is None and np.shape(seen["weights"])[:2] == (1, 1)
    assert seen["tokens"] == ["cat", "sat", "on", "the", "mat", "because", "the", "cat", "was", "comfortable", "."]
    np.testing.assert_allclose(np.sum(seen["weights"], axis=-1), 1, atol=1e-4)
    assert len(seen["remarks"]) == 4 and all(word["id"] is None for word in seen["keys"])
    split = client.predict("Comfortable cat", aggregate="both", words=True, hide="first", api_name="/attention")
    assert split["tokens"] == ["omfortable", "cat"]  # a token is hidden, not a word, as on the page
    rolled = client.predict(TEXT, aggregate="rollout", api_name="/attention")
    assert rolled["heads"] is None and rolled["layers"] == [0, 1, 2]


def test_heads_are_those_of_the_lab(client, engine):
    seen = client.predict(TEXT, top=2, api_name="/attention_heads")
    expected = heads.heads(engine, TEXT)
    assert [p["name"] for p in seen["patterns"]] == [p.name for p in expected.patterns]
    for row, scores in zip(seen["patterns"], expected.scores, strict=True):
        np.testing.assert_allclose(row["scores"], scores, atol=1e-5)
    np.testing.assert_allclose(seen["entropy"], expected.summary.entropy, atol=1e-5)
    np.testing.assert_allclose(seen["distance"], expected.summary.distance, atol=1e-5)
    assert seen["interesting"][0].keys() == {"pattern", "layer", "head", "score", "mean", "even", "deviations"}
    assert "next token" in seen["left_out"]


def test_a_pair_of_words(client):
    seen = client.predict(TEXT, source="mat", target="Cat", threshold=0.01, api_name="/attention_pairs")
    assert seen["source"]["text"] == "mat" and seen["target"]["of"] == 2 and np.shape(seen["weights"]) == (3, 4)
    assert all(link["weight"] > 0.01 for link in seen["over"])
    assert len(seen["over"]) == (np.array(seen["weights"]) > 0.01).sum()


def test_attribution_adds_up(client):
    seen = client.predict("The cat sat on the", api_name="/attribution")
    total = sum(token["score"] for token in seen["tokens"])
    difference = seen["value"] - seen["neutral_value"]
    assert seen["complete"] and abs(total - difference) == pytest.approx(seen["error"], abs=1e-6)
    assert sum(word["score"] for word in seen["words"]) == pytest.approx(total)
    assert sum(token["attention"] for token in seen["tokens"]) == pytest.approx(1, abs=1e-4)
    other = seen["choices"][1]["label"]
    assert client.predict("The cat sat on the", method="leave one out", api_name="/attribution")["error"] is None
    against = client.predict("The cat sat on the", against=other, method="gradient x input", api_name="/attribution")
    assert against["against"]["label"] == other


@pytest.mark.parametrize(
    ("endpoint", "arguments", "sentence"),
    [
        ("/attention", {"text": ""}, "no text to read"),
        ("/attention", {"text": "cat " * 3000}, "reads at most 2,048"),
        ("/attention", {"text": TEXT, "layers": [9]}, "9 is no layer"),
        ("/attention", {"text": TEXT, "layers": 1}, "`layers` does not fit: input should be a valid list"),
        ("/attention_pairs", {"text": TEXT}, "No word was named"),
        ("/attention", {"text": TEXT, "aggregate": "max"}, "aggregate is 'max'"),
        ("/attention", {"text": TEXT, "hide": "all"}, "'all' cannot be hidden"),
        ("/attention", {"text": TEXT, "aggregate": "rollout", "layers": [1]}, "every layer from the first on"),
        ("/attention", {"text": "cat " * 400}, "one answer holds at most 1,000,000"),
        ("/attention_heads", {"text": "a"}, "single token"),
        ("/attention_heads", {"text": TEXT, "top": 0}, "top is 0"),
        ("/attention_pairs", {"text": TEXT, "source": "dog", "target": "cat"}, "'dog' is not a word"),
        ("/attribution", {"text": TEXT, "method": "magic"}, "no method 'magic'"),
    ],
)
def test_bad_input_gets_a_sentence_and_the_lease_goes_back(client, models, endpoint, arguments, sentence):
    with pytest.raises(AppError) as refused:
        client.predict(**arguments, api_name=endpoint)
    assert sentence in html.unescape(str(refused.value))


def test_every_answer_of_hostile_texts_is_json(client):
    for text in ("<script>alert(1)</script>", "你好，世界", "👩‍🚀"):
        assert client.predict(text, api_name="/attention")["weights"]


def test_no_answer_is_larger_than_said():
    from playground.errors import PlaygroundError

    api._check_size((1, 1, 1000, 1000))
    with pytest.raises(PlaygroundError, match=r"1,001,000 numbers \(1 × 1 × 1,000 × 1,001\)"):
        api._check_size((1, 1, 1000, 1001))


def test_what_would_be_too_large_is_not_computed_first(client, monkeypatch):
    monkeypatch.setattr(api, "MOST_NUMBERS", 100)
    monkeypatch.setattr(attention, "each_layer", None)  # whoever computes fails
    with pytest.raises(AppError, match="one answer holds at most 100"):
        client.predict("The cat sat on the mat", api_name="/attention")


def test_a_model_without_attention(client, tmp_path):
    folder = tiny.save(tmp_path / "mamba", "mamba")
    with pytest.raises(AppError, match="shows no attention"):
        client.predict("The cat", model=str(folder), api_name="/attention")
    assert client.predict("The cat", model=str(folder), api_name="/attribution")["tokens"][0]["attention"] is None
