"""What the Bias tab found, to take along: tables as CSV, a report as JSON. It does not know where files go."""

from collections.abc import Sequence

from playground.labs.bias.measure import Measured
from playground.labs.bias.sections import Section
from playground.labs.internals.files import as_json, table_csv


def report_json(sections: Sequence[Section]) -> str:
    """All sections, as one JSON text."""
    return as_json(report="Bias", sections=list(sections))


def pairs_csv(found: Measured) -> str:
    """A row a pair."""
    rows = []
    for number, one in sorted(found.scored.items()):
        pair = found.pairs[number]
        scores = (one.first.score, one.second.score, one.difference)
        rows.append(
            (
                number,
                pair.category,
                pair.first,
                pair.second,
                *map(repr, scores),
                one.preferred,
                pair.direction,
                one.skipped,
            )
        )
    head = ("number", "category", "first", "second", "score_first", "score_second", "difference", "preferred")
    return table_csv((*head, "direction", "skipped"), rows)
