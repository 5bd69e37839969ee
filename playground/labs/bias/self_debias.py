"""Self-debiasing: what becomes more probable when a model is told to be unfair is pushed down (Schick et al. 2021).

For each place: p(w | x) is scaled by alpha(p(w | x) - p(w | instruction, x)), where alpha(d) is 1 for d >= 0 and
exp(decay · d) below, and the result sums to 1 again. Nothing is trained and no weight changes. Pairs are scored as
their dialect says, with these probabilities in place of the model's own. It does not know what is unfair: the
instruction says.
"""

import math
import threading
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from playground.arrays import Floats
from playground.engine import blanks, sentences
from playground.engine.blanks import Row
from playground.engine.engine import Engine
from playground.errors import PlaygroundError
from playground.labs.bias import scoring
from playground.labs.bias.pairs import Pair
from playground.labs.bias.perplexity import Perplexity
from playground.labs.bias.scoring import Dialect, Scored

DECAY = 50.0  # of the paper's 10, 50 and 100, the one that its comparison on CrowS-Pairs uses


def combine(plain: Tensor, instructed: Tensor, decay: float = DECAY) -> Tensor:
    """Log-probabilities, (..., vocabulary), of both -> those of the model that was talked out of it."""
    difference = plain.exp() - instructed.exp()
    return (plain + decay * difference.clamp(max=0)).log_softmax(-1)


def check(instruction: str, decay: float) -> None:
    """Raises PlaygroundError when there is no instruction, or the decay is no usable number."""
    if not instruction.strip():
        raise PlaygroundError("There is no instruction to argue against. Write one, or pick one of those that ship.")
    if isinstance(decay, bool) or not isinstance(decay, (int, float)) or not 0 <= decay <= 1000:
        raise PlaygroundError(f"The decay is {decay!r}; it must be from 0 to 1000. 0 changes nothing.")


def score(
    engine: Engine,
    pairs: Sequence[Pair],
    dialect: Dialect,
    instruction: str,
    decay: float = DECAY,
    stop: threading.Event | None = None,
) -> Iterator[list[Scored]]:
    """As `scoring.score`, with self-debiased probabilities; some pairs at a time.

    Raises:
        PlaygroundError: as there; or the dialect is bias-bench on a causal model, which reads sentences in two parts.
    """
    scoring.check(engine, dialect)
    check(instruction, decay)
    if engine.anatomy.kind == "causal" and dialect != "lm-eval":
        raise PlaygroundError("Self-debiasing scores a causal model by lm-eval here. Pick that dialect.")
    before = _before(engine, instruction)
    for number, pair in enumerate(pairs):
        ids = scoring.ids_of(engine, pair.first), scoring.ids_of(engine, pair.second)
        shared = scoring.aligned(*ids)
        made = []
        for one, same in zip(ids, shared, strict=True):
            if engine.anatomy.kind == "causal":
                logprobs = _causal(engine, one, before, decay, stop)
                made.append((one, logprobs, same, float(logprobs.sum())))
            else:
                places = same[1:-1] if dialect == "original" else [i for i in range(len(one)) if i not in set(same)]
                logprobs = np.full(len(one), np.nan)
                logprobs[places] = _masked(engine, one, places, before, decay, stop)
                values = logprobs[places]
                total = values.sum() if dialect == "original" else values.mean() if places else float("nan")
                made.append((one, logprobs, same, round(float(total), 3)))
        first, second = (scoring.side(engine, *one) for one in made)
        lacking = dialect == "bias-bench" and (math.isnan(first.score) or math.isnan(second.score))
        yield [Scored(number, first, second, "One sentence has no token that the other lacks." if lacking else "")]


def perplexity(
    engine: Engine,
    texts: Sequence[str],
    instruction: str,
    decay: float = DECAY,
    stop: threading.Event | None = None,
) -> Perplexity:
    """As `perplexity.of`, with self-debiased probabilities: what it costs on texts that are about no group.

    Raises:
        PlaygroundError: no texts, no instruction, or the model gives no probability to a text.
        passes.Stopped: `stop` was set.
    """
    scoring.check(engine, scoring.OFFERED.get(engine.anatomy.kind, ("original",))[0])
    check(instruction, decay)
    if not texts:
        raise PlaygroundError("There are no texts to measure perplexity on. Write some.")
    before, special = _before(engine, instruction), set(engine.tokenizer.all_special_ids)
    masked = engine.anatomy.kind == "masked"
    found = []
    for text in texts:
        ids = scoring.ids_of(engine, text)
        if masked:
            places = [i for i, token in enumerate(ids) if token not in special]
            found.append(_masked(engine, ids, places, before, decay, stop))
        else:
            found.append(_causal(engine, ids, before, decay, stop))
    return Perplexity(np.array([one.sum() for one in found]), np.array([len(one) for one in found]), masked)


def _before(engine: Engine, instruction: str) -> tuple[int, ...]:
    return tuple(engine.tokenizer(f"{instruction.strip()} ", add_special_tokens=False, verbose=False).input_ids)


def _causal(
    engine: Engine, ids: tuple[int, ...], before: tuple[int, ...], decay: float, stop: threading.Event | None
) -> Floats:
    start = sentences.start_id(engine)
    seen: dict[int, Tensor] = {}
    texts = [(start, *ids), (start, *before, *ids)]
    sentences.distributions(engine, texts, None, stop, lambda number, logprobs: seen.update({number: logprobs}))
    found = combine(seen[0], seen[1][len(before) :], decay)
    return found.gather(1, torch.tensor(ids, device=found.device)[:, None])[:, 0].double().cpu().numpy()


def _masked(
    engine: Engine,
    ids: tuple[int, ...],
    places: Sequence[int],
    before: tuple[int, ...],
    decay: float,
    stop: threading.Event | None,
) -> Floats:
    if not places:
        return np.zeros(0)
    mask = engine.tokenizer.mask_token_id
    lead = next((i for i, token in enumerate(ids) if token not in engine.tokenizer.all_special_ids), 0)
    rows = []
    for place in places:
        hidden = (*ids[:place], mask, *ids[place + 1 :])
        rows += [Row(hidden, (place,)), Row((*hidden[:lead], *before, *hidden[lead:]), (place + len(before),))]
    found: Mapping[int, Tensor] = {
        number: row
        for numbers, some in blanks.read(engine, rows, None, stop)
        for number, row in zip(numbers, some, strict=True)
    }
    plain, instructed = (torch.stack([found[i] for i in range(side, len(rows), 2)]) for side in (0, 1))
    mixed = combine(plain, instructed, decay)
    targets = torch.tensor([ids[place] for place in places], device=mixed.device)
    return mixed.gather(1, targets[:, None])[:, 0].double().cpu().numpy()
