"""Claim: long work of Internals and Attention ends within a second of Stop.

Each piece of work is started on the starter model in a thread, as the page does it, and told to stop after half a
second, then after other moments. Printed is how long it took from the word to the end; work that was over before the
word is not counted. Exit code 1: some work of Internals took longer than a second.

    python benchmarks/stopping.py [--moments 0.5 1.1 2.3]
"""

import argparse
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

Work = Callable[[threading.Event], object]
OF_ATTENTION = ("attribution", "coreference")
ALLOWED = 1.0  # seconds


def everything(engine) -> dict[str, Work]:
    """The work that is stopped, by what the page calls it."""
    from playground.engine.sampling import Sampling
    from playground.labs.attention import attribution, coreference
    from playground.labs.internals import (
        ablation,
        contrasts,
        edited,
        lens,
        neuron_groups,
        neurons,
        patching,
        random_vectors,
        steering,
        sweep,
    )
    from playground.labs.internals.probing import experiment, tasks

    text = "The cat sat on the mat because it was comfortable, and the dog lay down beside it. " * 20
    examples = tasks.examples(tasks.named("part_of_speech"))
    two = contrasts.contrast(engine, *patching.EXAMPLE)
    groups = [[f"{word} {sentence}" for sentence in examples.texts[:60]] for word in ("Yes:", "No:")]

    def read(stop: threading.Event) -> object:
        return list(experiment.read(engine, examples, "mean", stop))

    def read_to_the_end() -> object:
        reading = experiment.read(engine, examples, "mean")
        while True:
            try:
                next(reading)
            except StopIteration as end:
                return end.value

    ids, sampling = engine.encode(text), Sampling(max_new_tokens=500, temperature=0.0, seed=0)
    head, neuron = ablation.Target("head", 23, 4), ablation.Target("neuron", 12, 778)
    towards = steering.direction(engine, steering.EXAMPLE["positive"], steering.EXAMPLE["negative"], 10, "mean")

    def write(stop: threading.Event, *taps) -> object:
        return list(edited.at_once(engine, ids, sampling, (None, *taps), stop))

    def steer(stop: threading.Event) -> object:
        return write(stop, *(steering.tap(engine, way, -2.0) for way in (towards, steering.at_random(towards))))

    def without_neuron(stop: threading.Event) -> object:
        ablation.ablate(engine, text, [neuron], "mean", stop=stop)
        return write(stop, ablation.tap(engine, [neuron], "mean", stop=stop))

    vectors = read_to_the_end()
    return {
        "probing: reading": read,
        "probing: probes": lambda stop: list(experiment.probe(vectors, experiment.Settings(), stop)),
        "patching, residual": lambda stop: patching.patch(engine, two, stop=stop),
        "patching, heads": lambda stop: patching.patch(engine, two, site="head", stop=stop),
        "patching: proposals": lambda stop: contrasts.propose(engine, text + patching.EXAMPLE[0], stop=stop),
        "ablation: writing": lambda stop: write(stop, ablation.tap(engine, [head], stop=stop)),
        "ablation: a word made noise": lambda stop: random_vectors.replace_at_random(
            engine, text, "dog", 5, draws=100, stop=stop
        ),
        "ablation of every head": lambda stop: sweep.sweep(engine, text[:400], stop=stop),
        "ablation of every layer": lambda stop: sweep.sweep_layers(engine, text, stop=stop),
        "steering: prompts": lambda stop: steering.direction(engine, *groups, 10, "mean", stop=stop),
        "steering: writing": steer,
        "neurons: taken out": without_neuron,
        "neurons: two groups": lambda stop: neuron_groups.difference(engine, *groups, stop=stop),
        "neurons: a corpus": lambda stop: neurons.most_active(
            engine, neurons.Unit("neuron", 12, 778), [text] * 50, stop=stop
        ),
        "logit lens": lambda stop: lens.lens(engine, text, stop=stop),
        "attribution": lambda stop: attribution.attribute(engine, text[:800], stop=stop),
        "coreference": lambda stop: coreference.coreference(engine, stop=stop),
    }


def ending(work: Work, after: float) -> float | None:
    """Seconds from the word to the end; None: it was over before."""
    stop, over = threading.Event(), []

    def run() -> None:
        try:
            work(stop)
        except Exception:  # most work says by an error that it was stopped
            if not stop.is_set():
                raise
        over.append(time.perf_counter())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(after)
    told = time.perf_counter()
    if not thread.is_alive():
        return None
    stop.set()
    thread.join()
    return over[0] - told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=float, nargs="+", default=[0.3, 0.5, 0.8, 1.1, 1.7, 2.3])
    options = parser.parse_args()

    from playground.models.cache import ModelCache
    from playground.settings import Settings

    settings = Settings(offline=True)
    models, slowest, of_internals = ModelCache(settings), 0.0, 0.0
    with models.lease(settings.default_models[0]) as engine:
        for name, work in everything(engine).items():
            found = [seconds for after in options.moments if (seconds := ending(work, after)) is not None]
            if not found:
                print(f"{name:28s} was over before each moment", flush=True)
                continue
            slowest = max(slowest, *found)
            of_internals = of_internals if name in OF_ATTENTION else max(of_internals, *found)
            middle = statistics.median(found)
            print(f"{name:28s} {middle:6.2f} s (to {max(found):.2f}; {len(found)} times)", flush=True)
    print(f"\nThe slowest ended {slowest:.2f} s after Stop.")
    print(f"The slowest of Internals ended {of_internals:.2f} s after Stop (allowed: {ALLOWED:g} s).")
    sys.exit(int(of_internals > ALLOWED))


if __name__ == "__main__":
    main()
