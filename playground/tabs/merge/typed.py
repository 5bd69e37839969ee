"""What is typed into a recipe's boxes, read and written: curves over the layers, parts of the network, further models.

It does not know the boxes.
"""

from collections.abc import Iterable
from dataclasses import replace

from playground.errors import PlaygroundError

PARTS = {  # of the network, and what names of their weights contain
    "attention": ("attn", "attention"),
    "MLP": ("mlp", "ffn", "feed_forward"),
    "norms": ("norm", "ln_"),
    "embeddings": ("embed", "wte", "wpe", "lm_head"),
}


def numbers(text: str, what: str) -> tuple[float, ...]:
    """Numbers with commas between them."""
    try:
        return tuple(float(piece) for piece in text.replace(";", ",").split(",") if piece.strip())
    except ValueError:
        raise PlaygroundError(
            f"{what} needs numbers with commas between them, like 0, 0.5, 1. Change “{text}”."
        ) from None


def listed(values: Iterable[float]) -> str:
    """The other way round."""
    return ", ".join(f"{value:g}" for value in values)


def setting(curve: str, parts: str, usual: float):
    """What a curve and the parts say, as a setting; None: both are empty. `usual`: where only parts are said."""
    from playground.labs.merging.recipe import Setting

    values, found = numbers(curve, "The curve"), []
    for line in parts.splitlines():
        if not line.strip():
            continue
        name, separator, text = line.partition(":")
        if not separator or not (own := numbers(text, f"The part “{name.strip()}”")):
            raise PlaygroundError(f"“{line}” is no part with numbers. Write for example “attention: 0, 1”.")
        for contained in PARTS.get(name.strip(), (name.strip(),)):
            found.append((contained, own))
    if not values and not found:
        return None
    return Setting(values or (usual,), tuple(found))


def mirrored(setting):
    """1 minus every value: what the first model has where the second has this."""
    return replace(
        setting,
        values=tuple(1 - value for value in setting.values),
        parts=tuple((part, tuple(1 - value for value in values)) for part, values in setting.parts),
    )


def further(text: str) -> list:
    """More models, one a line: reference, weight, density."""
    from playground.labs.merging.recipe import Ingredient, constant

    found = []
    for line in text.splitlines():
        if not (pieces := line.split()):
            continue
        try:
            weight, density = (float(piece) for piece in [*pieces[1:3], "1", "1"][:2])
        except ValueError:
            raise PlaygroundError(
                f"“{line}” is no model with a weight and a density. Write “org/name 0.5 1”."
            ) from None
        found.append(Ingredient(pieces[0], constant(weight), constant(density)))
    return found


def line(model) -> str:
    """A further model as it is typed."""
    return f"{model.reference} {flat(model.weight):g} {flat(model.density):g}"


def flat(setting, usual: float = 1.0) -> float:
    """The number of a setting that is the same everywhere."""
    return usual if setting is None or setting.flat is None else setting.flat
