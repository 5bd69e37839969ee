"""Attentions, residuals and parts of chosen layers, for this request alone.

Recorded values go to the CPU at once, in float32. It does not know what anybody makes of them.
"""

import inspect
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from playground.engine.engine import Engine, returned_maps
from playground.engine.parts import around, together
from playground.engine.tap import Around, Site, Tap, open_tap
from playground.errors import PlaygroundError


@dataclass(frozen=True)
class Observation:
    """What one forward pass showed. Tensors are float32 on the CPU."""

    logits: Tensor | None  # (batch, position, vocabulary); None for models without an unembedding
    attentions: dict[Site, Tensor] = field(default_factory=dict)  # (batch, head, query, key); rows sum to 1
    residuals: dict[Site, Tensor] = field(default_factory=dict)  # (batch, position, hidden), after the block
    parts: dict[Site, Tensor] = field(default_factory=dict)  # (batch, position, width)


def observe(
    engine: Engine,
    inputs: dict[str, Tensor],
    attention_sites: Collection[Site] = (),
    residual_layers: Collection[int] = (),
    parts: Collection[Site] = (),
) -> Observation:
    """Runs `inputs` once and records attention maps at the given sites, residuals after the given layers, and parts.

    Args:
        inputs: keyword arguments of the model's forward, like {"input_ids": (batch, position)}.
        attention_sites: some of `engine.attention_sites`.
        residual_layers: layers counted from 0, of every stack that has them.
        parts: some of `engine.parts`.

    Raises:
        PlaygroundError: the architecture does not offer one of the sites.
    """
    _check_offered(engine, attention_sites)
    check_parts(engine, parts)
    attentions: dict[Site, Tensor] = {}
    residuals: dict[Site, Tensor] = {}
    found: dict[Site, Tensor] = {}

    def keep_attention(site: Site, weights: Tensor) -> None:
        attentions[site] = weights.float().cpu()

    def keep_residual(site: Site, residual: Tensor) -> None:
        if site.layer in residual_layers:
            residuals[site] = residual.float().cpu()

    def keep_part(site: Site) -> Callable[[Tensor], None]:
        def keep(values: Tensor) -> None:
            found[site] = values.float().cpu()

        return keep

    tap = Tap(
        attention=keep_attention,
        sites=frozenset(attention_sites),
        residual=keep_residual if residual_layers else None,
        around=arounds(engine, {site: keep_part(site) for site in parts}),
    )
    asked = {"output_attentions": True} if attention_sites and not engine.attention_edits else {}
    with torch.inference_mode(), open_tap(tap):
        output = engine.model(**inputs, **asked)
    if asked:
        for site, weights in returned_maps(engine.anatomy, output).items():
            if site in attention_sites:
                keep_attention(site, weights)
    logits = output.get("logits")
    return Observation(None if logits is None else logits.float().cpu(), attentions, residuals, found)


class _Enough(Exception):  # noqa: N818
    """All that was asked for is seen, or nobody wants it any more: the rest of the pass is not computed."""


def watch_attention(
    engine: Engine,
    inputs: dict[str, Tensor],
    sites: Collection[Site],
    keep: Callable[[Site, Tensor], None],
    stop: threading.Event | None = None,
    vectors: Callable[[Site, Tensor, Tensor], None] | None = None,
) -> None:
    """Shows `keep` each map, (batch, head, query, key), as it arises, on the model's device; stores nothing itself.

    For long texts: `keep` takes what it wants of a map before the next one comes. The pass ends after the last map.
    All attention on the way is computed through maps too, so that the numbers are bit for bit those of transformers'
    eager attention, whichever sites are asked for.

    Args:
        stop: ends the pass within one layer when set.
        vectors: shown queries and keys at the sites, as `Tap.vectors`; not where the model computes attention out of
            our reach.

    Raises:
        PlaygroundError: the architecture does not offer one of the sites, or `stop` was set.
    """
    _check_offered(engine, sites)
    left = set(sites)

    def show(site: Site, queries: Tensor, keys: Tensor) -> None:
        if vectors is not None and site in left:
            vectors(site, queries, keys)

    def watch(site: Site, weights: Tensor) -> None:
        if site not in left:
            return
        keep(site, weights)
        left.discard(site)
        if not left:
            raise _Enough

    def heed(_site: Site, _residual: Tensor) -> None:
        if stop is not None and stop.is_set():
            raise _Enough

    accepted = inspect.signature(engine.model.forward).parameters
    thrifty = {"logits_to_keep": 1, "use_cache": False}  # nobody looks at logits, keys or values
    options = {name: value for name, value in thrifty.items() if name in accepted}
    if not engine.attention_edits:
        options["output_attentions"] = True
    tap = Tap(watch, frozenset(engine.attention_sites), heed, vectors=show if vectors else None)
    try:
        with torch.inference_mode(), open_tap(tap):
            output = engine.model(**inputs, **options)
            if not engine.attention_edits:
                for site, weights in returned_maps(engine.anatomy, output).items():
                    watch(site, weights)
    except _Enough:
        pass
    if left and stop is not None and stop.is_set():
        raise PlaygroundError("Stopped before all attention maps were there.")
    if left:
        raise PlaygroundError(
            f"{engine.reference} ({engine.anatomy.architecture}) computed no attention map for this text at "
            f"{len(left)} of {len(sites)} places. Pick another layer or model."
        )


def _check_offered(engine: Engine, sites: Collection[Site]) -> None:
    if set(sites) - set(engine.attention_sites):
        raise PlaygroundError(
            f"{engine.reference} ({engine.anatomy.architecture}) offers no attention maps there. "
            + ("Pick another layer." if engine.attention_sites else "Its layers do not use attention that can be read.")
        )


def arounds(engine: Engine, watches: Mapping[Site, Callable[[Tensor], Tensor | None]]) -> dict[nn.Module, Around]:
    """Functions for `Tap.around`: each part's watch sees what passes there, and may replace it."""
    return together((engine.parts[site].module, around(engine.parts[site], watch)) for site, watch in watches.items())


def check_parts(engine: Engine, sites: Collection[Site]) -> None:
    """Raises PlaygroundError when the model lacks one of the parts."""
    missing = next((site for site in sites if site not in engine.parts), None)
    if missing is None:
        return
    if not any(site.stack == missing.stack for site in engine.parts):
        raise PlaygroundError(f"{engine.reference} has no {missing.stack}. Pick another model.")
    n_layers = next(len(stack.blocks) for stack in engine.anatomy.stacks if stack.name == missing.stack)
    if not 0 <= missing.layer < n_layers:
        raise PlaygroundError(
            f"{engine.reference} has no layer {missing.layer} in its {missing.stack}: they are 0 to {n_layers - 1}."
        )
    kinds = sorted({site.kind for site in engine.parts if (site.stack, site.layer) == (missing.stack, missing.layer)})
    raise PlaygroundError(
        f"{engine.reference} ({engine.anatomy.architecture}) has no {missing.kind} in layer {missing.layer} that can "
        "be reached. " + (f"It has there: {', '.join(kinds)}." if kinds else "Pick another layer, or the residual.")
    )
