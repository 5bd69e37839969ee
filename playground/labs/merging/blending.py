"""Follows a recipe, tensor by tensor and piece by piece, from mapped files into tensors that are there already.

Whatever the size of the models, the memory it takes is a piece in float32 for each parent. It does not know where the
result is kept: in a live model or in a file.
"""

import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from playground.errors import PlaygroundError
from playground.labs.merging.methods import Look, Seen
from playground.labs.merging.recipe import Depths, Recipe
from playground.models.progress import Report, quiet
from playground.models.weights import Tensors, matched

PIECE = 1 << 16  # elements, about: with three parents a megabyte, which stays in the processor's cache


class Facts:
    """What methods have measured of tensors. Shared by the recipes that a slider goes through."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Hashable, object] = {}

    def get(self, key: Hashable, measure: Callable[[], object]) -> object:
        """What is known under `key`, or is measured now."""
        with self._lock:
            if key in self._known:
                return self._known[key]
        fact = measure()
        with self._lock:
            if len(self._known) > 50_000:  # densities that were tried and left
                self._known.clear()
            self._known[key] = fact
        return fact


class Blend:
    """One recipe on opened parents."""

    def __init__(self, recipe: Recipe, parents: Mapping[str, Tensors], facts: Facts | None = None) -> None:
        """
        Args:
            parents: the opened files of every reference of the recipe.
        """
        self.recipe = recipe
        self.models = [parents[model.reference] for model in recipe.models]
        self.base = parents[recipe.base] if recipe.base is not None and recipe.uses_base else None
        self.facts = facts or Facts()
        self.names = tuple(parents[recipe.skeleton].shapes)
        self.depths = Depths.of(self.names)
        self._scratch: list[Tensor] = []
        self._surveyed: object = None
        survey = recipe.kind.survey
        if survey is not None:
            how = recipe.how("", 0.0)
            key = ("whole", recipe.method, how.dialect == "paper", how.densities, self._parents())
            self._surveyed = self.facts.get(key, lambda: survey(self._tensors, how))

    def tensor(self, name: str, out: Tensor) -> None:
        """Writes the merge of one tensor into `out`, of the same shape and any precision; cast once.

        Raises:
            PlaygroundError: the result has values that are no numbers.
        """
        kind, how = self.recipe.kind, self.recipe.how(name, self.depths.depth(name))
        if kind.keeps_common(how) and self._common(name):
            shared = self.models[0].read(name)
            if not torch.isfinite(shared.sum(dtype=torch.float32)):
                self._refuse(name)
            out.copy_(shared)
            return
        counting = self.models
        if self.base is not None and kind.skips_base(how):
            places = [i for i, weights in enumerate(self.models) if not _shared([weights, self.base], name)]
            how, counting = how.only(places), [self.models[i] for i in places]
        models = [_rows(weights.read(name)) for weights in counting]
        base = None if self.base is None else _rows(self.base.read(name))

        def look() -> Iterator[Seen]:
            return self._pieces(models, base)

        facts, measure = self._surveyed, kind.measure
        if facts is None and measure is not None:
            key = (name, self.recipe.method, kind.measures(how), self._parents())
            facts = self.facts.get(key, lambda: measure(look, how))
        target = out if out.is_contiguous() else torch.empty(out.shape, dtype=out.dtype, device=out.device)
        rows = _rows(target)
        n_columns = rows.shape[1]
        for seen in look():
            piece = kind.blend(seen, how, facts)
            if not torch.isfinite(piece.sum()):
                self._refuse(name)
            start = seen.start // n_columns if n_columns else 0
            rows[start : start + len(piece)].copy_(piece)
        if target is not out:
            out.copy_(target)

    def fill(self, model: nn.Module, report: Report = quiet) -> None:
        """Writes the merge into a live model of the parents' architecture, in place.

        Raises:
            PlaygroundError: as `tensor`; or the model keeps its weights in another form than the files do.
        """
        parameters = dict(model.named_parameters())
        places = matched(self.names, parameters)
        if lost := [name for name in parameters if name not in places]:
            raise PlaygroundError(
                f"This architecture keeps its weights in memory in another form than in its files ({lost[0]} is not in "
                "them), so that they cannot be blended live. Save the merge and load the folder."
            )
        with torch.no_grad():
            for i, (name, key) in enumerate(places.items()):
                if i % 16 == 0:
                    report(i / len(places), "Blending weights")
                if parameters[name].shape != self.models[0].shapes[key]:
                    raise PlaygroundError(
                        f"{key} has the shape {tuple(self.models[0].shapes[key])} in the files and "
                        f"{tuple(parameters[name].shape)} in memory. Save the merge and load the folder."
                    )
                self.tensor(key, parameters[name])

    def _parents(self) -> tuple[str, ...]:
        """What facts depend on beside the recipe: whose weights they are."""
        opened = [*self.models, *([self.base] if self.base else [])]
        return tuple(f"{weights.files.reference}@{weights.files.revision}" for weights in opened)

    def _tensors(self) -> Iterator[tuple[str, Look]]:
        for name in self.names:
            models = [_rows(weights.read(name)) for weights in self.models]
            base = None if self.base is None else _rows(self.base.read(name))
            yield name, partial(self._pieces, models, base)

    def _pieces(self, models: Sequence[Tensor], base: Tensor | None) -> Iterator[Seen]:
        """Blocks of rows in float32. Each is only good until the next one is asked for."""
        n_rows, n_columns = models[0].shape
        step = max(1, PIECE // max(n_columns, 1))
        sources = [*models, *([base] if base is not None else [])]
        while len(self._scratch) < len(sources):
            self._scratch.append(torch.empty(0, dtype=torch.float32))
        size = min(step, n_rows) * n_columns
        for i, buffer in enumerate(self._scratch):
            if len(buffer) < size:
                self._scratch[i] = torch.empty(size, dtype=torch.float32)
        for start in range(0, n_rows, step):
            blocks = []
            for source, buffer in zip(sources, self._scratch, strict=False):
                rows = source[start : start + step]
                block = buffer[: rows.numel()].view(rows.shape)
                blocks.append(block.copy_(rows))
            yield Seen(
                blocks[: len(models)], blocks[-1] if base is not None else None, start * n_columns, models[0].numel()
            )

    def _common(self, name: str) -> bool:
        """Whether all parents have a tensor from the same file, as models with adapters have what none adds to."""
        return _shared([*self.models, *([self.base] if self.base else [])], name)

    def _refuse(self, name: str) -> None:
        for weights in [*self.models, *([self.base] if self.base else [])]:
            if not torch.isfinite(weights.read(name).float()).all():
                raise PlaygroundError(
                    f"{weights.files.reference} has values in {name} that are no finite numbers, so a merge would too. "
                    "Fetch that model again or leave it out."
                )
        raise PlaygroundError(
            f"This recipe gives values in {name} that are no finite numbers. Choose smaller weights or more density."
        )


def _shared(opened: Sequence[Tensors], name: str) -> bool:
    """Whether all have a tensor from the same file, with nothing added to it."""
    place = opened[0].files.folder
    return all(weights.files.folder == place and name not in weights.adapted for weights in opened)


def _rows(tensor: Tensor) -> Tensor:
    """Seen as (row, column): the last axis is the column's, a vector is one row."""
    return tensor.reshape(1, -1) if tensor.dim() < 2 else tensor.reshape(-1, tensor.shape[-1])
