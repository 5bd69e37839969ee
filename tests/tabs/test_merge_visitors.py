"""The merge that each visitor has: in the ledger while its visitor is here, and gone with him alone."""

from types import SimpleNamespace

from playground.labs.merging.recipe import Ingredient, Recipe
from playground.models.cache import ModelCache
from playground.models.progress import quiet
from playground.settings import Settings
from playground.tabs.merge.visitors import Visitors
from tests import tiny


def test_leaving_the_page_frees_the_visitors_merge_and_nobody_elses(tmp_path):
    a, b = (tiny.save(tmp_path / name, "llama", seed=seed) for seed, name in enumerate("ab"))
    models = ModelCache(Settings(memory_budget=10**8, dtype="float32", device="cpu", local_paths=True))
    leaving: list = []
    page = SimpleNamespace(
        models=models, settings=models.settings, blocks=SimpleNamespace(unload=lambda handler: leaving.append(handler))
    )
    visitors = Visitors(page, kitchen=None)
    recipe = Recipe("linear", (Ingredient(str(a)), Ingredient(str(b))))

    def held() -> dict[str, int]:
        return {holding.reference: holding.n_bytes for holding in models.ledger().holdings}

    mine, before = visitors.move(recipe, "me", quiet)
    yours, _ = visitors.move(recipe.with_t(0.25), "you", quiet)
    assert before is None and set(held()) == {mine.reference, yours.reference}
    assert models.ledger().used == sum(held().values()) > 0
    moved, before = visitors.move(recipe.with_t(0.75), "me", quiet)
    assert before == mine.reference and moved.in_place and set(held()) == {moved.reference, yours.reference}

    (leave,) = leaving
    leave(SimpleNamespace(session_hash="me"))
    assert visitors.current("me") is None and visitors.current("you") == yours.reference
    assert set(held()) == {yours.reference}
    leave(SimpleNamespace(session_hash="you"))
    assert models.ledger().used == 0
