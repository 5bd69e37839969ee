"""From one word to another: how much each head lets a word look at a second one.

Words may be several tokens: their weights are summed over the word looked at and averaged over the word that looks. It
holds one layer at a time, so that long texts fit.
"""

import threading
import time
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from playground.arrays import Floats
from playground.engine import provenance
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.errors import PlaygroundError
from playground.labs import reading
from playground.labs.attention import maps as maps_lab
from playground.labs.attention.maps import Prepared
from playground.labs.reading import Reading

_LISTED = 40  # words named when one is not found


@dataclass(frozen=True)
class Word:
    """A word of a text."""

    text: str
    occurrence: int  # 1 for the first of its kind
    of: int  # how many of its kind there are
    tokens: tuple[int, ...]  # places of its tokens


@dataclass(frozen=True)
class Link:
    """How much of its attention one head gives from the one word to the other."""

    layer: int
    head: int
    weight: float


@dataclass(frozen=True, eq=False)
class Pair:
    """All heads between two words."""

    source: Word  # the word that looks
    target: Word  # the word that is looked at
    weights: Floats  # (layer, head): how much of the source's attention goes to the target
    ranked: tuple[Link, ...]  # every head, most weight first
    threshold: float
    layers: tuple[int, ...]
    heads: tuple[int, ...]
    even: float  # what a head gives that spreads evenly over all that it can see
    remarks: tuple[str, ...]
    provenance: Provenance

    @property
    def over(self) -> tuple[Link, ...]:
        """The heads whose weight exceeds the threshold, most weight first."""
        return tuple(link for link in self.ranked if link.weight > self.threshold)


def words_of(side: Reading) -> tuple[Word, ...]:
    """The words of a text in order, special tokens left out. Those that differ in case alone are of one kind."""
    joined = reading.in_words(side)
    places = [w for w in range(len(joined)) if not joined.special[w] and joined.labels[w].strip("·⏎⇥ ")]
    kinds = [joined.labels[w].casefold() for w in places]
    return tuple(
        Word(
            joined.labels[word],
            kinds[: at + 1].count(kinds[at]),
            kinds.count(kinds[at]),
            tuple(np.flatnonzero(side.words == word).tolist()),
        )
        for at, word in enumerate(places)
    )


def find(side: Reading, text: str, occurrence: int = 1) -> Word:
    """The word `text` in a text; upper and lower case are one.

    Raises:
        PlaygroundError: it is not there, or not so often; the sentence names the words that are.
    """
    words = words_of(side)
    wanted = text.strip().casefold()
    same = [word for word in words if word.text.casefold() == wanted]
    if not same:
        there = list(dict.fromkeys(word.text for word in words))
        listed = ", ".join(there[:_LISTED]) + (f" and {len(there) - _LISTED:,} more" if len(there) > _LISTED else "")
        named = f"{text.strip()!r} is not a word of this text" if wanted else "No word was named"
        raise PlaygroundError(f"{named}. Its words are: {listed}.")
    if not isinstance(occurrence, int) or not 1 <= occurrence <= len(same):
        times = "once" if len(same) == 1 else f"{len(same)} times"
        raise PlaygroundError(
            f"{text.strip()!r} stands {times} in this text; there is no occurrence {occurrence}. "
            f"Choose one from 1 to {len(same)}."
        )
    return same[occurrence - 1]


def pair(
    engine: Engine,
    text: str,
    source: str,
    target: str,
    threshold: float = 0.3,
    text_pair: str = "",
    stack: str | None = None,
    kind: str = "self",
    complete: bool = False,
    source_occurrence: int = 1,
    target_occurrence: int = 1,
    stop: threading.Event | None = None,
) -> Pair:
    """How much each head lets the word `source` look at the word `target`.

    In cross-attention the source is a word of what is written and the target one of what was read.

    Raises:
        PlaygroundError: a word is not there, the threshold is no share, or as `maps.attention`.
    """
    started = time.perf_counter()
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float)) or not 0 <= threshold <= 1:
        raise PlaygroundError(f"The threshold is {threshold!r}; weights are from 0 to 1. Choose a number in between.")
    place = maps_lab.prepare(engine, text, text_pair, stack, kind, complete, stop)
    looks = find(place.queries, source, source_occurrence)
    seen = find(place.keys, target, target_occurrence)
    weights, back = weights_between(engine, place, looks, [seen], stop)
    weights = weights[0]
    remarks = place.remarks
    if back and seen.tokens[0] > looks.tokens[-1]:
        remarks += (
            f"{engine.reference} reads from left to right: {looks.text!r} cannot look forward to {seen.text!r}, so"
            f" every weight is 0. Ask the other way round, from {seen.text!r} to {looks.text!r}.",
        )
    ranked = [Link(place.layers[row], head, float(weights[row, head])) for row, head in np.ndindex(weights.shape)]
    sees = [query + 1 if back else len(place.keys) for query in looks.tokens]
    reach = [sum(key < n for key in seen.tokens) / n for n in sees]
    return Pair(
        source=looks,
        target=seen,
        weights=weights,
        ranked=tuple(sorted(ranked, key=lambda link: -link.weight)),
        threshold=float(threshold),
        layers=place.layers,
        heads=tuple(range(engine.anatomy.n_heads or 0)),
        even=float(np.mean(reach)),
        remarks=remarks,
        provenance=provenance.of(
            engine,
            dict(source=looks.text, target=seen.text, threshold=threshold, stack=place.stack, kind=place.kind),
            time.perf_counter() - started,
        ),
    )


def weights_between(
    engine: Engine, place: Prepared, looks: Word, seen: list[Word], stop: threading.Event | None
) -> tuple[Floats, bool]:
    """(what the word that looks gives to each word seen, (word seen, layer, head); whether no token looks ahead)."""
    table = np.zeros((len(seen), len(place.layers), engine.anatomy.n_heads or 0), dtype=np.float32)
    rows = {layer: row for row, layer in enumerate(place.layers)}
    back = place.kind == "self" and len(place.keys) > 1

    def take(layer: int, weights: Tensor) -> None:  # (head, query, key)
        nonlocal back
        back = back and not weights[:, 0, 1:].any()
        looking = weights[:, list(looks.tokens)].float()
        for n, word in enumerate(seen):
            table[n, rows[layer]] = looking[..., list(word.tokens)].sum(-1).mean(-1).cpu().numpy()

    maps_lab.each_layer(engine, place, place.layers, take, stop)
    return table, back
