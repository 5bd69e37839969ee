"""Numbers as a person reads them: bytes, counts, durations.

It does not know what is being measured.
"""


def size(n_bytes: int) -> str:
    """Bytes in decimal units, as disks and downloads are labelled: 269_060_552 -> '269 MB'."""
    value = float(n_bytes)
    for unit in ("B", "kB", "MB"):
        if value < 999.5:
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def count(n: int) -> str:
    """A number of parameters: 134_515_008 -> '135 M'."""
    value = float(n)
    for unit in ("", " k", " M"):
        if value < 999.5:
            return f"{value:.0f}{unit}"
        value /= 1000
    return f"{value:.1f} B"


def ago(seconds: float) -> str:
    """How long since something was used; coarse, so that a page that is refreshed often does not flicker."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return "less than a minute ago"
    if minutes < 60:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago"


def of(n: int, what: str) -> str:
    """A number of things, by the name of one: (1, "chunk") -> '1 chunk', (2_000, "chunk") -> '2,000 chunks'."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"
