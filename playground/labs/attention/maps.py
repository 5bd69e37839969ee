"""Attention: which token looks at which, head by head, in one forward pass.

Only the layers asked for are recorded and only the heads asked for are kept. It does not know the page, nor what
anybody makes of the maps (`views`).
"""

import inspect
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from playground.arrays import Floats
from playground.engine import generate, provenance
from playground.engine.decoding import decoder_start
from playground.engine.engine import Engine
from playground.engine.observe import watch_attention
from playground.engine.provenance import Provenance
from playground.engine.sampling import Sampling
from playground.engine.tap import MapKind, Site, StackName
from playground.errors import PlaygroundError
from playground.labs import reading
from playground.labs.reading import Reading
from playground.models.machine import free_bytes

MOST_BYTES = 2 * 10**9  # for one request; less where less than twice that is free
_WRITTEN = 64  # most tokens that an encoder-decoder writes when no target is given


@dataclass(frozen=True, eq=False)
class Maps:
    """Attention maps of one forward pass. Layers and heads count from 0."""

    weights: Floats  # (layer, head, query, key) float32; rows sum to 1, as far as the model's precision goes
    queries: Reading  # the tokens that look
    keys: Reading  # the tokens that are looked at; the same object unless `kind` is "cross"
    layers: tuple[int, ...]  # which ones the first axis holds; empty: it has length 1, their mean
    heads: tuple[int, ...]  # which ones the second axis holds; empty: it has length 1, their mean
    stack: StackName
    kind: MapKind
    causal: bool  # no token looks ahead
    n_layers: int  # layers of this stack that have such maps
    n_heads: int  # of each layer
    remarks: tuple[str, ...]  # sentences that whoever shows the maps should show too
    provenance: Provenance


@dataclass(frozen=True, eq=False)
class Prepared:
    """A text made ready for a forward pass whose attention shall be looked at in one place."""

    inputs: dict[str, Tensor]  # arguments of the model's forward
    queries: Reading
    keys: Reading
    stack: StackName
    kind: MapKind
    layers: tuple[int, ...]  # that have such maps
    remarks: tuple[str, ...]


def sites(engine: Engine) -> dict[tuple[StackName, MapKind], tuple[int, ...]]:
    """The maps that a model offers: (stack, kind) -> layers. Empty for models without attention that can be read."""
    found: dict[tuple[StackName, MapKind], list[int]] = {}
    for site in engine.attention_sites:
        if site.kind in ("self", "cross"):
            found.setdefault((site.stack, site.kind), []).append(site.layer)
    return {place: tuple(sorted(layers)) for place, layers in found.items()}


def attention(
    engine: Engine,
    text: str,
    text_pair: str = "",
    stack: str | None = None,
    kind: str = "self",
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    complete: bool = False,
    budget: int | None = None,
    stop: threading.Event | None = None,
    check: Callable[[tuple[int, ...]], None] = lambda shape: None,
) -> Maps:
    """Attention maps of `text`.

    Args:
        text_pair: for models that read both ways, the second sentence of a pair; for an encoder-decoder what it shall
            write, where its decoder looks. Without one, an encoder-decoder writes it, greedily.
        stack: "encoder" or "decoder"; None: the one that the model has, or for an encoder-decoder the decoder when
            `kind` is "cross" and else the encoder.
        kind: "self", or "cross" for an encoder-decoder: from what is written to what was read.
        layers, heads: counted from 0; None: all.
        complete: special tokens are in the text already.
        budget: bytes that the request may take; None: `MOST_BYTES`, or half of what is free.
        stop: ends the computation within a layer when set.
        check: given the shape of the weights before they are computed; what it raises ends the request.

    Raises:
        PlaygroundError: there is no text, the model has no such maps, or they are too many for the budget.
    """
    started = time.perf_counter()
    place = prepare(engine, text, text_pair, stack, kind, complete, stop)
    layers = _picked("layer", layers, place.layers)
    heads = _picked("head", heads, range(engine.anatomy.n_heads or 0))
    queries, keys, remarks = place.queries, place.keys, place.remarks
    budget = _budget(engine, budget)
    _check_budget(engine, max(len(queries), len(keys)), len(layers), len(heads), budget)

    shape = (len(layers), len(heads), len(queries), len(keys))
    check(shape)

    weights = np.empty(shape, dtype=np.float32)
    rows = {layer: row for row, layer in enumerate(layers)}

    def keep(layer: int, seen: Tensor) -> None:
        torch.from_numpy(weights[rows[layer]]).copy_(seen if len(heads) == len(seen) else seen[list(heads)])

    each_layer(engine, place, layers, keep, stop, budget=budget)
    if any(hasattr(module, "sinks") for module in engine.model.modules()):
        remarks += ("Learned sinks take a part of each row, so that rows sum to less than 1.",)
    same = queries is keys
    settings = dict(text=text, text_pair=text_pair, stack=place.stack, kind=place.kind, complete=complete)
    settings |= dict(layers=list(layers), heads=list(heads), shape=list(weights.shape))
    settings |= dict(segments="token_type_ids" in place.inputs)
    if "decoder_input_ids" in place.inputs:
        settings["decoder_ids"] = place.inputs["decoder_input_ids"][0].tolist()
    return Maps(
        weights=weights,
        queries=queries,
        keys=keys,
        layers=layers,
        heads=heads,
        stack=place.stack,
        kind=place.kind,
        causal=same and (not weights[:, :, 0, 1:].any() if len(keys) > 1 else place.stack == "decoder"),
        n_layers=len(place.layers),
        n_heads=engine.anatomy.n_heads or 0,
        remarks=remarks,
        provenance=provenance.of(
            engine,
            settings,
            time.perf_counter() - started,
        ),
    )


def estimate(engine: Engine, n_tokens: int, n_layers: int, n_heads: int) -> int:
    """Bytes that recording takes above the loaded model: maps kept, and one layer's maps while they are computed."""
    cell = n_tokens * n_tokens
    kept = 4 * n_layers * n_heads * cell
    every_head = (engine.anatomy.n_heads or 0) * cell
    if engine.attention_edits:
        computed = every_head * (4 + 4 + engine.dtype.itemsize)  # scores, their softmax, one of them in the model's own
    else:  # such a model hands out the maps of all layers or none
        computed = every_head * engine.dtype.itemsize * (engine.anatomy.n_layers + 2)
    hidden = n_tokens * engine.anatomy.hidden_size * engine.dtype.itemsize * 16  # residual, projections, MLP
    return kept + computed + hidden


def what_fits(engine: Engine, n_tokens: int, n_layers: int, n_heads: int, budget: int) -> dict[str, int]:
    """The most that fits the budget if one thing is changed: tokens, layers of all heads, heads of all layers.

    0: not even one. `layers` keeps n_heads, `heads` keeps n_layers, `tokens` keeps both.
    """

    def most(top: int, bytes_of: Callable[[int], int]) -> int:
        low, high = 0, top
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if bytes_of(middle) <= budget else (low, middle - 1)
        return low

    return {
        "layers": most(n_layers, lambda n: estimate(engine, n_tokens, n, n_heads)),
        "heads": most(n_heads, lambda n: estimate(engine, n_tokens, n_layers, n)),
        "tokens": most(n_tokens, lambda n: estimate(engine, n, n_layers, n_heads)),
    }


def _budget(engine: Engine, asked: int | None) -> int:
    """Bytes that one request may take: maps are computed on the model's device and kept on the CPU."""
    devices = {engine.device, torch.device("cpu")}
    return min(MOST_BYTES, *(int(free_bytes(d) / 2) for d in devices)) if asked is None else asked


def _check_one_layer(engine: Engine, n_tokens: int, budget: int) -> None:
    """Raises PlaygroundError when not even one layer can be looked at, though nothing of it is kept."""
    needed = estimate(engine, n_tokens, 0, 0)
    if needed > budget:
        fits = what_fits(engine, n_tokens, 0, 0, budget)["tokens"]
        raise PlaygroundError(
            f"The attention of one layer over {n_tokens:,} tokens takes about {needed / 1e9:.2f} GB ({needed:,} bytes) "
            f"while it is computed, and one request may take {budget / 1e9:.2f} GB. "
            + (f"Shorten the text to {fits:,} tokens." if fits else "Free some memory first.")
        )


def _check_budget(engine: Engine, n_tokens: int, n_layers: int, n_heads: int, budget: int) -> None:
    """Raises PlaygroundError when the maps asked for would not fit, with what would."""
    needed = estimate(engine, n_tokens, n_layers, n_heads)
    if needed <= budget:
        return
    fits = what_fits(engine, n_tokens, n_layers, n_heads, budget)
    heads_word = "head" if n_heads == 1 else "heads"
    choices = []
    if n_layers > 1 and fits["layers"]:
        choices.append(f"{n_heads} {heads_word} of {_counted(fits['layers'], 'layer')}")
    if n_heads > 1 and fits["heads"]:
        choices.append(f"{_counted(fits['heads'], 'head')} of {_counted(n_layers, 'layer')}")
    if fits["tokens"]:
        choices.append(f"{fits['tokens']:,} tokens")
    raise PlaygroundError(
        f"{_counted(n_heads, 'head')} of {_counted(n_layers, 'layer')} over {n_tokens:,} tokens take about "
        f"{needed / 1e9:.2f} GB ({needed:,} bytes), and one request may take {budget / 1e9:.2f} GB. "
        + (f"What fits: {', or '.join(choices)}." if choices else "Not even one head of one layer fits here now.")
    )


def _counted(n: int, thing: str) -> str:
    return f"{n:,} {thing}" + ("" if n == 1 else "s")


def place_of(engine: Engine, stack: str | None = None, kind: str = "self") -> tuple[StackName, MapKind]:
    """(stack, kind), a key of `sites`. Arguments and errors as in `attention`."""
    there = sites(engine)
    if not there:
        raise PlaygroundError(
            f"{engine.reference} ({engine.anatomy.architecture}) shows no attention: it has none, or computes it where "
            "it cannot be read. Pick another model."
        )
    if stack is None:
        stack = "decoder" if kind == "cross" else "encoder" if ("encoder", "self") in there else "decoder"
    found = next((place for place in there if place == (stack, kind)), None)
    if found is None:
        offered = ", ".join(f"{s} {k}-attention" for s, k in there)
        raise PlaygroundError(f"{engine.reference} has no {stack} {kind}-attention. Ask for what it has: {offered}.")
    return found


def _picked(what: str, asked: Sequence[int] | None, there: Sequence[int]) -> tuple[int, ...]:
    """The layers or heads asked for, in order and once each."""
    if asked is None:
        return tuple(there)
    if isinstance(asked, str) or not isinstance(asked, (Sequence, np.ndarray)):
        raise PlaygroundError(
            f"{what}s are {asked!r}, and not a list of numbers. Write [0] for the first {what} alone."
        )
    wrong = [n for n in asked if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n not in there]
    if wrong or not len(asked):
        named = f"{wrong[0]!r} is no {what} of it" if wrong else f"No {what} was named"
        listed = (
            f"{there[0]} to {there[-1]}" if list(there) == list(range(there[0], there[-1] + 1)) else str(list(there))
        )
        raise PlaygroundError(f"{named}: this model's {what}s with attention are {listed}. Pick from these.")
    return tuple(sorted({int(n) for n in asked}))


def prepare(
    engine: Engine,
    text: str,
    text_pair: str = "",
    stack: str | None = None,
    kind: str = "self",
    complete: bool = False,
    stop: threading.Event | None = None,
) -> Prepared:
    """Reads the text and finds the maps. Arguments and errors as in `attention`."""
    place = place_of(engine, stack, kind)
    layers = sites(engine)[place]
    if engine.anatomy.kind == "seq2seq":
        inputs, queries, keys, remarks = _pair_of_stacks(engine, text, text_pair, *place, complete, stop)
        return Prepared(inputs, queries, keys, *place, layers, remarks)
    inputs, read = inputs_of(engine, text, text_pair, complete)
    return Prepared(inputs, read, read, *place, layers, ())


def inputs_of(
    engine: Engine, text: str, text_pair: str = "", complete: bool = False
) -> tuple[dict[str, Tensor], Reading]:
    """(arguments of the forward of a model that is no encoder-decoder, what it reads). Errors as in `attention`."""
    if text_pair.strip() and engine.anatomy.kind == "causal":
        raise PlaygroundError(
            f"{engine.reference} reads one text from left to right and knows no sentence pairs. Put both into one text."
        )
    read = reading.read(engine, text, text_pair if text_pair.strip() else "", complete)
    if len(read.texts) > 1 and not (read.segment == 1).any():
        raise PlaygroundError("The tokenizer makes no token of the second text. Type something else, or leave it out.")
    engine.check_fits(len(read))
    inputs = {"input_ids": _tensor(engine, read.ids)}
    segments = getattr(engine.model.config, "type_vocab_size", None) or 0
    if len(read.texts) > 1 and segments > 1 and "token_type_ids" in inspect.signature(engine.model.forward).parameters:
        inputs["token_type_ids"] = _tensor(engine, read.segment)
    return inputs, read


def each_layer(
    engine: Engine,
    place: Prepared,
    layers: Sequence[int],
    take: Callable[[int, Tensor], None],
    stop: threading.Event | None = None,
    vectors: Callable[[int, Tensor, Tensor], None] | None = None,
    budget: int | None = None,
) -> None:
    """Gives `take` each layer's number and maps, (head, query, key), as they arise; holds none of them itself.

    Args:
        vectors: given each layer's number, queries and keys, (head, position, head_dim), before its maps.
        budget: as in `attention`.

    Raises:
        PlaygroundError: the model computes no such maps, one layer of them takes more than the budget, they are not
            numbers, or `stop` was set.
    """
    _check_one_layer(engine, max(len(place.queries), len(place.keys)), _budget(engine, budget))
    wanted = (engine.anatomy.n_heads, len(place.queries), len(place.keys))

    def keep(site: Site, seen: Tensor) -> None:  # (1, head, query, key)
        if seen.shape[1:] != wanted:
            raise PlaygroundError(
                f"{engine.reference} ({engine.anatomy.architecture}) does not compute attention as one map from token "
                f"to token in layer {site.layer}. Pick another layer or model."
            )
        if not torch.isfinite(seen.sum(dtype=torch.float32)):  # weights are shares: their sum is a number if they are
            raise PlaygroundError(
                f"{engine.reference} computes attention that is not a number in {engine.precision}. Choose another "
                "precision in the bar."
            )
        take(site.layer, seen[0])

    def show(site: Site, queries: Tensor, keys: Tensor) -> None:  # both (1, head, position, head_dim)
        if vectors is not None:
            vectors(site.layer, queries[0], keys[0])

    sites = [Site(place.stack, layer, place.kind) for layer in layers]
    watch_attention(engine, place.inputs, sites, keep, stop, None if vectors is None else show)


def _pair_of_stacks(
    engine: Engine,
    text: str,
    text_pair: str,
    stack: StackName,
    kind: MapKind,
    complete: bool,
    stop: threading.Event | None,
) -> tuple[dict[str, Tensor], Reading, Reading, tuple[str, ...]]:
    """(arguments of the model's forward, queries, keys, remarks)."""
    source = reading.read(engine, text, complete=complete)
    engine.check_fits(len(source))
    inputs = {"input_ids": _tensor(engine, source.ids)}
    start = decoder_start(engine.model, inputs["input_ids"])
    if stack == "encoder":  # what the decoder reads does not matter to it
        return inputs | {"decoder_input_ids": start}, source, source, ()
    remarks: tuple[str, ...] = ("Each row is a token that the decoder has read, while it decides on the next one.",)
    first = int(start[0, 0])
    if text_pair.strip():
        goal = reading.read(engine, text_pair, target=True)
        ids = goal.ids[:-1] if goal.ids[-1] == engine.tokenizer.eos_token_id else goal.ids
        target = _behind(engine, first, goal, len(ids))
    else:
        target = reading.of_ids(engine, [first, *_written(engine, inputs["input_ids"], stop)])
        remarks = (
            f"No target text was given: the model wrote it, greedily, at most {_WRITTEN} tokens.",
            *remarks,
        )
    engine.check_fits(len(target))
    inputs["decoder_input_ids"] = _tensor(engine, target.ids)
    return inputs, target, source if kind == "cross" else target, remarks


def _behind(engine: Engine, first: int, goal: Reading, n: int) -> Reading:
    """The first n tokens of a target text, behind the token that decoders begin with."""
    label = engine.tokenizer.convert_ids_to_tokens([first])[0]
    return Reading(
        goal.texts,
        (first, *goal.ids[:n]),
        (label, *goal.labels[:n]),
        np.array([True, *goal.special[:n]]),
        np.array([0, *goal.segment[:n]]),
        np.array([(0, 0), *goal.offsets[:n]]).reshape(-1, 2),
        np.array([0, *(goal.words[:n] + 1)]),
    )


def _written(engine: Engine, ids: Tensor, stop: threading.Event | None) -> list[int]:
    """What an encoder-decoder writes for `ids`, greedily, without the end token."""
    steps = generate.stream(engine, ids, Sampling(max_new_tokens=_WRITTEN, temperature=0), stop)
    try:
        written = [step.token.id for step in steps if step.token]
    finally:
        steps.close()
    ends = {engine.tokenizer.eos_token_id}
    return [i for n, i in enumerate(written) if not (i in ends and n == len(written) - 1)]


def _tensor(engine: Engine, ids: Iterable[int]) -> Tensor:
    return torch.tensor([list(map(int, ids))], device=engine.device)
