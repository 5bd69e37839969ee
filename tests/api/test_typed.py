"""Endpoints take what their signatures say: what fits passes unchanged, and what does not is named with its place."""

import math

import pytest
from gradio.exceptions import Error

from playground.api import docs
from playground.api.typed import checked


def kinds(text: str, n: int = 3, share: float = 0.5, many: list[int] | None = None, by: dict[str, float] | None = None):
    """Says what it was given.

    Args:
        text: something that
            goes on: in a second line.
        n: a number.

    Returns:
        what: it
        was given.
    """
    return text, n, share, many, by


def test_what_fits_passes_unchanged():
    assert checked(kinds)("a", 4, 1, [1, 2], {"x": 2}) == ("a", 4, 1, [1, 2], {"x": 2})
    assert checked(kinds)("a") == kinds("a")
    assert checked(kinds)("a", n=40.0) == kinds("a", 40)
    assert checked(kinds)("a", None, None) == kinds("a"), "null is as good as nothing"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((5,), "`text` does not fit: input should be a valid string"),
        ((None,), "`text` does not fit"),
        (("a", "4"), "`n` does not fit: input should be a valid integer"),
        (("a", True), "`n` does not fit"),
        (("a", 1.5), "`n` does not fit"),
        (("a", 1, "x"), "`share` does not fit"),
        (("a", 1, math.nan), "`share` does not fit: input should be a finite number"),
        (("a", 1, math.inf), "`share` does not fit"),
        (("a", 1, 0.5, [1, "2"]), "`many[1]` does not fit"),
        (("a", 1, 0.5, 7.0), "`many` does not fit"),
        (("a", 1, 0.5, None, {"x": "y"}), "`by[&#x27;x&#x27;]` does not fit"),
    ],
    ids=repr,
)
def test_what_does_not_fit_is_named(given, said):
    with pytest.raises(Error) as refused:
        checked(kinds)(*given)
    assert said in str(refused.value.message)


def test_a_stream_is_checked_before_it_begins_and_closed_as_before():
    closed = []

    def count(n: int):
        try:
            yield from range(n)
        finally:
            closed.append(n)

    assert list(checked(count)(3)) == [0, 1, 2]
    stream = checked(count)(5)
    next(stream)
    stream.close()
    assert closed == [3, 5]
    with pytest.raises(Error):
        next(checked(count)("3"))


def test_a_docstring_is_read_whole():
    described = docs.of(kinds)
    assert described.about == "Says what it was given." and described.returns == "what: it was given."
    assert [(p.name, p.kind, p.default) for p in described.parameters[:2]] == [("text", "str", None), ("n", "int", "3")]
    assert described.parameters[0].about == "something that goes on: in a second line."
    kinds.__doc__, before = described.flat(), kinds.__doc__
    assert docs.of(kinds) == described
    kinds.__doc__ = before
