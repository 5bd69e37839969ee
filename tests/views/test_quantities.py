"""Numbers as people read them."""

import pytest

from playground.views.quantities import ago, count, of, size


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (999_600, "1 MB"), (269_060_552, "269 MB"), (6_000_000_000, "6.0 GB")],
)
def test_size(n_bytes, text):
    assert size(n_bytes) == text


@pytest.mark.parametrize(("n", "text"), [(999, "999"), (22_713_216, "23 M"), (1_711_376_384, "1.7 B")])
def test_count(n, text):
    assert count(n) == text


def test_ago_changes_once_a_minute_at_most():
    assert len({ago(seconds) for seconds in range(60)}) == 1
    assert ago(61) == "1 min ago"
    assert ago(7300) == "2 h ago"


def test_one_is_no_plural():
    assert [of(n, "chunk") for n in (0, 1, 2, 2_000)] == ["0 chunks", "1 chunk", "2 chunks", "2,000 chunks"]
