"""The logit lens: what the model would say at each position if it stopped after each layer.

The residual after a layer goes through the final norm (once) and the unembedding, as the last one does: so the last row
is the model's own answer (nostalgebraist 2020). Early layers do not write for this reading, and their rows drift; a
row says what can be read off, not what the model "thinks" there. It does not know who shows it.
"""

import threading
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from playground.arrays import Floats, Ints
from playground.engine import passes, provenance
from playground.engine.decoding import decoder_start
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.engine.readout import logits_of
from playground.engine.tap import Site
from playground.errors import PlaygroundError
from playground.labs import reading
from playground.labs.internals import contrasts
from playground.models.progress import Report, megabytes, quiet

MOST = 100  # tokens that can be listed for a cell
_HELD = 2**23  # logits in memory at once: rows times positions times vocabulary
_LIMIT = 4 * 10**9  # bytes of residuals of one text


@dataclass(frozen=True, eq=False)
class Lens:
    """One row a layer, one column a position."""

    labels: tuple[str, ...]  # (column,): the token that stands there
    positions: Ints  # (column,): its place in the text, from 0
    n_positions: int  # of the whole text
    answer_position: int  # where the answer to the whole text is read: its last token, or its first mask
    predicts: str  # "next": a column says which token follows it; "same": which stands there (masked models)
    layers: tuple[str, ...]  # (row,): "embedding", then "0" to the last, whose row is the model's answer
    top_ids: Ints  # (row, column, k), most probable first
    top_texts: tuple[tuple[tuple[str, ...], ...], ...]  # (row, column, k)
    top_probabilities: Floats  # (row, column, k)
    entropies: Floats  # (row, column), nats: 0 is certainty
    divergences: Floats  # (row, column), nats: KL(last row || this row), 0 in the last
    final_ranks: Ints  # (row, column), of what the last row holds most probable; 0: no token is more probable
    final_probabilities: Floats  # (row, column)
    token: int  # the token that is followed through the layers
    token_text: str
    token_ranks: Ints  # (row, column)
    token_probabilities: Floats  # (row, column)
    deviation: float  # largest difference of the last row from the model's own logits, at the last position
    provenance: Provenance


def lens(
    engine: Engine,
    text: str,
    k: int = 5,
    follow: str = "",
    written: str = "",
    begin: int = 0,
    end: int | None = None,
    complete: bool = False,
    report: Report = quiet,
    stop: threading.Event | None = None,
) -> Lens:
    """The lens over a text.

    Args:
        k: tokens listed a cell.
        follow: a word of one token whose rank and probability are wanted in each cell ("Paris"; the space that stands
            before it in a text is added); none: what the model holds most probable where the answer is read.
        written: for encoder-decoders: the beginning of what they write about `text`; the lens looks at these tokens.
        begin, end: positions to look at, as in a slice; all of them without.
        complete: special tokens are in the text already, so that none are added.

    Raises:
        PlaygroundError: no unembedding, no such positions, more than one token to follow, a k out of range, stopped.
    """
    started = time.perf_counter()
    if engine.anatomy.unembedding is None or engine.anatomy.kind in ("classifier", "encoder"):
        raise PlaygroundError(
            f"{engine.reference} makes vectors or classes and has no words to read off ({engine.anatomy.kind} model). "
            "Pick a model that writes or fills blanks."
        )
    if not isinstance(k, int) or isinstance(k, bool) or not 1 <= k <= MOST:
        raise PlaygroundError(f"k is {k!r}; it must be a whole number from 1 to {MOST}. Change it and try again.")
    inputs, ids = _inputs(engine, text, written, complete)
    chosen = range(ids.shape[1])[begin:end]
    if not chosen:
        raise PlaygroundError(f"There are no positions {begin} to {end}: the text has {ids.shape[1]} tokens, from 0.")
    followed = contrasts.answer_token(engine, text, follow) if follow.strip() else None
    answer_position = _answer_position(engine, ids)
    try:
        report(None, "Reading the text")
        rows, ends, own = _residuals(engine, inputs, chosen, answer_position, stop)
        last, answer = logits_of(engine, ends)
        deviation = (last.cpu() - own).abs().max().item()
        if followed is None:
            followed = int(own.argmax() if answer_position == ids.shape[1] - 1 else answer.argmax())
        grid = _grid(engine, rows, min(k, own.shape[-1]), followed, report, stop)
    except passes.Stopped:
        raise PlaygroundError("Stopped before the lens had seen every layer.") from None
    top_ids = grid["top_ids"]
    decode = engine.tokenizer.decode
    texts = {token: decode([token]) for token in np.unique(top_ids).tolist()}
    return Lens(
        labels=tuple(reading.of_ids(engine, ids[0].tolist()).labels[i] for i in chosen),
        positions=np.array(chosen),
        n_positions=ids.shape[1],
        answer_position=answer_position,
        predicts="same" if engine.anatomy.kind == "masked" else "next",
        layers=("embedding", *map(str, range(engine.anatomy.n_layers))),
        top_ids=top_ids,
        top_texts=tuple(tuple(tuple(texts[t] for t in cell) for cell in row) for row in top_ids.tolist()),
        top_probabilities=grid["top_probabilities"],
        entropies=grid["entropies"],
        divergences=grid["divergences"],
        final_ranks=grid["final_ranks"],
        final_probabilities=grid["final_probabilities"],
        token=followed,
        token_text=decode([followed]),
        token_ranks=grid["ranks"],
        token_probabilities=grid["probabilities"],
        deviation=deviation,
        provenance=provenance.of(
            engine,
            {"text": text, "k": k, "follow": decode([followed]), "written": written, "begin": begin, "end": end},
            time.perf_counter() - started,
        ),
    )


def _inputs(engine: Engine, text: str, written: str, complete: bool) -> tuple[dict[str, Tensor], Tensor]:
    """What the model is given, and the ids of the positions that are looked at, (1, position)."""
    contrasts.check_text(text)
    ids = engine.encode(text, add_special_tokens=not complete)
    if engine.anatomy.kind != "seq2seq":
        if written:
            raise PlaygroundError("Only encoder-decoders have a second text. Leave it empty.")
        return {"input_ids": ids}, ids
    begun = engine.tokenizer(text_target=written, add_special_tokens=False).input_ids if written else []
    decoder = torch.cat([decoder_start(engine.model, ids), torch.tensor([begun], device=ids.device).long()], dim=1)
    return {"input_ids": ids, "decoder_input_ids": decoder}, decoder


def _answer_position(engine: Engine, ids: Tensor) -> int:
    """Where the answer is read in ids, (1, position): at the first mask, or at the end."""
    masks = (ids[0] == engine.tokenizer.mask_token_id).nonzero() if engine.anatomy.kind == "masked" else []
    return int(masks[0]) if len(masks) else ids.shape[1] - 1


def _residuals(
    engine: Engine, inputs: dict[str, Tensor], chosen: range, answer_position: int, stop: threading.Event | None
) -> tuple[list[Tensor], Tensor, Tensor]:
    """Residuals at the chosen positions, for each row (column, hidden), on the model's device.

    With them the last block's at the last position and at the answer's, (2, hidden), and the model's own logits at the
    last, (vocabulary,).
    """
    anatomy = engine.anatomy
    n_rows = anatomy.n_layers + 1
    needed = n_rows * len(chosen) * anatomy.hidden_size * torch.finfo(engine.dtype).bits // 8
    if needed > _LIMIT:
        raise PlaygroundError(
            f"The residuals of {len(chosen):,} positions in {n_rows - 1} layers take {megabytes(needed)}, and "
            f"{megabytes(_LIMIT)} is the most. Look at fewer positions."
        )
    name = anatomy.main.name
    sites = [Site(name, 0, "embedding"), *(Site(name, layer, "block") for layer in range(anatomy.n_layers))]
    kept: dict[Site, Tensor] = {}
    ends: list[Tensor] = []

    def keep(site: Site) -> passes.Watch:
        def watch(values: Tensor) -> None:
            kept[site] = values[0, chosen.start : chosen.stop].clone()
            if site == sites[-1]:
                ends.append(values[0, [-1, answer_position]])

        return watch

    own = passes.last_logits(engine, inputs, {site: keep(site) for site in sites}, stop)
    return [kept[site] for site in sites], ends[0], own


def _grid(
    engine: Engine, rows: list[Tensor], k: int, token: int, report: Report, stop: threading.Event | None
) -> dict[str, np.ndarray]:
    """Everything that is said of a cell, some positions at a time, so that few logits are in memory at once."""
    residuals = torch.stack(rows)  # (row, column, hidden)
    n_rows, n_columns = residuals.shape[:2]
    step = max(1, _HELD // (n_rows * engine.anatomy.vocabulary_size))
    pieces = []  # by piece of columns: one tensor of cells for each name below
    for start in range(0, n_columns, step):
        passes.check_stop(stop)
        report(start / n_columns, f"Reading off position {start + 1} of {n_columns}")
        pieces.append(_cells(logits_of(engine, residuals[:, start : start + step]), k, token))
    names = ["top_ids", "top_probabilities", "entropies", "divergences", "ranks", "probabilities"]
    names += ["final_ranks", "final_probabilities"]
    return {name: np.concatenate([piece[i] for piece in pieces], axis=1) for i, name in enumerate(names)}


def _cells(logits: Tensor, k: int, token: int) -> tuple[np.ndarray, ...]:
    """Numbers of the cells of some columns. logits: (row, column, vocabulary), the last row the model's answer."""
    logprobs = logits.log_softmax(-1)
    probabilities = logprobs.exp()
    top = logprobs.topk(k)
    said = logprobs[-1].argmax(-1)  # (column,)
    chosen = logprobs[..., token]
    told = logprobs.gather(-1, said.expand(len(logprobs), -1)[..., None])[..., 0]
    found = (
        top.indices,
        top.values.exp(),
        -(probabilities * logprobs).nansum(-1).clamp(max=0),  # nansum: 0 log 0 is 0
        (probabilities[-1] * (logprobs[-1] - logprobs)).nansum(-1).clamp(min=0),
        (logprobs > chosen[..., None]).sum(-1),
        chosen.exp(),
        (logprobs > told[..., None]).sum(-1),
        told.exp(),
    )
    return tuple(values.cpu().numpy() for values in found)
