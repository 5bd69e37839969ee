"""Which tokens of a text speak for one answer: the next token, the masked token, or the class.

Three ways to ask, beside the attention that the answer's place pays. All are in logits. Gradients are taken in float32:
a model in another precision is copied for the request, and the shared one is never touched. It does not know the page.
"""

import threading
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from playground.arrays import Floats
from playground.engine import float32, provenance
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.errors import PlaygroundError
from playground.labs import reading
from playground.labs.attention import maps as maps_lab
from playground.labs.attention.attribution_methods import SCORE, Run
from playground.labs.reading import Reading
from playground.models.machine import free_bytes
from playground.models.progress import Report, quiet

METHODS = {
    "integrated gradients": (
        "The gradient at many points between a neutral text and this one, times the difference (Sundararajan et al. "
        "2017). The scores add up to how much the text changes the logit."
    ),
    "gradient x input": (
        "The gradient at this text, times each token's embedding: quick and local (Shrikumar et al. 2016)."
    ),
    "leave one out": "How much the logit falls when one token is replaced by a neutral one (Li et al. 2016).",
}
NEUTRAL = ("token", "all", "zero")
MOST_BYTES = 2 * 10**9  # for the gradients of one batch; less where less than twice that is free
_MOST_ROWS = 16  # of one batch
_KEPT = 120  # bytes a token, layer and hidden unit, that a float32 forward pass keeps for its gradient; measured


@dataclass(frozen=True)
class Answer:
    """A token or class whose logit is looked at."""

    id: int
    label: str
    probability: float
    logit: float


@dataclass(frozen=True, eq=False)
class Attribution:
    """How much each token speaks for the answer (positive) or against it (negative)."""

    reading: Reading
    scores: Floats  # (token,), logits
    words: tuple[str, ...]  # (word,)
    word_scores: Floats  # (word,), logits: the sum over the word's tokens
    attention: Floats | None  # (token,): what the answer's place gives to each, mean over all heads; sums to 1
    method: str  # a key of METHODS
    answer: Answer
    against: Answer | None  # the scores are about the logit of `answer` minus that of this one
    choices: tuple[Answer, ...]  # the most probable answers
    position: int | None  # of the token whose output is looked at; None for a class
    value: float  # the logit (or difference of logits) that was explained
    neutral_value: float | None  # the same for the neutral text; None: there is none in this method
    neutral: str  # what stands in place of a token; "" where nothing does
    error: float | None  # |sum - (value - neutral_value)|, logits; integrated gradients alone
    complete: bool | None  # whether that is within 1 % of the difference; None for the other methods
    steps: int | None  # gradients taken along the path; integrated gradients alone
    precision: str  # that it was computed in
    remarks: tuple[str, ...]
    provenance: Provenance


@torch.inference_mode(False)  # gradients cannot pass through what inference mode has made
def attribute(
    engine: Engine,
    text: str,
    method: str = "integrated gradients",
    target: str | None = None,
    against: str | None = None,
    text_pair: str = "",
    complete: bool = False,
    mask: int = 1,
    neutral: str = "token",
    budget: int | None = None,
    report: Report = quiet,
    stop: threading.Event | None = None,
) -> Attribution:
    """Scores every token of `text`.

    Args:
        method: a key of `METHODS`.
        target: the token or class asked about; None: the most probable one.
        against: a second one, to ask why this and not that.
        complete: special tokens are in the text already.
        mask: which masked token, counted from 1, for models that fill blanks.
        neutral: where integrated gradients begin. "token": the mask or a space in place of every token but special
            ones and, in models that read left to right, the first; "all": the first too, which can take many more
            points; "zero": vectors of zeros, which models that normalise their embeddings are hard to integrate from.
        budget: bytes for the gradients of one batch.

    Raises:
        PlaygroundError: the model has no such answer, the text does not fit, or `stop` was set.
    """
    started = time.perf_counter()
    _check(engine, method, neutral)
    inputs, read = maps_lab.inputs_of(engine, text, text_pair, complete)
    position = _position(engine, read, mask)
    net, precision = _net(engine)
    rows = _rows(engine, len(read), method != "leave one out", budget)
    run = Run(engine, net, inputs, position, rows, stop, report)
    logits = run.logits()
    answer, said_of_answer = _answer(engine, logits, target)
    other, said_of_other = _answer(engine, logits, against) if against else (None, ())
    if other is not None and other.id == answer.id:
        raise PlaygroundError(f"{answer.label!r} is compared with itself. Choose two different answers.")
    run.aim(answer.id, None if other is None else other.id)
    replacement, said = _neutral_token(engine)
    found = SCORE[method](run, read, replacement, neutral)
    zero = method == "integrated gradients" and neutral == "zero"
    remarks = found.remarks + said_of_answer + said_of_other
    if read.special.any() and method != "gradient x input":
        remarks += ("Special tokens are the same in the neutral text, so that they score 0.",)
    attention, missing = _mean_attention(engine, text, text_pair, complete, position, stop)
    words = reading.in_words(read)
    return Attribution(
        reading=read,
        scores=found.scores,
        words=words.labels,
        word_scores=np.asarray(np.bincount(read.words, found.scores, read.n_words), float),
        attention=attention,
        method=method,
        answer=answer,
        against=other,
        choices=_choices(engine, logits),
        position=position,
        value=run.value,
        neutral_value=found.neutral_value,
        neutral="" if method == "gradient x input" else "zero" if zero else said,
        error=found.error,
        complete=found.complete,
        steps=found.steps,
        precision=precision,
        remarks=remarks + missing,
        provenance=provenance.of(
            engine,
            dict(method=method, target=answer.label, against=against, neutral=neutral, steps=found.steps),
            time.perf_counter() - started,
        ),
    )


def estimate(engine: Engine, n_tokens: int, gradient: bool = True) -> int:
    """Bytes that one text of this length takes above the model: what its layers keep for the gradient, or one holds."""
    anatomy = engine.anatomy
    layers = sum(len(stack.blocks) for stack in anatomy.stacks) if gradient else 1
    return n_tokens * (_KEPT * layers * anatomy.hidden_size + 4 * anatomy.vocabulary_size * (anatomy.kind == "masked"))


def _rows(engine: Engine, n_tokens: int, gradient: bool, budget: int | None) -> int:
    """Texts that go through the model at once."""
    if budget is None:
        budget = min(MOST_BYTES, int(free_bytes(engine.device) / 2))
    each = estimate(engine, n_tokens, gradient)
    if each > budget:
        what = "The gradient of" if gradient else "A pass over"
        raise PlaygroundError(
            f"{what} {n_tokens:,} tokens takes about {each / 1e9:.2f} GB ({each:,} bytes), and one request "
            f"may take {budget / 1e9:.2f} GB. What fits: {budget * n_tokens // each:,} tokens."
        )
    return max(1, min(_MOST_ROWS, budget // each))


def _net(engine: Engine) -> tuple[nn.Module, str]:
    """The model that gradients are taken in, and what precision that is. float32 where there is room for a copy."""
    needed = float32.n_bytes(engine.model)
    room = free_bytes(engine.device) / 2
    if needed > room:
        raise PlaygroundError(
            f"Attribution computes in float32, and a copy of {engine.reference} takes {needed / 1e9:.1f} GB where "
            f"{room / 1e9:.1f} GB may be taken. Choose a smaller model, or free memory in the bar."
        )
    own = engine.precision
    return float32.copy_of(engine.model), "float32" if own == "float32" else f"float32, of {own} weights"


def _check(engine: Engine, method: str, neutral: str) -> None:
    kind = engine.anatomy.kind
    if kind not in ("causal", "masked", "classifier"):
        what = "makes vectors" if kind == "encoder" else "reads one text and writes another"
        raise PlaygroundError(
            f"{engine.reference} {what}, so that there is no single answer here whose logit could be explained. Pick a "
            "model that writes on, fills blanks or classifies."
        )
    if method not in METHODS:
        raise PlaygroundError(f"There is no method {method!r}. Choose one of: {', '.join(METHODS)}.")
    if neutral not in NEUTRAL:
        raise PlaygroundError(f"neutral is {neutral!r}. Choose one of: {', '.join(NEUTRAL)}.")


def _position(engine: Engine, read: Reading, mask: int) -> int | None:
    """The token whose output answers: the last, or the masked one. None: the model answers for the text as a whole."""
    if engine.anatomy.kind == "classifier":
        return None
    if engine.anatomy.kind == "causal":
        return len(read) - 1
    places = [at for at, i in enumerate(read.ids) if i == engine.tokenizer.mask_token_id]
    name = engine.tokenizer.mask_token
    if not places:
        raise PlaygroundError(f"This model fills blanks, and there is none. Put {name} where a word shall be guessed.")
    if not isinstance(mask, int) or not 1 <= mask <= len(places):
        raise PlaygroundError(f"mask is {mask!r}, and there are {len(places)} {name} here. Count from 1.")
    return places[mask - 1]


def _choices(engine: Engine, logits: Tensor, k: int = 10) -> tuple[Answer, ...]:
    """The most probable answers; `logits` (answer,)."""
    return tuple(_as_answer(engine, logits, i) for i in logits.topk(min(k, len(logits))).indices.tolist())


def _as_answer(engine: Engine, logits: Tensor, i: int) -> Answer:
    if engine.anatomy.kind == "classifier":
        label = str(engine.model.config.id2label[i])
    else:
        label = engine.tokenizer.decode([i]) or engine.tokenizer.convert_ids_to_tokens([i])[0]
    return Answer(i, label, logits.softmax(-1)[i].item(), logits[i].item())


def _answer(engine: Engine, logits: Tensor, wanted: str | None) -> tuple[Answer, tuple[str, ...]]:
    """(the answer that a person named, or the most probable one; what is to be said of it).

    A word may stand with or without the space before it: the more probable of the two is meant. Of several tokens the
    first counts, since that is what the model decides on here, and that is said.
    """
    if not wanted:
        return _as_answer(engine, logits, int(logits.argmax())), ()
    if engine.anatomy.kind == "classifier":
        labels = {str(label).casefold(): i for i, label in engine.model.config.id2label.items()}
        if wanted.strip().casefold() not in labels:
            raise PlaygroundError(f"There is no class {wanted.strip()!r}. Choose one of: {', '.join(labels)}.")
        return _as_answer(engine, logits, labels[wanted.strip().casefold()]), ()
    spellings = [wanted, f" {wanted}"] if wanted.strip() == wanted else [wanted]
    read = [engine.tokenizer(s, add_special_tokens=False, verbose=False).input_ids for s in spellings if s]
    lengths = {ids[0]: len(ids) for ids in read if ids and ids[0] != engine.tokenizer.unk_token_id}
    if not lengths:
        raise PlaygroundError(f"{wanted!r} is no token of {engine.reference}. Type another word, or leave it empty.")
    first = max(lengths, key=lambda i: logits[i].item())
    answer = _as_answer(engine, logits, first)
    if lengths[first] == 1:
        return answer, ()
    return answer, (f"“{wanted}” is {lengths[first]} tokens; its first, “{answer.label}”, is asked about.",)


def _neutral_token(engine: Engine) -> tuple[int, str]:
    """(id, name) of what says as little as this tokenizer can say: the mask, a space, or what pads."""
    t = engine.tokenizer
    if t.mask_token_id is not None:
        return t.mask_token_id, t.mask_token
    space = t(" ", add_special_tokens=False).input_ids
    if len(space) == 1 and space[0] != t.unk_token_id:
        return space[0], "a space"  # an end or padding token would begin another text, for models trained to write
    rest = (t.pad_token_id, t.unk_token_id, t.eos_token_id, 0)
    token = next(i for i in rest if i is not None)
    return token, t.convert_ids_to_tokens([token])[0]


def _mean_attention(
    engine: Engine, text: str, text_pair: str, complete: bool, position: int | None, stop: threading.Event | None
) -> tuple[Floats | None, tuple[str, ...]]:
    """(what the answer's place gives to each token, (token,), mean over all layers and heads; why there is none)."""
    if not maps_lab.sites(engine):
        return None, ()
    place = maps_lab.prepare(engine, text, text_pair, complete=complete)
    rows: list[Floats] = []

    def take(_layer: int, weights: Tensor) -> None:  # (head, query, key)
        at = position
        if at is None:  # a class is read off the first token, or the last where no other has seen all
            at = len(place.queries) - 1 if not weights[:, 0, 1:].any() else 0
        rows.append(weights[:, at].float().mean(0).cpu().numpy())

    try:
        maps_lab.each_layer(engine, place, place.layers, take, stop)
    except PlaygroundError as error:
        if stop is not None and stop.is_set():
            raise
        return None, (f"There is no attention beside the scores: {error}",)  # which are worth showing without it
    return np.mean(rows, axis=0), ()
