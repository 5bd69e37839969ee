"""Whether an answer is the one that was had when nobody else was there."""

import math
from collections.abc import Iterator

# What an answer says of the moment in which it was made; a seed is drawn where none is given, and unused if nothing is.
MOMENTARY = {
    "seconds", "seconds_left", "seconds_to_first_token", "tokens_per_second", "in_use_by", "doing", "bytes", "made",
    "when", "duration", "seed",
}  # fmt: skip
TOLERANCE = 5e-3  # of numbers: with others in one batch products are summed in another order


def differences(alone: object, together: object, at: str = "") -> Iterator[str]:
    """Sentences: where an answer is another one."""
    if isinstance(alone, dict) and isinstance(together, dict):
        for key in sorted(set(alone) | set(together)):
            if key not in MOMENTARY:
                yield from differences(alone.get(key), together.get(key), f"{at}.{key}")
    elif isinstance(alone, list) and isinstance(together, list):
        if len(alone) != len(together):
            yield f"{at} has {len(together)} parts and not {len(alone)}"
        for n, (one, other) in enumerate(zip(alone, together, strict=False)):
            yield from differences(one, other, f"{at}[{n}]")
    elif _number(alone) and _number(together):
        if not math.isclose(alone, together, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield f"{at} is {together} and not {alone}"
    elif alone != together:
        yield f"{at} is {str(together)[:80]!r} and not {str(alone)[:80]!r}"


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
