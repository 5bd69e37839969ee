"""Changes inside a forward pass, for this request alone: the model itself stays as it is.

It does not know which change is worth making.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor

from playground.engine.engine import Engine
from playground.engine.observe import arounds, check_parts
from playground.engine.tap import Site, Tap, open_tap
from playground.errors import PlaygroundError

Edit = Callable[[Tensor], Tensor | None]  # None: what is there stays


@contextmanager
def intervene(
    engine: Engine,
    attentions: Mapping[Site, Edit] | None = None,
    residuals: Mapping[Site, Edit] | None = None,
    parts: Mapping[Site, Edit] | None = None,
) -> Iterator[None]:
    """Forward passes of this thread inside the block go through the edits, as `edits` says."""
    with open_tap(edits(engine, attentions, residuals, parts)):
        yield


def edits(
    engine: Engine,
    attentions: Mapping[Site, Edit] | None = None,
    residuals: Mapping[Site, Edit] | None = None,
    parts: Mapping[Site, Edit] | None = None,
) -> Tap:
    """A Tap that makes the edits; `generate.stream` takes one too.

    Args:
        attentions: site -> function of the weights, (batch, head, query, key).
        residuals: block site -> function of the block's output, (batch, position, hidden).
        parts: one of `engine.parts` -> function of what passes there, (batch, position, width).

    Raises:
        PlaygroundError: the architecture computes its attention where it cannot be changed, or lacks a part.
    """
    if attentions and not engine.attention_edits:
        raise PlaygroundError(
            f"{engine.reference} ({engine.anatomy.architecture}) lets its attention be seen at most, not changed. "
            "Change residuals instead, or pick another model."
        )
    attentions, residuals = attentions or {}, residuals or {}

    def edit_attention(site: Site, weights: Tensor) -> Tensor | None:
        return attentions[site](weights)

    def edit_residual(site: Site, residual: Tensor) -> Tensor | None:
        return residuals[site](residual) if site in residuals else None

    check_parts(engine, parts or ())
    around = arounds(engine, parts or {})
    return Tap(edit_attention, frozenset(attentions), edit_residual if residuals else None, around)
