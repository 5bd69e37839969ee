"""Colours of cells: a scale that is apart for every kind of colour blindness, and ink that can be read on each.

It does not know what the numbers are.
"""

from collections.abc import Sequence

VIRIDIS = (
    "#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725",
)  # fmt: skip
GRADIENT = f"linear-gradient(90deg, {', '.join(VIRIDIS)})"


def cell(share: float) -> str:
    """CSS of a cell whose number lies at `share` of the scale, from 0 to 1."""
    red, green, blue = colour(share)
    ink = "#000" if luminance((red, green, blue)) > 0.179 else "#fff"  # where black and white are read equally well
    return f"background:#{red:02x}{green:02x}{blue:02x};color:{ink}"


def colour(share: float) -> tuple[int, int, int]:
    """Red, green and blue of a place on the scale."""
    at = min(max(share, 0.0), 1.0) * (len(VIRIDIS) - 1)
    below = min(int(at), len(VIRIDIS) - 2)
    one, other = _channels(VIRIDIS[below]), _channels(VIRIDIS[below + 1])
    red, green, blue = (round(a + (b - a) * (at - below)) for a, b in zip(one, other, strict=True))
    return red, green, blue


def luminance(channels: Sequence[int]) -> float:
    """Relative luminance of red, green and blue, 0 to 1, as WCAG 2 defines it."""

    def linear(channel: int) -> float:
        value = channel / 255
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    red, green, blue = map(linear, channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _channels(text: str) -> tuple[int, int, int]:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
