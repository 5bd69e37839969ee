"""A lens as files to take along: one row a cell as CSV, everything as JSON. It does not know where they are written."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from typing import TYPE_CHECKING, SupportsFloat

if TYPE_CHECKING:
    from playground.labs.internals.lens import Lens

COLUMNS = (
    *("layer", "position", "token", "top_token", "top_probability", "entropy_nats", "kl_to_last_layer_nats"),
    *("answer_rank", "answer_probability", "followed", "followed_rank", "followed_probability"),
)


def as_csv(seen: Lens) -> str:
    """A row a cell, from the embedding up. Ranks count from 1, as on the page."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row, layer in enumerate(seen.layers):
        for column, (position, label) in enumerate(zip(seen.positions.tolist(), seen.labels, strict=True)):
            cell = (
                layer,
                position,
                label,
                seen.top_texts[row][column][0],
                *_digits(seen.top_probabilities[row, column, 0]),
                *_digits(seen.entropies[row, column], seen.divergences[row, column]),
                int(seen.final_ranks[row, column]) + 1,
                *_digits(seen.final_probabilities[row, column]),
                seen.token_text,
                int(seen.token_ranks[row, column]) + 1,
                *_digits(seen.token_probabilities[row, column]),
            )
            writer.writerow(cell)
    return out.getvalue()


def as_json(seen: Lens) -> str:
    """Everything; an array is {"axes": its axes by name, "values": nested lists}. Ranks count from 0."""
    cell, top = ("layer", "position"), ("layer", "position", "rank")
    arrays = {
        "top_ids": (top, seen.top_ids),
        "top_probabilities": (top, seen.top_probabilities),
        "entropies": (cell, seen.entropies),
        "divergences": (cell, seen.divergences),
        "final_ranks": (cell, seen.final_ranks),
        "final_probabilities": (cell, seen.final_probabilities),
        "token_ranks": (cell, seen.token_ranks),
        "token_probabilities": (cell, seen.token_probabilities),
    }
    values = {
        "tokens": list(seen.labels),
        "positions": seen.positions.tolist(),
        "n_positions": seen.n_positions,
        "answer_position": seen.answer_position,
        "predicts": seen.predicts,
        "layers": list(seen.layers),
        "top_texts": {"axes": list(top), "values": [[list(texts) for texts in row] for row in seen.top_texts]},
        "token": seen.token_text,
        "deviation": seen.deviation,
    }
    values |= {name: {"axes": list(axes), "values": array.tolist()} for name, (axes, array) in arrays.items()}
    values["provenance"] = dataclasses.asdict(seen.provenance)
    return json.dumps(values, ensure_ascii=False, indent=1)


def _digits(*numbers: SupportsFloat) -> list[str]:
    """Six digits that mean something: float32 holds no more than seven."""
    return [f"{float(number):.6g}" for number in numbers]
