"""What a link to the Prompt lab holds: prompts, table, scorer and settings. It does not know how links are made."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from playground.errors import PlaygroundError
from playground.labs.prompting import library, prompts, scorers
from playground.labs.prompting.prompts import MOST_ROWS, Row
from playground.tabs.forms import More, short
from playground.tabs.prompting import builder as builders
from playground.tabs.prompting import data as tables
from playground.tabs.prompting.scoring import MOST_SAMPLES, Asking

if TYPE_CHECKING:
    from playground.tabs.prompting.tab import Lab

UNREADABLE = "The link's prompts, table or settings cannot be read, so all of them are left as they were."
AS_IT_STANDS = "The link passes the settings on as they stand, though they cannot be run so. {}"
NO_TABLE = "The link came without a table: the one here stays. It expects the right answers in the column {}."
MOST_COLUMNS = 50


def of(lab: "Lab") -> More:
    def read(values: dict, with_talk: bool) -> tuple[dict[str, Any], list[str]]:
        data, left_out = linked_table(values[lab.data.grid])
        asked, wrong = lab.scoring.plain(values)
        return {
            "prompts": [prompts.plain(draft) for draft in lab.builder.current(values)],
            "edited": values[lab.builder.which] or 0,
            "data": data,
            "scorer": asdict(lab.scoring.scorer(values)),
            "asking": asked,
        }, [told for told in (left_out, wrong and AS_IT_STANDS.format(wrong)) if told]

    def fill(plain: Mapping[str, Any]) -> tuple[dict, list[str]]:
        drafts = tuple(drafted(each) for each in listed(plain.get("prompts"), 1, builders.MOST_PROMPTS))
        rows, pick = ((), "") if plain.get("data", "") is None else table(plain.get("data"))
        scorer, at = scorers.read(plain.get("scorer")), plain.get("edited", 0)
        if scorer.kind not in scorers.KINDS:
            raise PlaygroundError(UNREADABLE)
        if not isinstance(at, int) or isinstance(at, bool) or not 0 <= at < len(drafts):
            raise PlaygroundError(UNREADABLE)
        asked, told = asking(plain.get("asking"))
        columns = list(rows[0]) if rows else [scorer.expected]
        told += [] if rows or not scorer.needs_expected else [NO_TABLE.format(short(scorer.expected))]
        updates = lab.builder.shown(drafts, at) | lab.scoring.shown(scorer, columns, asked) | {lab.look: ""}
        updates |= lab.data.shown(rows, pick) if rows else {}
        if isinstance(typed := plain["asking"]["temperatures"], str):
            updates[lab.scoring.temperatures] = typed
            told += _wrong(lab.scoring.asking, updates)
        return updates, [*told, *_wrong(prompts.check, *drafts), *_wrong(scorers.check, scorer)]

    inputs = {lab.data.grid, *lab.builder.inputs, *lab.scoring.all}
    return More(inputs, lab.filled, read, fill)


def _wrong(check: Callable[[Any], None], *values: Any) -> list[str]:
    """What is wrong with each, as sentences."""
    found = []
    for value in values:
        try:
            check(value)
        except PlaygroundError as error:
            found.append(str(error))
    return found


def linked_table(grid: Any) -> tuple[Any, str]:
    """The table as a link holds it, a name or rows; or None, and why it is left out."""
    try:
        rows = tables.from_frame(grid)
    except PlaygroundError as error:
        return None, f"The table is left out of the link. {error}"
    name = next((each.name for each in library.data_sets() if library.rows(each.name) == rows), None)
    if not rows or len(rows) > MOST_ROWS or not 1 <= len(rows[0]) <= MOST_COLUMNS or "" in rows[0]:
        return None, f"The table is left out of the link: it is empty, or larger than {MOST_ROWS:,} rows."
    return name or [dict(row) for row in rows], ""


def drafted(value: Any) -> prompts.Prompt:
    """A prompt that need not be whole. Raises PlaygroundError: it is none."""
    prompt = prompts.read(value, whole=False)
    if prompt.style not in prompts.STYLES:
        raise PlaygroundError(UNREADABLE)
    return prompt


def listed(value: Any, least: int, most: int) -> list:
    """A list of a certain length. Raises PlaygroundError: it is none."""
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise PlaygroundError(UNREADABLE)
    return value


def table(value: Any) -> tuple[tuple[Row, ...], str]:
    """Rows, and the data set's name. Raises PlaygroundError: there is none, or the rows are no table."""
    if isinstance(value, str):
        if value not in {each.name for each in library.data_sets()}:
            raise PlaygroundError(UNREADABLE)
        return library.rows(value), value
    rows = listed(value, 1, MOST_ROWS)
    first = rows[0] if isinstance(rows[0], dict) else {}
    whole = all(
        isinstance(row, dict) and row.keys() == first.keys() and all(isinstance(cell, str) for cell in row.values())
        for row in rows
    )
    if not whole or not 1 <= len(first) <= MOST_COLUMNS or "" in first:
        raise PlaygroundError(UNREADABLE)
    return tuple(rows), tables.OWN


def asking(value: Any) -> tuple[Asking, list[str]]:
    """How each row is asked, within what the page takes, and what was changed for that.

    Raises:
        PlaygroundError: it is something else.
    """
    if not isinstance(value, dict) or value.keys() != {*Asking.__dataclass_fields__}:
        raise PlaygroundError(UNREADABLE)
    counts = {name: value[name] for name in ("max_new_tokens", "samples", "seed")}
    typed = value["temperatures"]  # a text: what was typed, which is no list of numbers
    temperatures = [0] if isinstance(typed, str) and len(typed) <= 1000 else listed(typed, 1, 10)
    models = listed(value["models"], 0, 20)
    if not all(isinstance(n, int) and not isinstance(n, bool) for n in counts.values()):
        raise PlaygroundError(UNREADABLE)
    if not all(isinstance(t, int | float) and not isinstance(t, bool) for t in temperatures):
        raise PlaygroundError(UNREADABLE)
    if not all(isinstance(model, str) and len(model) <= 1000 for model in models):
        raise PlaygroundError(UNREADABLE)
    kept = {
        "max_new_tokens": min(max(counts["max_new_tokens"], 1), 2048),
        "samples": min(max(counts["samples"], 1), MOST_SAMPLES),
        "seed": max(counts["seed"], 0),
        "temperatures": tuple(min(max(float(t), 0.0), 5.0) for t in temperatures),
        "models": tuple(models),
    }
    changed = counts | {"temperatures": tuple(map(float, temperatures)), "models": tuple(models)} != kept
    told = ["Some settings of the link lay outside of what this page takes, and were moved there."] if changed else []
    return Asking(**kept), told
