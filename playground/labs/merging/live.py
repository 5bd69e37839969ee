"""The live merge: an Engine that follows a recipe, made once and then changed in place whenever a slider moves.

Every recipe has a reference of its own, so that what another tab or endpoint has begun with one never goes on with
another. Parents stay as they are; the merge is always made anew from their files, never changed back.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from playground.labs.merging import mergekit_yaml, parents, vocabulary
from playground.labs.merging.blending import Blend, Facts
from playground.labs.merging.recipe import Recipe, check
from playground.models import sources
from playground.models.cache import ModelCache
from playground.models.made import Made
from playground.models.progress import Report, quiet
from playground.models.weights import Tensors

_OPEN = 8  # sets of parents whose files stay open and measured, the latest


@dataclass(frozen=True)
class Update:
    """What moving to a recipe took."""

    reference: str
    in_place: bool  # an Engine that was there was filled anew
    seconds: float  # until it was ready to be lent


class Merges:
    """Recipes turned into models that the cache lends out. Every method may be called from any thread."""

    def __init__(self, models: ModelCache) -> None:
        self.models = models
        self._lock = threading.Lock()
        self._opened: OrderedDict[Hashable, tuple[dict[str, Tensors], Facts]] = OrderedDict()

    def made(self, recipe: Recipe, report: Report = quiet) -> Made:
        """The merge of a recipe, known to the cache from now on. Fetches parents if need be; loads and blends nothing.

        Raises:
            PlaygroundError: the recipe cannot be followed; says why.
        """
        check(recipe)
        opened, facts = self._parents(recipe, report)
        revisions = [opened[reference].files.revision for reference in recipe.references]
        made = Made(
            name=recipe.key(revisions),
            title=recipe.kind.title,
            skeleton=opened[recipe.skeleton].files.reference,
            sources=recipe.references,
            revision=recipe.key(revisions).rpartition("-")[2],
            fill=lambda model, tell: Blend(recipe, opened, facts).fill(model, tell),
            describe=lambda: mergekit_yaml.mapping(recipe),
        )
        self.models.made.add(made)
        return made

    def ready(self, recipe: Recipe, report: Report = quiet) -> Update:
        """Sees that the merge of a recipe is in memory. Nobody holds it: it goes when room is needed.

        Raises:
            PlaygroundError: as `made`; or there is no room, or the weights do not blend.
        """
        started = time.perf_counter()
        made = self.made(recipe, report)
        with self.models.lease(made.reference, report):
            return Update(made.reference, False, time.perf_counter() - started)

    def move(self, recipe: Recipe, current: str | None, owner: str, report: Report = quiet) -> Update:
        """Makes the merge that `owner` holds, `current`, into that of another recipe, and sees that it is ready.

        Raises:
            PlaygroundError: as `made`; or there is no room, or the weights do not blend. `current` is then gone
                or as it was, never in between.
        """
        started = time.perf_counter()
        made = self.made(recipe, report)
        if made.reference == current:
            self.models.remaking.hold(made.reference, owner)
            with self.models.lease(made.reference, report):
                return Update(made.reference, False, time.perf_counter() - started)
        reference = self.models.remaking.remake(current, made, owner) if current else None
        in_place = reference is not None
        self.models.remaking.hold(made.reference, owner)
        if current:
            self.models.remaking.let_go(current, owner)
        with self.models.lease(made.reference, report):
            return Update(made.reference, in_place, time.perf_counter() - started)

    def opened(self, recipe: Recipe, report: Report = quiet) -> dict[str, Tensors]:
        """The parents' weights by reference."""
        return self._parents(recipe, report)[0]

    def blend(self, recipe: Recipe, report: Report = quiet) -> Blend:
        """The recipe on its parents."""
        check(recipe)
        return Blend(recipe, *self._parents(recipe, report))

    def _parents(self, recipe: Recipe, report: Report) -> tuple[dict[str, Tensors], Facts]:
        located = [sources.locate(reference, self.models.settings) for reference in recipe.references]
        key = (recipe.references, recipe.union, tuple(files and files.revision for files in located))
        with self._lock:
            found = self._opened.get(key) if all(located) else None
            if found is not None:
                self._opened.move_to_end(key)
                return found
        opened = parents.opened(recipe, self.models, report)
        if recipe.union and vocabulary.differ(opened):
            opened = vocabulary.unite(opened, recipe.skeleton, self.models, report)
        found = opened, Facts()
        with self._lock:
            self._opened[key] = found
            while len(self._opened) > _OPEN:
                self._opened.popitem(last=False)
        return found
