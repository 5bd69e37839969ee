"""An evaluation as plain data: JSON, and one CSV line a question and setting. It measures nothing."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from playground.labs.retrieval import metrics
from playground.labs.retrieval.evaluation import MEASURES, Evaluation
from playground.labs.retrieval.graded import Grades

GRADES = ("accuracy", "accuracy_given", "citation_precision", "citation_source", "refused", "falsely_refused")


def plain(found: Evaluation, threshold: float) -> dict[str, Any]:
    """Every setting with its measures, and what the threshold does."""
    return {
        "collection": found.collection,
        "questions": len(found.questions),
        "measured": len(found.measured),
        "settings": [
            {
                "name": row.setting.name,
                "how": asdict(row.setting.how),
                "measures": {measure: asdict(row.estimate(measure)) for measure in MEASURES},
                "by_kind": by_kind(found, at, "recall@5"),
                "ranks": {each.id: rank for each, rank in zip(found.measured, row.ranks, strict=True)},
            }
            for at, row in enumerate(found.rows)
        ],
        "confidences": {each.id: c for each, c in zip(found.questions, found.confidences, strict=True)},
        "refusal": asdict(found.refusal(threshold)),
        "notes": list(found.notes),
        "provenance": asdict(found.provenance),
    }


def by_kind(found: Evaluation, row: int, measure: str) -> dict[str, dict[str, Any]]:
    """One measure of one setting for each kind of question."""
    kinds = dict.fromkeys(each.kind for each in found.measured if each.kind)
    places = {kind: [at for at, each in enumerate(found.measured) if each.kind == kind] for kind in kinds}
    return {kind: asdict(found.rows[row].estimate_of(measure, at)) for kind, at in places.items()}


def against(found: Evaluation, row: int, measure: str, other: int) -> metrics.Estimate:
    """One setting less another, on the same questions."""
    return metrics.difference(found.rows[row].values[measure], found.rows[other].values[measure])


def table(found: Evaluation) -> str:
    """CSV: a line a question and setting."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["id", "question", "kind", "setting", "rank", *MEASURES])
    for row in found.rows:
        for at, question in enumerate(found.measured):
            numbers = [row.values[measure][at] for measure in MEASURES]
            cells = [question.id, question.text, question.kind]
            writer.writerow([*map(safe, cells), row.setting.name, row.ranks[at] or "", *numbers])
    return out.getvalue()


def answers(grades: Sequence[Grades]) -> str:
    """CSV: a line an answer and setting."""
    out = io.StringIO()
    writer = csv.writer(out)
    names = ["refused", "right", "given", "cited", "supported", "holding"]
    writer.writerow(["setting", "id", "question", "accepted", "answer", *names])
    for each in grades:
        for row in each.rows:
            cells = [each.setting, row.question.id, row.question.text, " / ".join(row.question.accept), row.text]
            writer.writerow([*map(safe, cells), *(_cell(getattr(row, name)) for name in names)])
    return out.getvalue()


def graded(grades: Sequence[Grades]) -> list[dict[str, Any]]:
    """What was measured on answers, setting by setting."""
    return [
        {"setting": each.setting, "questions": each.total}
        | {name: asdict(getattr(each, name)) for name in GRADES}
        | {"answers": [asdict(row) for row in each.rows], "provenance": each.provenance and asdict(each.provenance)}
        for each in grades
    ]


def safe(text: str) -> str:
    """A spreadsheet would run what begins like a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _cell(value: object) -> object:
    return "" if value is None else value
