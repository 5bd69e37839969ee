"""Claims: patching the positions of a layer as one batch gives what one forward pass a patch gives, at least 4 times
as fast; reading all layers of 600 sentences for probing is at least 15 times faster than one pass a layer and sentence,
and the memory it takes beside the vectors is that of a batch, however many sentences there are.

Patching: the same patches in three ways, layer by layer in turn, so that a busy machine slows all: one row a pass
through the whole model, as it is usually done; all rows at once; and all rows at once with the blocks before the patch
left out, as the page does it, which is what the claim is about. Only positions at which a patch can change something
are run, in all three. In float32 their effects must be equal but for rounding; in the precision of the page, too, the
time counts. Prints seconds and ratios, by the clock and of processor seconds, which a busy neighbour changes less.

Probing: the slow way runs a sentence through the whole model once for every layer that is wanted, as a loop over layers
does. A sample of it is measured, between two runs of the quick way, and multiplied up. The vectors must be equal.

Exit code 1: a ratio by the clock is under what is claimed.

    python benchmarks/internals.py [--layers 6] [--sentences 600] [--only probing]
"""

import argparse
import dataclasses
import os
import statistics
import sys
import threading
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def patching(engine, n_layers: int) -> float:
    """How many times as long one patch a pass takes as the page's way, by the clock."""
    import numpy as np

    from playground.labs.internals import contrasts, known
    from playground.labs.internals import patching as lab

    two = contrasts.contrast(engine, *lab.EXAMPLE)
    clean, corrupted = (
        lab._unpatched(engine, two, ids, "residual", lab.layers_with(engine, "residual"), None)
        for ids in (two.clean_ids, two.corrupted_ids)
    )
    n_positions, first = two.clean_ids.shape[1], min(two.differing)
    rows = lab._rows(n_positions, None, False, 0, engine.device, first)
    skip = known.can_leave_out(engine, corrupted.ids, corrupted.blocks)
    ways = {
        "one at a time": dict(rows_at_once=1, skip=False),
        "one batch a layer": dict(rows_at_once=None, skip=False),
        "and known blocks left out": dict(rows_at_once=None, skip=skip),
    }
    span = clean.reading.difference - corrupted.reading.difference
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    worked: dict[str, list[float]] = {name: [] for name in ways}
    worst = 0.0
    layers = np.linspace(0, engine.anatomy.n_layers - 1, n_layers).round().astype(int).tolist()
    for turn, layer in enumerate([layers[0], *layers]):
        found = {}
        for name, way in ways.items():
            started, before = time.perf_counter(), time.process_time()
            values = lab._patched(engine, two, "residual", layer, clean, corrupted, rows, stop=None, **way)
            found[name] = np.array([reading.difference for reading in values]) / span
            if turn:  # the first warms up
                seconds[name].append(time.perf_counter() - started)
                worked[name].append(time.process_time() - before)
        plain, *others = found.values()
        worst = max(worst, *(np.abs(other - plain).max() for other in others))
    print(
        f"\n{engine.reference}, {engine.precision}, {n_positions} positions of which {n_positions - first} can matter, "
        f"{len(rows)} patches a layer, layers {layers}"
    )
    for name in ways:
        print(f"{name:26} {statistics.mean(seconds[name]):.3f} s a layer, {statistics.mean(worked[name]):.3f} s worked")
    for name in list(ways)[1:]:
        print(f"one at a time / {name}: {_ratios(seconds, name)}; worked {_ratios(worked, name)}")
    print(f"largest difference between the ways: {worst:.1e} in the effect, where 1 is the whole lead")
    return sum(seconds["one at a time"]) / sum(seconds["and known blocks left out"])


def _ratios(times: dict[str, list[float]], name: str) -> str:
    """In all, and from layer to layer: the fewer blocks come before a layer, the less can be left out."""
    ratios = [a / b for a, b in zip(times["one at a time"], times[name], strict=True)]
    return f"{sum(times['one at a time']) / sum(times[name]):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"


def probing(engine, n_texts: int, n_sampled: int) -> float:
    """How many times as long one pass a layer and sentence takes as the page's way, at the least, by the clock."""
    import random

    import numpy as np
    import psutil
    import torch

    from playground.labs.internals.probing import features, tasks
    from playground.labs.internals.probing.examples import sample

    every = tasks.examples(tasks.named("subject_number"))
    more = tasks.examples(tasks.named("sentence_length"))
    texts = list(every.texts + more.texts)
    random.Random(0).shuffle(texts)
    made = dataclasses.replace(every, texts=tuple(texts), labels=("x",) * len(texts), words=None, items=tuple(texts))
    made = dataclasses.replace(made, classes=("x",))
    process, n_layers = psutil.Process(), engine.anatomy.n_layers + 1

    def quick(n: int) -> tuple[np.ndarray, tuple[float, float], float]:
        """The vectors of n texts, seconds by the clock and worked, and the most memory beside them, in bytes."""
        part = sample(made, n)
        over, most = threading.Event(), [0]

        def watch() -> None:
            while not over.wait(0.005):
                most[0] = max(most[0], process.memory_info().rss)

        before = process.memory_info().rss
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        started, before_work = time.perf_counter(), time.process_time()
        reading = features.pooled(engine, part, "last")
        while True:
            try:
                next(reading)
            except StopIteration as end:
                vectors = end.value
                break
        seconds = time.perf_counter() - started, time.process_time() - before_work
        over.set()
        watcher.join()
        return vectors, seconds, max(most[0] - before - vectors.nbytes, 0)

    quick(50)  # warms up
    few = quick(n_texts // 4)[2]
    vectors, first, many = quick(n_texts)
    part = sample(made, n_texts).texts
    chosen = np.linspace(0, n_texts - 1, n_sampled).round().astype(int)
    worst, slow = 0.0, []
    with torch.inference_mode():
        for number, text in enumerate(chosen):
            ids = engine.encode(part[text])
            layer = int(number * (n_layers - 1) / max(n_sampled - 1, 1))
            started, before = time.perf_counter(), time.process_time()
            states = engine.model(ids, output_hidden_states=True).hidden_states[layer][0, -1]
            slow.append((time.perf_counter() - started, time.process_time() - before))
            scale = np.abs(vectors[layer, text]).max()
            worst = max(worst, np.abs(states.float().cpu().numpy() - vectors[layer, text]).max() / scale)
    second, ratios = quick(n_texts)[1], []
    print(f"\n{engine.reference}, {engine.precision}, {n_texts} sentences, {n_layers} layers")
    for kind, a, b, each in zip(("by the clock", "worked"), first, second, zip(*slow, strict=True), strict=True):
        whole = statistics.mean(each) * n_texts * n_layers
        ratios.append(whole / max(a, b))
        print(
            f"{kind}: one pass a batch {a:.1f} s and {b:.1f} s; one pass a layer and sentence "
            f"{statistics.mean(each):.3f} s each, measured {n_sampled} times, so {whole:.0f} s for "
            f"{n_texts * n_layers:,}; "
            f"ratio {whole / max(a, b):.0f} to {whole / min(a, b):.0f}"
        )
    print(f"of equally many passes the ratio would be {n_layers}")
    print(f"largest difference between the ways: {worst:.1e} of a vector's largest number")
    print(
        f"memory beside the vectors: {few / 1e6:.0f} MB for {n_texts // 4} sentences, {many / 1e6:.0f} MB for {n_texts}"
    )
    return ratios[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=6, help="layers to patch, evenly spread")
    parser.add_argument("--sentences", type=int, default=600, help="sentences to read for probing")
    parser.add_argument("--sampled", type=int, default=40, help="passes of the slow way to measure")
    parser.add_argument("--only", choices=["patching", "probing"])
    options = parser.parse_args()

    from playground import settings as all_settings
    from playground.models.cache import ModelCache

    holds = True
    for precision in ("float32", "bfloat16"):  # in float32, so that equal means equal; in bfloat16, as on the page
        settings = all_settings.read([]).model_copy(update={"dtype": precision})
        with ModelCache(settings).lease(settings.default_models[0]) as engine:
            if options.only != "probing":
                holds &= patching(engine, options.layers) >= 4
            if options.only != "patching" and precision == "float32":
                holds &= probing(engine, options.sentences, options.sampled) >= 15
    sys.exit(int(not holds))


if __name__ == "__main__":
    main()
