"""One vector a text from every layer: all layers from one forward pass a batch, pooled at once.

Texts of like length share a batch, padded on the right and masked. What is held beside the vectors is one batch's
residuals of one layer, however many texts there are. It does not know labels or probes.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Generator, Sequence
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from playground.arrays import Floats
from playground.engine.anatomy import Stack
from playground.engine.checks import reads_left_to_right
from playground.engine.engine import Engine
from playground.engine.observe import arounds
from playground.engine.padded import turns_by_length
from playground.engine.tap import Site, Tap, open_tap
from playground.errors import PlaygroundError
from playground.labs.internals.probing.examples import Examples, find

Pooling = Literal["first", "mean", "last", "word"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
_BATCH_TOKENS = {"cpu": 512}  # places for tokens in a batch, padding among them
_BATCH_TOKENS_ELSEWHERE = 8192
MOST_BYTES = 1_000_000_000  # of the vectors of one probing


class Stopped(Exception):  # noqa: N818
    """The request was stopped in the middle of a forward pass."""


class Cache:
    """Vectors made lately, oldest out first, within a byte budget. May be called from any thread."""

    def __init__(self, budget: int = 250_000_000) -> None:
        self.budget = budget
        self._held: OrderedDict[str, Floats] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def n_bytes(self) -> int:
        with self._lock:
            return sum(vectors.nbytes for vectors in self._held.values())

    def get(self, key: str) -> Floats | None:
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def put(self, key: str, vectors: Floats) -> None:
        """Keeps the vectors, which nobody may change from now on, unless they alone exceed the budget."""
        if vectors.nbytes > self.budget:
            return
        vectors.setflags(write=False)
        with self._lock:
            self._held[key] = vectors
            while sum(held.nbytes for held in self._held.values()) > self.budget:
                self._held.popitem(last=False)


def key(engine: Engine, examples: Examples, pooling: Pooling) -> str:
    """What a set of vectors depends on."""
    digest = hashlib.sha256()
    words = examples.words if pooling == "word" else None
    for part in (engine.reference, engine.revision, engine.precision, pooling, *examples.texts, "\0", *(words or ())):
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()


def n_fitting(engine: Engine) -> int:
    """How many texts' vectors fit the bound."""
    return max(MOST_BYTES // (4 * (engine.anatomy.n_layers + 1) * engine.anatomy.hidden_size), 10)


def pooled(
    engine: Engine,
    examples: Examples,
    pooling: Pooling,
    stop: threading.Event | None = None,
    batch_tokens: int | None = None,
) -> Generator[int, None, Floats]:
    """Yields how many texts are done; returns their vectors, (layer, text, hidden), float32.

    Layer 0 is what goes into the first block, layer i what comes out of block i; behind the last one stands the
    model's final norm where it has one, as in transformers' `hidden_states`. Of an encoder-decoder, the encoder.

    Args:
        pooling: "first" or "last" token, "mean" over all tokens, or over the pieces of each text's "word". Special
            tokens that the tokenizer adds count as tokens.
        batch_tokens: places in a batch; the device's own when not given.

    Raises:
        PlaygroundError: a text does not fit the model, or its word cannot be found among its tokens.
        Stopped: `stop` was set; noticed between any two blocks.
    """
    places = batch_tokens or _BATCH_TOKENS.get(engine.device.type, _BATCH_TOKENS_ELSEWHERE)
    ids, weights = _tokens(engine, examples, pooling)
    if reads_left_to_right(engine) and not turns_by_length(engine):  # what follows cannot change what is looked at
        ends = [max(place for place, weight in enumerate(row) if weight) + 1 for row in weights]
        ids = [row[:end] for row, end in zip(ids, ends, strict=True)]
        weights = [row[:end] for row, end in zip(weights, ends, strict=True)]
    stack = engine.anatomy.stacks[0]  # of an encoder-decoder, the encoder
    vectors = np.empty((len(stack.blocks) + 1, len(ids), engine.anatomy.hidden_size), np.float32)
    done = 0
    for batch in _batches([len(tokens) for tokens in ids], places):
        for layer, seen in _read(engine, stack, [ids[i] for i in batch], [weights[i] for i in batch], stop).items():
            vectors[layer, batch] = seen
        done += len(batch)
        yield done
    if not np.isfinite(vectors).all():
        raise PlaygroundError(
            f"{engine.reference} gave numbers that are not finite: nothing can be read off it. Try another precision."
        )
    return vectors


def _read(
    engine: Engine,
    stack: Stack,
    ids: Sequence[list[int]],
    weights: Sequence[list[float]],
    stop: threading.Event | None,
) -> dict[int, Floats]:
    """The vectors of one padded batch, (text, hidden), by layer. A layer's residuals go once they are pooled."""
    averaging = _padded(weights, 0.0).to(engine.device)  # (text, position)
    found: dict[int, Floats] = {}

    def keep(layer: int, residual: Tensor) -> None:
        found[layer] = torch.einsum("tp,tph->th", averaging, residual.float()).cpu().numpy()

    def heed_and_keep(site: Site, residual: Tensor) -> None:
        if stop is not None and stop.is_set():
            raise Stopped
        if site.stack == stack.name:
            keep(site.layer + 1, residual)

    embedding = {Site(stack.name, 0, "embedding"): lambda residual: keep(0, residual)}
    inputs = {
        "input_ids": _padded(ids, engine.tokenizer.pad_token_id or 0).long().to(engine.device),
        "attention_mask": _padded([[1] * len(tokens) for tokens in ids], 0).long().to(engine.device),
    }
    # without the unembedding, which nobody asks for here and which is a fifth of a small model
    reader = engine.model.get_encoder() if engine.anatomy.kind == "seq2seq" else engine.model.base_model
    with torch.inference_mode(), open_tap(Tap(residual=heed_and_keep, around=arounds(engine, embedding))):
        last = reader(**inputs).get("last_hidden_state")
    if last is not None and last.shape[-1] == engine.anatomy.hidden_size:
        keep(len(stack.blocks), last)  # behind the final norm, where there is one
    return found


def _tokens(engine: Engine, examples: Examples, pooling: Pooling) -> tuple[list[list[int]], list[list[float]]]:
    """Each text's ids, and the weight of each token in the text's vector; weights sum to 1."""
    if pooling == "word" and examples.words is None:
        raise PlaygroundError("These texts have no word of their own to look at. Pick first, mean or last token.")
    if pooling == "word" and not engine.tokenizer.is_fast:
        raise PlaygroundError(
            f"The tokenizer of {engine.reference} does not say where its tokens stand in a text. "
            "Pick first, mean or last token."
        )
    options = {"return_offsets_mapping": True} if pooling == "word" else {}
    read = engine.tokenizer(list(examples.texts), add_special_tokens=True, verbose=False, **options)
    weights = []
    for number, ids in enumerate(read["input_ids"]):
        if not ids:
            raise PlaygroundError(f"Text {number + 1} has no tokens for {engine.reference}. Remove it.")
        engine.check_fits(len(ids))
        marked = [0.0] * len(ids)
        if pooling == "mean":
            marked = [1.0] * len(ids)
        elif pooling != "word" or examples.words is None:
            marked[0 if pooling == "first" else -1] = 1.0
        else:
            start, end = find(examples.texts[number], examples.words[number]) or (0, 0)
            marked = [float(a < end and b > start) for a, b in read["offset_mapping"][number]]
            if not any(marked):
                raise PlaygroundError(
                    f"Text {number + 1}: {engine.reference} has no token for the word “{examples.words[number]}”. "
                    "Remove the row, or pick another pooling."
                )
        weights.append([mark / sum(marked) for mark in marked])
    return read["input_ids"], weights


def _batches(lengths: list[int], places: int) -> list[list[int]]:
    """Numbers of texts, like lengths together: long first, so that what does not fit the memory shows at once."""
    batches: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= places:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


def _padded(rows: Sequence[Sequence[float]], filler: float) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[filler] * (longest - len(row))] for row in rows])
