"""Claim: patching all positions of a layer as one batch is at least 4 times faster than one forward pass a patch.

Both ways run on the default model, layer by layer in turn, so that a busy machine slows both: one row a pass through
the whole model, as it is usually done; and all rows at once, with the blocks before the patch left out, as the page
does it. Their effects must be equal. Prints seconds and the ratio layer by layer.

    python benchmarks/internals.py [--layers 6]
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def patching(engine, n_layers: int) -> None:
    import numpy as np

    from playground.labs import contrasts
    from playground.labs import patching as lab

    two = contrasts.contrast(engine, *lab.EXAMPLE)
    clean, corrupted = (
        lab._unpatched(engine, two, ids, "residual", lab.layers_with(engine, "residual"), None)
        for ids in (two.clean_ids, two.corrupted_ids)
    )
    rows = lab._rows(two.clean_ids.shape[1], None, False, 0, engine.device)
    ways = {
        "one at a time": dict(rows_at_once=1, skip=False),
        "one batch a layer": dict(rows_at_once=None, skip=False),
        "and known blocks left out": dict(rows_at_once=None, skip=lab._can_skip(engine, two, corrupted)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    worst = 0.0
    layers = np.linspace(0, engine.anatomy.n_layers - 1, n_layers).round().astype(int).tolist()
    for turn, layer in enumerate([layers[0], *layers]):
        found = {}
        for name, way in ways.items():
            started = time.perf_counter()
            values = lab._patched(engine, two, "residual", layer, clean, corrupted, rows, stop=None, **way)
            found[name] = np.array(list(values))
            if turn:  # the first warms up
                seconds[name].append(time.perf_counter() - started)
        first, *others = found.values()
        worst = max(worst, *(np.abs(other - first).max() for other in others))
    print(f"{engine.reference}, {engine.precision}, {two.clean_ids.shape[1]} positions, layers {layers}")
    for name, times in seconds.items():
        print(f"{name:26} {statistics.mean(times):.3f} s a layer")
    for name in list(ways)[1:]:
        ratios = [a / b for a, b in zip(seconds["one at a time"], seconds[name], strict=True)]
        total = sum(seconds["one at a time"]) / sum(seconds[name])
        print(f"one at a time / {name}: {total:.2f} in all, layer by layer {min(ratios):.2f} to {max(ratios):.2f}")
    print(f"largest difference between the ways: {worst:.1e} logits")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=6, help="layers to measure, evenly spread")
    options = parser.parse_args()

    from playground import settings as all_settings
    from playground.models.cache import ModelCache

    settings = all_settings.read([]).model_copy(update={"dtype": "float32"})  # so that equal means equal
    with ModelCache(settings).lease(settings.default_models[0]) as engine:
        patching(engine, options.layers)


if __name__ == "__main__":
    main()
