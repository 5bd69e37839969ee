"""Labels without writing: how probable each of several answers is right after a prompt.

Where a choice begins. Spaces at the end of a prompt belong to the choice, since a word's token holds the space before
it ("Sentiment: " + "positive" is scored as "Sentiment:" + " positive"). A completion that ends in no white space gets
one space before the choice ("Sentiment:" + " positive" again); after a chat template's own last words nothing is put
in. The tokens are those of prompt and choice in one piece; where a tokenizer joins the last of the prompt with the
first of the choice, the choice is cut into tokens by itself. `Label.texts` shows what was scored.

Of the three scores the sum is the probability of the choice; per token and per byte it does not favour short ones
(Brown et al. 2020 and Gao et al. 2021 use these). Calibrated, what the choice would get after an input that says
nothing is taken off (Zhao et al. 2021, Holtzman et al. 2021). It does not know which choice is right.
"""

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch

from playground.arrays import Floats
from playground.engine import provenance, score
from playground.engine.engine import Engine
from playground.engine.padded import (
    Layers,
    Padded,
    bytes_per_token,
    common_start,
    padding_shows,
    read_start,
    tokens_a_pass,
    why_alone,
)
from playground.engine.provenance import Provenance
from playground.errors import PlaygroundError
from playground.labs.chat import replies as chat

By = Literal["sum", "per token", "per byte"]
BYS: tuple[By, ...] = get_args(By)
Rendered = str | Sequence[Mapping[str, str]]  # a text to continue, or messages to answer
MOST_CHOICES = 100
_MOST_BYTES = 256 << 20  # of keys and values while choices of several tokens are read


@dataclass(frozen=True, eq=False)
class Label:
    """What a model makes of one prompt. `error`: why it could not be read, as a sentence; the arrays are empty then."""

    row: int  # its place among the prompts, from 0
    choices: tuple[str, ...]
    texts: tuple[str, ...]  # as scored: with the space before it, if it has one
    ids: tuple[tuple[int, ...], ...]  # their tokens
    logprobs: Floats  # (choice,), natural logarithm; of all its tokens together, given the prompt
    content_free: Floats | None  # (choice,), the same after an input that says nothing; None: was not asked for
    prompt_tokens: int
    provenance: Provenance
    alone: str = ""  # why this model reads one text at a time; empty: it reads several together
    error: str = ""

    def scores(self, by: By = "sum", calibrated: bool = False) -> Floats:
        """(choice,), nats; the higher the better. `by` tells what the logarithm is divided by.

        Raises:
            PlaygroundError: there is no such score, or nothing to calibrate with.
        """
        if by not in BYS:
            raise PlaygroundError(f"There is no score “{by}”. There are: {', '.join(BYS)}.")
        values = self.logprobs
        if calibrated:
            if self.content_free is None:
                raise PlaygroundError("There is nothing to calibrate with. Give a content-free input, like N/A.")
            values = values - self.content_free
        if by == "per token":
            return values / np.array([len(ids) for ids in self.ids])
        if by == "per byte":
            return values / np.array([len(text.strip().encode()) for text in self.texts])
        return values

    def probabilities(self, by: By = "sum", calibrated: bool = False) -> Floats:
        """(choice,), sum to 1: the scores against each other."""
        scores = self.scores(by, calibrated)
        shares = np.exp(scores - scores.max())
        return shares / shares.sum()

    def best(self, by: By = "sum", calibrated: bool = False) -> str:
        """The choice with the highest score; of equals the first."""
        return self.choices[int(self.scores(by, calibrated).argmax())]


@dataclass(frozen=True)
class _Question:
    row: int
    prompt: tuple[int, ...]
    choices: tuple[tuple[int, ...], ...]
    texts: tuple[str, ...]


def label(
    engine: Engine,
    prompts: Sequence[Rendered],
    choices: Sequence[str],
    content_free: Sequence[Rendered] = (),
    stop: threading.Event | None = None,
) -> Generator[Label, None, None]:
    """Scores the choices after each prompt; labels come as they are ready, in any order.

    What all prompts begin with is read once. A prompt that does not fit is given with its `error`, and the rest go on.
    When `stop` is set it ends before the next forward pass.

    Args:
        content_free: the same prompt with inputs that say nothing, like "N/A"; of several, the mean probability.

    Raises:
        PlaygroundError: the model does not write, the choices cannot be told apart, or a content-free prompt does not
            fit.
    """
    if not engine.anatomy.writes:
        raise PlaygroundError(
            f"{engine.reference} gives no probabilities of answers ({engine.anatomy.kind} model). "
            "Pick a chat or base model."
        )
    choices = checked(choices)

    def stopped() -> bool:
        return stop is not None and stop.is_set()

    made_by = provenance.of(engine, {"choices": list(choices), "content_free": len(content_free)})
    failed, questions = [], []
    for row, prompt in enumerate([*content_free, *prompts], -len(content_free)):
        try:
            questions.append(_question(engine, row, prompt, choices))
        except PlaygroundError as error:
            if row < 0:
                raise
            failed.append(Label(row, choices, (), (), np.zeros(0), None, 0, made_by, error=str(error)))
    yield from failed
    alone = why_alone(engine) or padding_shows(engine, stopped)
    free, n_free = [], len(content_free)
    for question, logprobs in (_one_by_one if alone else _together)(engine, questions, n_free, stopped):
        if question.row < 0:
            free.append(logprobs)
            continue
        baseline = np.logaddexp.reduce(free) - np.log(n_free) if n_free else None
        yield Label(
            question.row,
            choices,
            question.texts,
            question.choices,
            logprobs,
            baseline,
            len(question.prompt),
            made_by,
            alone,
        )


def checked(choices: Sequence[str]) -> tuple[str, ...]:
    """The choices. Raises PlaygroundError: fewer than two, too many, or two alike."""
    if isinstance(choices, str) or not all(isinstance(choice, str) for choice in choices):
        raise PlaygroundError('The choices must be a list of texts, like ["positive", "negative"].')
    if len(choices) < 2 or len(choices) > MOST_CHOICES:
        raise PlaygroundError(f"There are {len(choices)} choices. Give from 2 to {MOST_CHOICES}.")
    for place, choice in enumerate(choices):
        if not choice.strip():
            raise PlaygroundError(f"Choice {place + 1} is empty. Write it, or remove it.")
        if choice.strip() in (other.strip() for other in choices[:place]):
            raise PlaygroundError(f"The choice “{choice.strip()}” is there twice. Remove one.")
    return tuple(choices)


def _question(engine: Engine, row: int, prompt: Rendered, choices: Sequence[str]) -> _Question:
    """The prompt's tokens and those of each choice; raises PlaygroundError when they do not fit or nothing is there."""
    is_text = isinstance(prompt, str)
    whole = prompt if isinstance(prompt, str) else chat.render(engine, prompt)
    text = whole.rstrip(" ")
    lead = whole[len(text) :] or (" " if is_text and text and not text[-1].isspace() else "")
    ids = engine.encode(text, add_special_tokens=is_text)[0].tolist()
    texts = tuple(choice if not lead or choice[0].isspace() else lead + choice for choice in choices)
    tokens = tuple(_tokens(engine, text, ids, choice, is_text) for choice in texts)
    if engine.anatomy.kind == "causal":
        engine.check_fits(len(ids) + max(map(len, tokens)))
    return _Question(row, tuple(ids), tokens, texts)


def _tokens(engine: Engine, text: str, ids: list[int], choice: str, special: bool) -> tuple[int, ...]:
    """The tokens of a choice after a text, whose own tokens are `ids`."""
    if engine.anatomy.kind == "causal":
        whole = engine.tokenizer(text + choice, add_special_tokens=special, verbose=False).input_ids
        if whole[: len(ids)] == ids and len(whole) > len(ids):
            return tuple(whole[len(ids) :])
    alone = engine.tokenizer(choice, add_special_tokens=False, verbose=False).input_ids
    if not alone:
        raise PlaygroundError(f"This model has no token for the choice “{choice.strip()}”. Pick another word.")
    return tuple(alone)


Scored = Iterator[tuple[_Question, Floats]]  # and the logprobs of its choices, (choice,)


def _one_by_one(engine: Engine, questions: Sequence[_Question], _: int, stopped: Callable[[], bool]) -> Scored:
    for question in questions:
        prompt = torch.tensor([question.prompt], device=engine.device)
        sums = []
        for ids in question.choices:
            if stopped():
                return
            sums.append(score.score(engine, prompt, torch.tensor([ids], device=engine.device), 1).logprobs.sum())
        yield question, np.array(sums, dtype=float)


def _together(engine: Engine, questions: Sequence[_Question], n_free: int, stopped: Callable[[], bool]) -> Scored:
    """Several prompts in one pass, those of like length together; what says nothing comes first."""
    if not questions:
        return
    n = common_start([question.prompt for question in questions])
    with torch.inference_mode():
        start = read_start(engine, questions[0].prompt[:n], stopped)
    if start is None:
        return
    for part in (questions[:n_free], questions[n_free:]):
        waiting = sorted(part, key=lambda question: -len(question.prompt))
        while waiting and not stopped():
            longest = len(waiting[0].prompt)
            fit = int(_MOST_BYTES / bytes_per_token(start)) // longest if start else len(waiting)
            rows = max(1, min(fit, tokens_a_pass(engine) // (longest - n)))
            group, waiting = waiting[:rows], waiting[rows:]
            with torch.inference_mode():  # never across a yield
                sums = _read(engine, start, n, group, stopped)
            if sums is None:
                return
            yield from zip(group, sums, strict=True)


def _read(
    engine: Engine, start: Layers, n: int, group: Sequence[_Question], stopped: Callable[[], bool]
) -> list[Floats] | None:
    """The logprobs of the choices of each question, (choice,); `start` holds its first n tokens."""
    texts = Padded(engine, start, len(group))
    logits = texts.read([question.prompt[n:] for question in group], stopped)
    if logits is None:
        return None
    first = logits.float().log_softmax(-1).cpu()
    sums = [
        np.array([row[ids[0]].item() for ids in question.choices]) for row, question in zip(first, group, strict=True)
    ]
    longer = [
        (row, place) for row, question in enumerate(group) for place, ids in enumerate(question.choices) if len(ids) > 1
    ]
    longer.sort(key=lambda pair: -len(group[pair[0]].choices[pair[1]]))
    while longer:
        if stopped():
            return None
        row, place = longer[0]
        width = len(group[row].choices[place]) - 1
        fit = int(_MOST_BYTES / bytes_per_token(texts.layers)) // (texts.n_columns + width)
        fit = max(1, min(fit, tokens_a_pass(engine) // width))
        pairs, longer = longer[:fit], longer[fit:]
        ids = [group[row].choices[place] for row, place in pairs]
        logprobs = texts.fork([row for row, _ in pairs]).read_all([i[:-1] for i in ids]).float().log_softmax(-1).cpu()
        for (row, place), tokens, values in zip(pairs, ids, logprobs, strict=True):
            sums[row][place] += values[torch.arange(len(tokens) - 1), list(tokens[1:])].sum().item()
    return sums
