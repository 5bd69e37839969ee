"""What is typed into a recipe's boxes, read and written: curves over the layers, parts of the network, further models.

It does not know the boxes.
"""

from collections.abc import Iterable, Mapping, Sequence

from playground.errors import PlaygroundError

# Of the network, and what names of their weights contain. In this order: norms stand inside attention and embeddings.
PARTS = {
    "norms": ("norm", "Norm", "ln_"),
    "embeddings": ("embed", "wte", "wpe", "lm_head"),
    "attention": ("attn", "attention.", "Attention."),  # with a dot: post_attention_layernorm is a norm
    "MLP": ("mlp", "ffn", "feed_forward"),
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


def parts(text: str, own: Mapping[str, float]) -> tuple[tuple[str, tuple[float, ...]], ...]:
    """What is said of parts, as a setting has it: lines of text first, then a number for each part in `own`."""
    found = []
    for line in text.splitlines():
        if not line.strip():
            continue
        name, separator, written = line.partition(":")
        if not separator or not (values := numbers(written, f"The part “{name.strip()}”")):
            raise PlaygroundError(f"“{line}” is no part with numbers. Write for example “attention: 0, 1”.")
        found += [(contained, values) for contained in PARTS.get(name.strip(), (name.strip(),))]
    return (*found, *((contained, (own[part],)) for part in PARTS if part in own for contained in PARTS[part]))


def sorted_out(found: Sequence[tuple[str, tuple[float, ...]]]) -> tuple[str, dict[str, float]]:
    """The other way round: lines of text, and what stands behind all lines as one number for each part."""
    left, own = list(found), {}
    for part in reversed(PARTS):
        names = PARTS[part]
        last = left[-len(names) :]
        if tuple(name for name, _ in last) == names and len({values for _, values in last}) == 1 == len(last[0][1]):
            own[part] = last[0][1][0]
            del left[-len(names) :]
    return "\n".join(f"{part}: {listed(values)}" for part, values in left), own


def mirrored(values: Iterable[float]) -> tuple[float, ...]:
    """1 minus every value: what the first model has where the second has this."""
    return tuple(1 - value for value in values)


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
    """The number of a setting that follows no curve."""
    return setting.values[0] if len(setting.values) == 1 else usual
