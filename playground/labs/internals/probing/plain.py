"""A probing as plain values and as files: what an endpoint returns and what a download holds.

It does not know who asks.
"""

import csv
import dataclasses
import io
import json
from typing import Any

from playground.labs.internals.probing.experiment import Probing

AXES = {
    "accuracy": ("layer",),
    "low": ("layer",),
    "high": ("layer",),
    "fold_accuracy": ("layer", "fold"),
    "above": ("layer",),
    "task_apart": ("layer",),
    "control": ("layer",),
    "selectivity": ("layer",),
    "bits": ("layer",),
    "compression": ("layer",),
    "strength": ("layer", "fold"),
    "explained": ("layer", "component"),
    "confusion": ("layer", "true class", "said class"),
    "said": ("layer", "text"),
    "points": ("layer", "text", "component"),
    "folds": ("text",),
}
_BULKY = ("said", "points", "folds")  # arrays with a value a text
_BY_LAYER = ("accuracy", "low", "high", "above", "control", "task_apart", "selectivity", "compression", "bits")


def as_dict(found: Probing, every_text: bool = True) -> dict[str, Any]:
    """All that was found, as lists and numbers; an array is {"axes": its axes by name, "values": nested lists}.

    `every_text`: also the texts, what each was taken for at each layer, its fold and its points.
    """
    kept = {name: axes for name, axes in AXES.items() if every_text or name not in _BULKY}
    values = {
        "task": found.examples.name,
        "n_texts": len(found.examples),
        "layers": list(found.layers),
        "complete": found.complete,
        "classes": list(found.examples.classes),
        "best": found.best,
        "best_unseen": found.best_unseen,
        "majority": dataclasses.asdict(found.majority),
        "words": dataclasses.asdict(found.words),
        "rival": found.rival,
        "rival_accuracy": found.rival_accuracy,
        "items": found.examples.item,
        "items_kept_together": found.together,
        "notes": list(found.examples.notes),
    }
    for name, axes in kept.items():
        array = getattr(found, name)
        rounded = array if array.dtype == bool else array.round(6)
        values[name] = {"axes": list(axes), "values": rounded.tolist()}
    if every_text:
        words = found.examples.words or [None] * len(found.examples)
        columns = zip(found.examples.texts, found.examples.labels, words, found.examples.items, strict=True)
        values["texts"] = [dict(zip(("text", "label", "word", "item"), row, strict=True)) for row in columns]
    return values | {"provenance": dataclasses.asdict(found.provenance)}


def as_json(found: Probing) -> str:
    return json.dumps(as_dict(found), ensure_ascii=False, allow_nan=False)


def layers_csv(found: Probing) -> str:
    """A row a layer, then a row each for what does without the model."""
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(("layer", *_BY_LAYER))
    for at, layer in enumerate(found.layers):
        table.writerow((layer, *(_cell(float(getattr(found, name)[at])) for name in _BY_LAYER)))
    for name in ("words", "majority"):
        score = getattr(found, name)
        cells = (_cell(score.accuracy), _cell(score.low), _cell(score.high))
        table.writerow((name, *cells, *[""] * (len(_BY_LAYER) - len(cells))))
    return written.getvalue()


def texts_csv(found: Probing) -> str:
    """A row a text: what it is, in which fold it was asked about, and what the best layer took it for."""
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(("text", "label", "word", "item", "fold", "said"))
    examples, said = found.examples, found.said[found.at(found.best)]
    words = examples.words or [""] * len(examples)
    rows = zip(examples.texts, examples.labels, words, examples.items, found.folds, said, strict=True)
    for text, label, word, item, fold, number in rows:
        table.writerow((text, label, word, item, fold, examples.classes[number]))
    return written.getvalue()


def _cell(value: float) -> str:
    return f"{value:.6g}"
