"""Parents for tests of merging: small tensors blended by a method as the page does it."""

import math

import torch

from playground.labs.merging import methods
from playground.labs.merging.methods import How, Seen


def blended(method: str, models, base=None, rows: int = 1, **how) -> torch.Tensor:
    """One tensor merged, in pieces of `rows` rows."""
    kind = methods.find(method)
    models = [torch.as_tensor(m, dtype=torch.float32) for m in models]
    shape = models[0].shape
    flat = [m.reshape(1, -1) if m.dim() < 2 else m.reshape(-1, m.shape[-1]) for m in models]
    base = None if base is None else torch.as_tensor(base, dtype=torch.float32).reshape(flat[0].shape)
    n, size = len(models), math.prod(shape)
    usual = {"weights": (1.0,) * n, "densities": (1.0,) * n, "normalize": kind.normalize, "rescale": kind.rescale}
    settings = How(name="w", **(usual | how))

    def look():
        for start in range(0, len(flat[0]), rows):
            yield Seen(
                [m[start : start + rows].clone() for m in flat],
                None if base is None else base[start : start + rows].clone(),
                start * flat[0].shape[1],
                size,
            )

    facts = kind.survey(lambda: iter([("w", look)]), settings) if kind.survey else None
    if facts is None and kind.measure:
        facts = kind.measure(look, settings)
    return torch.cat([kind.blend(seen, settings, facts) for seen in look()]).reshape(shape)
