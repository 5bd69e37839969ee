"""The endpoint of adapters over real HTTP on a tiny model."""

import html

import pytest
from gradio_client.exceptions import AppError

from tests.labs.adapters import made


@pytest.fixture(scope="module")
def named():
    """The tiny adapters as the endpoint is given them, and their model."""
    return [{"name": str(folder), "weight": 0.5} for folder in made.folders()[:2]], str(made.base_folder())


def test_composed_and_answered_and_usable_elsewhere(client, named, models):
    adapters, model = named
    result = client.predict(adapters, model=model, prompt="The cat", max_new_tokens=6, api_name="/compose_adapters")
    assert result["error"] < 1e-6 and result["rank"] == 8
    assert len(result["error_by_layer"]) == 9
    assert result["answers"]["sum"] == result["answers"]["composed"]
    assert result["reference"] == model + "".join(f"+adapter:{one['name']}*0.5" for one in adapters)
    text = client.predict("The cat", model=result["reference"], max_new_tokens=4, api_name="/complete")
    assert text["new_tokens"] == 4
    cut = client.predict(adapters, "svd", rank=2, model=model, api_name="/compose_adapters")
    assert cut["error"] > 0.01 and cut["rank"] == 2 and "answers" not in cut
    assert sum(holding.lent for holding in models.ledger().holdings) == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"adapters": []}, "must be a list of objects"),
        ({"adapters": [{"weight": 1}]}, "needs a name"),
        ({"adapters": [{"name": "pirate"}] * 2}, "there twice"),
        ({"adapters": [{"name": "pirate"}] * 9}, "at most 8"),
        ({"adapters": [{"name": "parrot"}]}, "no shipped adapter"),
        ({"adapters": [{"name": "pirate", "weight": "1"}]}, "must be numbers"),
        ({"adapters": [{"name": "pirate"}], "method": "mean"}, "There are: cat"),
        ({"adapters": [{"name": "pirate"}], "method": "ties", "density": 0}, "needs a density"),
        ({"adapters": [{"name": "pirate"}]}, "made for another model"),
    ],
)
def test_bad_input_gets_a_sentence(client, named, arguments, sentence, models):
    with pytest.raises(AppError) as refused:
        client.predict(**{"model": named[1]} | arguments, api_name="/compose_adapters")
    assert sentence in html.unescape(str(refused.value))
    assert sum(holding.lent for holding in models.ledger().holdings) == 0
