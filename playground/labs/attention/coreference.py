"""Which heads find what a pronoun stands for: Winogender sentences, each with two candidates of which one is right.

A head is right in a sentence when the pronoun gives the right candidate more attention than the wrong one. Both
answers are right equally often, so that chance is one half, and so is always taking the nearer candidate.

What decides mostly stands behind the pronoun: of 120 pairs of sentences with different answers, 88 are the same up to
it. A model that reads left to right cannot know the answer there, so it gets `QUESTION` behind the sentence, and what
counts is where its last token looks.
"""

import csv
import io
import re
import threading
import time
from dataclasses import dataclass
from typing import Literal

import numpy as np

from playground.arrays import Floats
from playground.assets import ASSETS
from playground.engine import provenance
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.errors import PlaygroundError
from playground.labs.attention import maps as maps_lab
from playground.labs.attention import pairs as attention_pairs
from playground.labs.attention.pairs import Word
from playground.labs.chat.votes import wilson
from playground.labs.reading import Reading
from playground.models.progress import Report, quiet

SHIPPED = ASSETS / "data" / "winogender.tsv"
SOURCE = "Winogender schemas (Rudinger et al. 2018)"
QUESTION = ' The word "{}" refers to the'
_ASKED = (
    "This model reads from left to right, and what decides mostly stands behind the pronoun. So "
    f"“{QUESTION.format('he').strip()}” is put behind each sentence, and what counts is where its last token looks."
)
_PRONOUN = re.compile(r"\b(he|she|they|him|her|them|his|hers|their|theirs)\b", re.IGNORECASE)
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Schema:
    """One sentence with a pronoun and two people whom it could mean."""

    sentence: str
    occupation: str
    participant: str
    answer: Literal["occupation", "participant"]
    pronoun: str


@dataclass(frozen=True)
class Best:
    """A head that was picked for having the largest share, with what that picking does to its figures."""

    layer: int
    head: int
    share: float  # of the sentences in which it is right
    interval: tuple[float, float]  # 95 %, Wilson, as if it had not been picked
    corrected: tuple[float, float]  # the same at 95 % for all heads at once (Bonferroni)


@dataclass(frozen=True, eq=False)
class Coreference:
    """How often each head is right."""

    share: Floats  # (layer, head): of the sentences; a tie counts as half
    occupation: Floats  # (layer, head): how often it prefers the occupation, right or wrong
    n: int  # sentences
    asked: bool  # whether `QUESTION` stood behind each, and its last token was the one that looks
    ranked: tuple[Best, ...]  # the ten best heads
    held_out: Best  # the head that is best on one half of the occupations, measured on the other half
    n_held_out: int
    layers: tuple[int, ...]
    heads: tuple[int, ...]
    remarks: tuple[str, ...]
    provenance: Provenance


def schemas(text: str | None = None) -> tuple[Schema, ...]:
    """Sentences from a table of the form of Winogender's all_sentences.tsv; None: those that come with Playground.

    Its columns are sentid (occupation.participant.answer.gender.txt; answer 0 is the occupation) and sentence.

    Raises:
        PlaygroundError: says which line cannot be read.
    """
    text = SHIPPED.read_text("utf-8") if text is None else text
    rows = list(csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))
    if not rows or not {"sentid", "sentence"} <= rows[0].keys():
        raise PlaygroundError("This is no table of sentences: it needs the columns sentid and sentence, with tabs.")
    return tuple(_schema(line, row["sentid"] or "", row["sentence"] or "") for line, row in enumerate(rows, start=2))


def _schema(line: int, name: str, sentence: str) -> Schema:
    parts = name.split(".")
    found = _PRONOUN.search(sentence)
    if len(parts) < 4 or parts[2] not in ("0", "1") or found is None:
        raise PlaygroundError(
            f"Line {line} cannot be read. sentid must be like nurse.patient.0.female.txt, and the sentence must have a "
            "pronoun."
        )
    return Schema(sentence, parts[0], parts[1], "occupation" if parts[2] == "0" else "participant", found[0])


def coreference(
    engine: Engine,
    sentences: tuple[Schema, ...] | None = None,
    stack: str | None = None,
    report: Report = quiet,
    stop: threading.Event | None = None,
) -> Coreference:
    """Measures every head on `sentences`; None: those that come with Playground. One forward pass a sentence.

    Raises:
        PlaygroundError: as `maps.attention`, a candidate is not a word of its sentence, or `stop` was set.
    """
    started = time.perf_counter()
    sentences = schemas() if sentences is None else sentences
    asked = _looks_back(engine, sentences[0].sentence, stack, stop)
    margins = []  # by sentence: weight on the occupation minus weight on the participant, (layer, head)
    for n, schema in enumerate(sentences):
        report(n / len(sentences), f"Sentence {n + 1} of {len(sentences)}")
        text = schema.sentence + (QUESTION.format(schema.pronoun.lower()) if asked else "")
        place = maps_lab.prepare(engine, text, stack=stack, stop=stop)
        looks = _last(place.queries) if asked else attention_pairs.find(place.queries, schema.pronoun)
        both = [attention_pairs.find(place.keys, word) for word in (schema.occupation, schema.participant)]
        weights, _ = attention_pairs.weights_between(engine, place, looks, both, stop)
        margins.append(np.sign(weights[0] - weights[1]))
    prefers = (np.stack(margins) + 1) / 2  # (sentence, layer, head): 1 the occupation, 0 the participant, ½ a tie
    answers = np.array([schema.answer == "occupation" for schema in sentences])
    right = np.where(answers[:, None, None], prefers, 1 - prefers)
    settings = dict(sentences=len(sentences), source=SOURCE, stack=place.stack, question=QUESTION if asked else "")
    share, ranked, held_out, n_held_out = judge(right, [schema.occupation for schema in sentences], place.layers)
    return Coreference(
        share=share,
        occupation=prefers.mean(axis=0),
        n=len(sentences),
        asked=asked,
        ranked=ranked,
        held_out=held_out,
        n_held_out=n_held_out,
        layers=place.layers,
        heads=tuple(range(engine.anatomy.n_heads or 0)),
        remarks=(
            *([_ASKED] if asked else []),
            f"The best of {share.size:,} heads looks good by luck alone: the corrected intervals hold for all heads at "
            "once, and the held-out figure is of a head picked on other occupations.",
            "Sentences of one occupation are much alike, so that the intervals are narrower than they should be.",
        ),
        provenance=provenance.of(engine, settings, time.perf_counter() - started),
    )


def _looks_back(engine: Engine, text: str, stack: str | None, stop: threading.Event | None) -> bool:
    """Whether no token of the model looks ahead."""
    place = maps_lab.prepare(engine, text, stack=stack, stop=stop)
    first = Word("", 1, 1, (0,))
    return attention_pairs.weights_between(engine, place, first, [first], stop)[1]


def _last(read: Reading) -> Word:
    """The last token that is text."""
    at = int(np.flatnonzero(~read.special)[-1])
    return Word(read.labels[at], 1, 1, (at,))


def judge(right: Floats, groups: list[str], layers: tuple[int, ...]) -> tuple[Floats, tuple[Best, ...], Best, int]:
    """(share of each head, the ten best, the best by half of the groups as the other half sees it, sentences there).

    right: (sentence, layer, head), 1, 0 or ½. groups: what each sentence belongs to; a group is never split.
    """
    share = right.mean(axis=0)
    n_heads = share.size
    confidence = 1 - (1 - _CONFIDENCE) / n_heads

    def best(flat: int, shares: Floats, n: int, picked_among: float) -> Best:
        layer, head = np.unravel_index(flat, shares.shape)
        value = float(shares[layer, head])
        return Best(layers[layer], int(head), value, wilson(value * n, n), wilson(value * n, n, picked_among))

    order = np.argsort(-share, axis=None, kind="stable")[:10]
    ranked = tuple(best(flat, share, len(right), confidence) for flat in order)
    names = sorted(set(groups))
    choosing = np.array([names.index(group) % 2 == 0 for group in groups])
    if choosing.all():
        raise PlaygroundError("All sentences are of one occupation. Give sentences of two or more.")
    picked = int(np.argmax(right[choosing].mean(axis=0)))
    n_left = int((~choosing).sum())
    return share, ranked, best(picked, right[~choosing].mean(axis=0), n_left, _CONFIDENCE), n_left
