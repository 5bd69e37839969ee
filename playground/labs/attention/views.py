"""Attention maps seen otherwise: averaged, by words, without sinks, through the layers, or as one number a head.

Pure functions of `Maps`: they run no model. Each says in `remarks` what it did.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from playground.arrays import Floats
from playground.errors import PlaygroundError
from playground.labs import reading
from playground.labs.attention.maps import Maps

HIDE = {  # what can be hidden, and what that is
    "special": "special tokens such as [CLS], [SEP] and <s>",
    "first": "the first token, where many heads park the attention that they do not need",
}


@dataclass(frozen=True, eq=False)
class Summary:
    """Each head in two numbers, and what a head that spreads evenly over all it can see would have."""

    entropy: Floats  # (layer, head), nats, mean over queries; 0: each token looks at one place
    distance: Floats | None  # (layer, head), tokens between the one that looks and what it looks at; None: two texts
    even_entropy: float
    even_distance: float | None
    layers: tuple[int, ...]
    heads: tuple[int, ...]


def mean_over_heads(maps: Maps) -> Maps:
    """One map a layer."""
    if not maps.heads:
        return maps
    return replace(
        maps,
        weights=maps.weights.mean(axis=1, keepdims=True),
        heads=(),
        remarks=(*maps.remarks, f"Mean over {_listed('head', maps.heads, maps.n_heads)}."),
    )


def mean_over_layers(maps: Maps) -> Maps:
    """One map a head; with the same number, heads of different layers have nothing else in common."""
    if not maps.layers:
        return maps
    return replace(
        maps,
        weights=maps.weights.mean(axis=0, keepdims=True),
        layers=(),
        remarks=(*maps.remarks, f"Mean over {_listed('layer', maps.layers, maps.n_layers)}."),
    )


def words(maps: Maps) -> Maps:
    """Words instead of tokens: summed over the tokens of the word looked at, averaged over those that look.

    So a row still sums to what it summed to (Clark et al. 2019, section 4.1).
    """
    into = np.eye(maps.keys.n_words, dtype=np.float32)[maps.keys.words]  # (key, word)
    members = np.eye(maps.queries.n_words, dtype=np.float32)[maps.queries.words].T  # (word, query)
    weights = (members / members.sum(axis=1, keepdims=True)) @ (maps.weights @ into)
    queries = reading.in_words(maps.queries)
    return replace(
        maps,
        weights=weights,
        queries=queries,
        keys=queries if maps.keys is maps.queries else reading.in_words(maps.keys),
        remarks=(*maps.remarks, "Words: summed over the tokens looked at, averaged over the tokens that look."),
    )


def without(maps: Maps, hide: Literal["special", "first"]) -> Maps:
    """Rows and columns of some tokens taken out, and each row scaled so that the rest sums to what it summed to.

    In cross-attention "first" takes the first token that is looked at; the rows stay.

    Raises:
        PlaygroundError: `hide` is not a key of `HIDE`, or nothing would be left.
    """
    if hide not in HIDE:
        raise PlaygroundError(f"{hide!r} cannot be hidden. Choose one of: {', '.join(HIDE)}.")
    keys_out, queries_out = (
        side.special if hide == "special" else np.arange(len(side)) == 0 for side in (maps.keys, maps.queries)
    )
    if maps.kind == "cross" and hide == "first":
        queries_out = np.zeros_like(queries_out)
    if not keys_out.any() and not queries_out.any():
        return replace(maps, remarks=(*maps.remarks, "There are no special tokens here: nothing was hidden."))
    if keys_out.all() or queries_out.all():
        raise PlaygroundError(f"Without {HIDE[hide]}, nothing of this text is left. Type more, or hide nothing.")
    rows, columns = np.flatnonzero(~queries_out), np.flatnonzero(~keys_out)
    before = maps.weights[:, :, rows].sum(axis=-1, keepdims=True)
    weights = maps.weights[:, :, rows][..., columns]
    left = weights.sum(axis=-1, keepdims=True)
    empty = left <= 0
    weights = np.where(empty, 0, weights * (before / np.where(empty, 1, left)))
    share = float(1 - (left / np.maximum(before, 1e-30)).mean())
    said = f"Hidden: {HIDE[hide]}. They held {100 * share:.0f} % of the attention; the rest was scaled up to fill rows."
    if empty.any():
        said += f" {int(empty.sum()):,} rows had nothing else and are empty."
    queries = reading.chosen(maps.queries, rows)
    return replace(
        maps,
        weights=weights.astype(np.float32),
        queries=queries,
        keys=queries if maps.keys is maps.queries else reading.chosen(maps.keys, columns),
        remarks=(*maps.remarks, said),
    )


def rollout(maps: Maps) -> Maps:
    """How much of each token reaches each place through all layers up to one, along attention and residual stream.

    Â = (mean over heads + identity), rows scaled to 1; R = Â_L ... Â_1 (Abnar & Zuidema 2020). The result holds R after
    each layer. It takes every head as equal and values as they are: a rough picture, not what the model computes.

    Raises:
        PlaygroundError: cross-attention, or not all heads of the layers from the first on.
    """
    if maps.kind == "cross":
        raise PlaygroundError(
            "Rollout follows attention from layer to layer within one text; cross-attention leads from one text to "
            "another. Choose the self-attention of the encoder or the decoder."
        )
    if maps.layers != tuple(range(len(maps.layers))) or not maps.layers:
        raise PlaygroundError(
            "Rollout needs every layer from the first on, and here some are missing or have no attention. "
            "Ask for all layers, or pick a model with attention in each of them."
        )
    if maps.heads and len(maps.heads) != maps.n_heads:
        raise PlaygroundError(f"Rollout needs all {maps.n_heads} heads of each layer. Ask for all heads.")
    identity = np.eye(len(maps.queries))
    reached = identity
    rolled = np.empty((len(maps.layers), 1, *identity.shape), dtype=np.float32)
    for layer, weights in enumerate(maps.weights):
        mixed = weights.mean(axis=0, dtype=np.float64) + identity
        reached = (mixed / mixed.sum(axis=-1, keepdims=True)) @ reached
        rolled[layer, 0] = reached
    said = (
        "Rollout (Abnar & Zuidema 2020): mean over heads plus the residual stream, multiplied through the layers. "
        "It overlooks values and the rest of each block."
    )
    return replace(maps, weights=rolled, heads=(), remarks=(*maps.remarks, said))


def summary(maps: Maps) -> Summary:
    """Entropy and mean distance of each head. In cross-attention there is no distance: the texts are two."""
    square = maps.kind == "self"
    spreads = [spread(weights, square) for weights in maps.weights]
    return stacked(spreads, maps.weights.shape[-1], square and maps.causal, maps.layers, maps.heads)


def spread(weights: Floats, square: bool = True) -> tuple[Floats, Floats | None]:
    """(entropy, distance) of one layer's weights, (head, query, key): each (head,), a mean over the tokens that look.

    Without `square`, where queries and keys are of two texts, there is no distance.
    """
    entropy = np.array([entropies(head).mean() for head in weights])  # one by one: of a long text, a head is much
    if not square:
        return entropy, None
    places = np.arange(weights.shape[-1])
    apart = np.abs(places[:, None] - places).astype(np.float32)
    return entropy, np.array([(head * apart).sum(dtype=np.float64) / len(head) for head in weights])


def stacked(
    spreads: list[tuple[Floats, Floats | None]],
    n_keys: int,
    causal: bool,
    layers: tuple[int, ...],
    heads: tuple[int, ...],
) -> Summary:
    """The `spread` of every layer as one summary, with what a head would have that spreads evenly."""
    entropy = np.stack([its for its, _ in spreads])
    if spreads[0][1] is None:
        return Summary(entropy, None, float(np.log(n_keys)), None, layers, heads)
    in_sight = np.arange(1, n_keys + 1) if causal else np.full(n_keys, n_keys)
    # a token that sees itself and i others behind it is i/2 away from them on average
    even_distance = (n_keys - 1) / 4 if causal else (n_keys**2 - 1) / (3 * n_keys)
    distance = np.stack([its for _, its in spreads if its is not None])
    return Summary(entropy, distance, float(np.log(in_sight).mean()), even_distance, layers, heads)


def entropies(weights: Floats) -> Floats:
    """Entropy of each row, (..., query), in nats, of weights (..., query, key)."""
    return torch.special.entr(torch.from_numpy(weights)).sum(-1, dtype=torch.float64).numpy()


def _listed(what: str, numbers: tuple[int, ...], n: int) -> str:
    if len(numbers) == n:
        return f"all {n} {what}s"
    return f"{what} {numbers[0]}" if len(numbers) == 1 else f"{what}s {', '.join(map(str, numbers))}"
