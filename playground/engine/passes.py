"""A forward pass for the sake of what happens inside: stopped within a layer, and no logits that nobody reads.

It does not know what the rows are or what is made of them.
"""

import inspect
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from playground.engine.engine import Engine
from playground.engine.loaded import Output
from playground.engine.observe import arounds, check_parts
from playground.engine.parts import together
from playground.engine.tap import Around, Site, Tap, open_tap
from playground.errors import PlaygroundError

Watch = Callable[[Tensor], Tensor | None]  # sees a value, (batch, position, width); what it returns takes its place


class Stopped(Exception):  # noqa: N818
    """Whoever asked for the pass does not want it any more."""


class _Enough(Exception):  # noqa: N818
    """All that was asked for is there: the rest of the pass is not computed."""


def last_block(engine: Engine) -> Site:
    return Site(engine.anatomy.main.name, engine.anatomy.n_layers - 1, "block")


def check_stop(stop: threading.Event | None) -> None:
    """Raises Stopped when `stop` is set."""
    if stop is not None and stop.is_set():
        raise Stopped


def last_residual(
    engine: Engine,
    inputs: Mapping[str, Tensor],
    watches: Mapping[Site, Watch] | None = None,
    around: Iterable[tuple[nn.Module, Around]] = (),
    stop: threading.Event | None = None,
) -> Tensor:
    """Runs `inputs` up to the last block; what it gives out, (batch, position, hidden), on the model's device.

    Args:
        inputs: keyword arguments of the model's forward.
        watches: block sites (the residual after a block) and `engine.parts`.
        around: modules to be called around, as in `Tap.around`.

    Raises:
        Stopped: `stop` was set; it is looked at after every block.
        PlaygroundError: the model lacks a part.
    """
    last = last_block(engine)
    found: list[Tensor] = []

    def end(values: Tensor) -> None:
        found.append(values)
        raise _Enough

    try:
        _run(engine, inputs, watches or {}, around, stop, {last: end}, {})
    except _Enough:
        return found[0]
    raise PlaygroundError(f"{engine.reference} did not run through its last layer. Pick another model.")


def last_logits(
    engine: Engine,
    inputs: Mapping[str, Tensor],
    watches: Mapping[Site, Watch] | None = None,
    stop: threading.Event | None = None,
) -> Tensor:
    """Runs `inputs`, one text, to the end; the model's own logits at its last position, (vocabulary,), float32, CPU.

    Otherwise as `last_residual`.
    """
    kept = {"logits_to_keep": 1} if "logits_to_keep" in _accepted(engine) else {}
    return _run(engine, inputs, watches or {}, (), stop, {}, kept).logits[0, -1].float().cpu()


def _run(
    engine: Engine,
    inputs: Mapping[str, Tensor],
    watches: Mapping[Site, Watch],
    around: Iterable[tuple[nn.Module, Around]],
    stop: threading.Event | None,
    after: Mapping[Site, Watch],
    options: Mapping[str, Any],
) -> Output:
    """The model's output. `after`: sees a residual when its watch has changed it."""
    parts = {site: watch for site, watch in watches.items() if site.kind != "block"}
    check_parts(engine, parts)

    def residual(site: Site, values: Tensor) -> Tensor | None:
        check_stop(stop)
        changed = watches[site](values) if site in watches else None
        if site in after:
            after[site](values if changed is None else changed)
        return changed

    thrifty = {"use_cache": False} if "use_cache" in _accepted(engine) else {}
    inside = together([*arounds(engine, parts).items(), *around])
    with torch.inference_mode(), open_tap(Tap(residual=residual, around=inside)):
        return engine.model(**inputs, **thrifty, **options)


def _accepted(engine: Engine) -> Collection[str]:
    return inspect.signature(engine.model.forward).parameters
