"""Templates by words: which of two words a model would rather see beside each profession, or whatever the words are.

Score: log P(first) - log P(second) in the blank; of a causal model the difference of the whole sentences' logarithms.
Corrected for the prior (Kurita et al. 2019): the same difference with the profession masked too, one mask a piece, is
taken off, so that a model that says "he" everywhere scores 0. A causal model cannot read a mask; there a neutral word,
like "person", stands in the place of the profession, which is our analogue and no part of that paper. A template that
names a group is scored a second time with the groups swapped (`consistency`). It does not know which words go with
which group.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from playground.arrays import Floats
from playground.engine import blanks, passes, provenance
from playground.engine.blanks import Edits
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.errors import PlaygroundError
from playground.labs.bias import consistency, fill
from playground.labs.bias.consistency import Consistency
from playground.labs.bias.pairs import filled, slot_of
from playground.models.progress import Report, quiet

MOST = 4_000  # cells


@dataclass(frozen=True, eq=False)
class Copy:
    """A template with its groups swapped."""

    of: int  # number of the template
    text: str
    raw: Floats  # (word,), nats
    prior: Floats  # (word,), nats


@dataclass(frozen=True, eq=False)
class Grid:
    templates: tuple[str, ...]
    words: tuple[str, ...]
    first: str
    second: str
    raw: Floats  # (template, word), nats; above 0: the first word
    prior: Floats  # (template, word), nats; the same without the word
    neutral: str  # what stands in the word's place for a causal model; empty: masks
    provenance: Provenance
    copies: tuple[Copy, ...] = ()  # of the templates that name a group

    @property
    def corrected(self) -> Floats:
        """(template, word), nats."""
        return self.raw - self.prior

    @property
    def agreement(self) -> Floats:
        """(word,): the share of templates whose corrected score has the sign of the word's mean; NaN for one "
        "template."""
        if len(self.templates) < 2:
            return np.full(len(self.words), np.nan)
        return (np.sign(self.corrected) == np.sign(self.corrected.mean(0))).mean(0)

    @property
    def consistency(self) -> Consistency | None:
        """How corrected scores hold when groups are swapped; None: no template names one."""
        if not self.copies:
            return None
        swapped = np.array([copy.raw - copy.prior for copy in self.copies])
        return consistency.compare(self.corrected[[copy.of for copy in self.copies]], swapped)


def measure(
    engine: Engine,
    templates: Sequence[str],
    words: Sequence[str],
    first: str,
    second: str,
    neutral: str = "person",
    edits: Edits | None = None,
    report: Report = quiet,
    stop: threading.Event | None = None,
) -> Grid:
    """Scores every template with every word.

    Args:
        templates: with [MASK] where the two words are compared, and {word} where the others go.
        neutral: stands for "no word in particular" when the model cannot read masks.

    Raises:
        PlaygroundError: a template without blank or slot, no words, both words alike, too many cells.
    """
    started = time.perf_counter()
    templates = tuple(text.strip() for text in templates if text.strip())
    words, (first, second) = fill.named(words), (first.strip(), second.strip())
    if not templates or not words:
        raise PlaygroundError("There are no templates or no words. Write at least one of each.")
    if not first or not second or first == second:
        raise PlaygroundError("Two different words are compared in the blank. Write both.")
    swapped = [(i, other) for i, text in enumerate(templates) if (other := consistency.exchanged(text, first, second))]
    scored = [*templates, *(text for _, text in swapped)]
    if len(scored) * len(words) > MOST:
        raise PlaygroundError(f"That is {len(scored) * len(words):,} cells; at most {MOST:,} are computed. Take fewer.")
    for template in templates:
        if slot_of(template) is None:
            raise PlaygroundError(f"“{template}” has no slot. Put {{word}} where the words go.")
        fill.around(template)
    if engine.anatomy.kind not in ("masked", "causal"):
        raise PlaygroundError(f"{engine.reference} fills no blanks ({engine.anatomy.kind} model). Pick another model.")
    by = _masked if engine.anatomy.kind == "masked" else _causal
    raw, prior = (np.empty((len(scored), len(words))) for _ in range(2))
    try:
        for row, template in enumerate(scored):
            report(row / len(scored), f"Template {row + 1} of {len(scored)}")
            raw[row], prior[row] = by(engine, template, words, first, second, neutral, edits, stop)
    except passes.Stopped:
        raise PlaygroundError("Stopped before all templates were scored.") from None
    settings = {"templates": list(templates), "words": list(words), "first": first, "second": second}
    used = "" if engine.anatomy.kind == "masked" else neutral
    made_by = provenance.of(engine, settings | {"neutral": used}, time.perf_counter() - started)
    n = len(templates)
    copies = tuple(Copy(i, text, raw[n + j], prior[n + j]) for j, (i, text) in enumerate(swapped))
    return Grid(templates, words, first, second, raw[:n], prior[:n], used, made_by, copies)


def _masked(
    engine: Engine,
    template: str,
    words: Sequence[str],
    first: str,
    second: str,
    _: str,
    edits: Edits | None,
    stop: threading.Event | None,
) -> tuple[Floats, Floats]:
    """The rows of one template: with each word, and with as many masks as the word has pieces."""
    texts = [filled(template, word) for word in words]
    asked, places = [], []
    for word, text in zip(words, texts, strict=True):
        left, right = fill.around(text)
        asked += [(left, right, begun(left, one)) for one in (first, second)]
        places.append(hidden(engine, template, word, first))
    values = np.array(fill.word_logprobs(engine, asked, edits, stop)).reshape(-1, 2)
    priors = _priors(engine, places, first, second, edits, stop)
    return values[:, 0] - values[:, 1], priors


def hidden(engine: Engine, template: str, word: str, first: str) -> tuple[str, str]:
    """What stands before and behind the blank when the word is masked too, a mask a piece."""
    slot = template.index(slot_of(template) or "")
    n = len(fill.pieces(engine, template[:slot].replace(fill.MASK, first), word))
    text = filled(template, word, engine.tokenizer.mask_token * n)
    return _hidden(engine, text, slot < template.index(fill.MASK))


def begun(left: str, word: str) -> str:
    """The word as it stands after `left`: with a capital where it begins the sentence."""
    return word if left.strip() else word[:1].upper() + word[1:]


def _hidden(engine: Engine, text: str, slot_first: bool) -> tuple[str, str]:
    """What stands before and behind the blank when the word is masked too; its masks stay in the text."""
    parts = text.split(fill.MASK) if engine.tokenizer.mask_token != fill.MASK else None
    if parts is not None:
        return parts[0], parts[1]
    spots = [i for i in range(len(text)) if text.startswith(fill.MASK, i)]
    at = spots[-1] if slot_first else spots[0]
    return text[:at], text[at + len(fill.MASK) :]


def _priors(
    engine: Engine,
    places: Sequence[tuple[str, str]],
    first: str,
    second: str,
    edits: Edits | None,
    stop: threading.Event | None,
) -> Floats:
    """log P(first) - log P(second) at the blank of each text whose word is masked, (text,)."""
    rows, wanted = [], []
    for left, right in places:
        for word in (first, second):
            ids = fill.pieces(engine, left, begun(left, word))
            mask = engine.tokenizer.mask_token
            n_before = left.count(mask)
            all_ids = list(engine.tokenizer(f"{left}{mask * len(ids)}{right}", verbose=False).input_ids)
            spots = [i for i, token in enumerate(all_ids) if token == engine.tokenizer.mask_token_id]
            spots = spots[n_before : n_before + len(ids)]
            steps = []
            for place, token in zip(spots, ids, strict=True):
                rows.append(blanks.Row(tuple(all_ids), (place,)))
                steps.append((len(rows) - 1, token))
                all_ids[place] = token
            wanted.append(steps)
    found = {}
    for numbers, logprobs in blanks.read(engine, rows, edits, stop):
        for number, row in zip(numbers, logprobs, strict=True):
            found[number] = row
    values = np.array([sum(found[number][token].item() for number, token in steps) for steps in wanted]).reshape(-1, 2)
    return values[:, 0] - values[:, 1]


def _causal(
    engine: Engine,
    template: str,
    words: Sequence[str],
    first: str,
    second: str,
    neutral: str,
    edits: Edits | None,
    stop: threading.Event | None,
) -> tuple[Floats, Floats]:
    if not neutral.strip():
        raise PlaygroundError("A model that reads from left to right needs a neutral word, like person. Write one.")
    texts = []
    for word in (*words, neutral.strip()):
        left, right = fill.around(filled(template, word))
        texts += [f"{left}{begun(left, one)}{right}" for one in (first, second)]
    values = fill.sentence_logprobs(engine, texts, edits, stop).reshape(-1, 2)
    gaps = values[:, 0] - values[:, 1]
    return gaps[:-1], np.full(len(words), gaps[-1])
