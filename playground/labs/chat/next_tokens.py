"""What could come next: the distribution over the next token, as the model gives it and as each setting changes it.

It does not draw a token and does not know the page.
"""

import time
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from playground.arrays import Floats, Ints
from playground.engine import provenance
from playground.engine.decoding import Decoder
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.engine.sampling import Sampling, Stage, stages
from playground.engine.steps import check_usable, text_so_far
from playground.engine.words import with_words
from playground.errors import PlaygroundError

MOST = 1000  # tokens that can be listed


@dataclass(frozen=True)
class NextTokens:
    """The most probable next tokens under each stage; a probability of 0 means that the token cannot be drawn."""

    ids: Ints  # (k,), most probable first by the model itself
    texts: tuple[str, ...]  # (k,), as they would stand in the text
    stages: tuple[str, ...]  # "model", then the settings in use, in the order in which they act
    probabilities: Floats  # (stage, k)
    kept: Ints  # (stage,): how many tokens of the vocabulary can be drawn
    entropy: Floats  # (stage,), nats: 0 is certainty
    prompt_tokens: int
    provenance: Provenance


def next_tokens(engine: Engine, text: str, sampling: Sampling, k: int = 10) -> NextTokens:
    """The k most probable tokens after `text`, read as plain text.

    Raises:
        PlaygroundError: no text, more than the model holds, a model that does not write, or a k out of range.
    """
    if not text.strip():
        raise PlaygroundError("There is no text whose next token could be asked for. Type some first.")
    return after(engine, engine.encode(text), sampling, k)


def after(engine: Engine, ids: Tensor, sampling: Sampling, k: int = 10) -> NextTokens:
    """As `next_tokens`, after token ids, (1, position)."""
    if not engine.anatomy.writes:
        raise PlaygroundError(
            f"{engine.reference} fills blanks or makes vectors; it has no next token. Pick a model that writes."
        )
    if not isinstance(k, int) or isinstance(k, bool) or not 1 <= k <= MOST:
        raise PlaygroundError(f"k is {k!r}; it must be a whole number from 1 to {MOST:,}. Change it and try again.")
    started = time.perf_counter()
    with torch.inference_mode():
        found = Decoder(engine).start(ids, stopped=lambda: False)
    assert found is not None  # nothing stops it
    logits = found.float().cpu()
    check_usable(engine, logits)
    previous = torch.tensor(text_so_far(engine, ids))
    every = list(stages(logits, previous, with_words(sampling, engine.tokenizer)))
    listed = every[0].ids[: min(k, len(logits))]
    return NextTokens(
        ids=listed.numpy(),
        texts=tuple(engine.tokenizer.decode([token]) for token in listed.tolist()),
        stages=tuple(stage.name for stage in every),
        probabilities=np.stack([_at(stage, listed, len(logits)) for stage in every]),
        kept=np.array([len(stage.ids) for stage in every]),
        entropy=np.array([_entropy(stage.probabilities) for stage in every]),
        prompt_tokens=ids.shape[1],
        provenance=provenance.of(engine, asdict(sampling) | {"k": k}, time.perf_counter() - started),
    )


def _at(stage: Stage, listed: Tensor, n_vocabulary: int) -> Floats:
    """The stage's probabilities of the listed tokens, (k,)."""
    return torch.zeros(n_vocabulary, dtype=torch.float32).index_put((stage.ids,), stage.probabilities)[listed].numpy()


def _entropy(probabilities: Tensor) -> float:
    return max(float(-(probabilities * probabilities.log()).nansum()), 0.0)  # not -0.0
