"""Bars from the low to the high end of an interval, for Plotly's `error_x` and `error_y`. It does not know of what."""

from collections.abc import Sequence


def bars(
    values: Sequence[float],
    lows: Sequence[float],
    highs: Sequence[float],
    color: str,
    thickness: float = 2,
    width: float = 6,
) -> dict[str, object]:
    """All three in the axis's unit, one a point."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - value for value, high in zip(values, highs, strict=True)],
        "arrayminus": [value - low for value, low in zip(values, lows, strict=True)],
        "color": color,
        "thickness": thickness,
        "width": width,
    }
