"""Maps made by hand, for what must hold for any attention."""

import numpy as np

from playground.engine.provenance import Provenance
from playground.labs.attention.maps import Maps
from playground.labs.reading import Reading

NOWHERE = Provenance("made by hand", "0", "cpu", "float32")


def text_of(labels, special=(), words=None) -> Reading:
    """A reading of one-token words, or of `words`, with the labels as its text."""
    text = " ".join(labels)
    starts = np.cumsum([0, *(len(label) + 1 for label in labels)])[:-1]
    vocabulary = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    return Reading(
        texts=(text,),
        ids=tuple(vocabulary[label] for label in labels),
        labels=tuple(labels),
        special=np.array([label in special for label in labels]),
        segment=np.zeros(len(labels), dtype=int),
        offsets=np.array([(s, s + len(label)) for s, label in zip(starts, labels, strict=True)]),
        words=np.arange(len(labels)) if words is None else np.array(words),
    )


def maps_of(weights, queries=None, keys=None, kind="self", causal=False) -> Maps:
    """`weights`: (layer, head, query, key)."""
    weights = np.asarray(weights, dtype=np.float32)
    n_layers, n_heads, n_queries, n_keys = weights.shape
    queries = queries or text_of([f"t{i}" for i in range(n_queries)])
    keys = queries if kind == "self" else keys or text_of([f"s{i}" for i in range(n_keys)])
    return Maps(
        weights=weights,
        queries=queries,
        keys=keys,
        layers=tuple(range(n_layers)),
        heads=tuple(range(n_heads)),
        stack="decoder",
        kind=kind,
        causal=causal,
        n_layers=n_layers,
        n_heads=n_heads,
        remarks=(),
        provenance=NOWHERE,
    )


def random_rows(*shape, seed=0):
    """Rows that sum to 1."""
    weights = np.random.default_rng(seed).random(shape)
    return weights / weights.sum(axis=-1, keepdims=True)
