"""What `benchmarks/crowd.py` goes by: it sees an answer that is another one, and asks every tab what exists."""

import re
from pathlib import Path

import pytest

from benchmarks.crowd import floor_of
from benchmarks.together import people
from benchmarks.together.compare import differences
from benchmarks.together.jobs import jobs

ROOT = Path(__file__).parent.parent
ALONE = {"text": "Paris", "seconds": 1.0, "rows": [{"p": 0.25, "ok": True}, {"p": 0.5, "ok": None}]}


@pytest.mark.parametrize(
    "change",
    [
        {"text": "Rome"},
        {"text": None},
        {"rows": ALONE["rows"][:1]},
        {"rows": [{"p": 0.25, "ok": True}, {"p": 0.6, "ok": None}]},
        {"rows": [{"p": 0.25, "ok": False}, {"p": 0.5, "ok": None}]},
        {"rows": [{"p": 0.25, "ok": True}, {"p": float("nan"), "ok": None}]},
        {"more": 1},
    ],
)
def test_another_answer_is_seen(change):
    assert list(differences(ALONE, ALONE | change))


def test_the_same_answer_in_another_second_is_the_same():
    rows = [{"p": 0.2501, "ok": True}, {"p": 0.5, "ok": None}]
    assert not list(differences(ALONE, ALONE | {"seconds": 9.0, "rows": rows}))


def test_every_tab_is_asked_by_endpoints_that_exist():
    asked = jobs()
    assert len({job.name for job in asked}) == len(asked) > 100
    assert {job.tab for job in asked} == set(people.FIRST)
    documented = set(re.findall(r"^\| `(/\w+)` \|", (ROOT / "README.md").read_text("utf-8"), re.M))
    assert {job.endpoint for job in asked} <= documented


def test_what_is_left_behind_is_told_from_what_comes_and_goes():
    busy = [1000.0 + 400 * (n % 3 > 0) for n in range(200)]
    assert floor_of(busy, 0.25, 0.5) == floor_of(busy, 0.75, 1.0) == 1000
    leaking = [each + 2 * n for n, each in enumerate(busy)]
    assert floor_of(leaking, 0.75, 1.0) > 1.05 * floor_of(leaking, 0.25, 0.5)
    assert floor_of([5.0], 0.25, 0.5) == 5
