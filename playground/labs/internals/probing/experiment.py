"""A probing: every layer's vectors are read, a probe is trained on each, and what it says is held against controls.

It does not know the page. Both halves are generators that tell how far they are, heed a stop within a fit or a block,
and keep what was done until then.
"""

import dataclasses
import importlib.metadata
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from playground.arrays import Bools, Floats, Ints
from playground.engine import provenance
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.errors import PlaygroundError
from playground.labs.internals.probing import classifiers, controls, features, folds, intervals, mdl, projection
from playground.labs.internals.probing.classifiers import Kind, Probe
from playground.labs.internals.probing.examples import Examples, sample
from playground.labs.internals.probing.features import Cache, Pooling, Stopped


@dataclass(frozen=True)
class Settings:
    pooling: Pooling = "mean"
    probe: Kind = "linear"
    layers: tuple[int, ...] | None = None  # 0: what goes into the first block; None: every layer
    seed: int = 0


@dataclass(frozen=True)
class News:
    """How far the work is."""

    done: float  # 0 to 1, of this half of the work
    doing: str
    seconds_left: float | None = None  # None: too early to tell


@dataclass(frozen=True, eq=False)
class Vectors:
    """What a model makes of the texts."""

    values: Floats  # (layer, text, hidden), float32
    examples: Examples  # those that were read: fewer than given when they would not fit
    pooling: Pooling
    kind: str  # of the model, as in its anatomy: "causal" reads from left to right
    is_recurrent: bool
    provenance: Provenance


@dataclass(frozen=True)
class Score:
    """A share of right answers with its 95 % interval."""

    accuracy: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Probing:
    """What was found, so far. "Layer" is an axis over `layers`, "class" one over `examples.classes`."""

    examples: Examples
    settings: Settings
    layers: tuple[int, ...]  # those that are done, ascending
    wanted: tuple[int, ...]  # those that were asked for
    accuracy: Floats  # (layer,), share of texts told rightly when they were in the test part
    low: Floats  # (layer,), lower end of the 95 % interval of the accuracy
    high: Floats  # (layer,)
    fold_accuracy: Floats  # (layer, fold)
    above: Bools  # (layer,), bool: better than `rival` by more than 1.96 standard errors of the difference
    task_apart: Floats  # (layer,), accuracy at the task in folds that do not keep items together
    control: Floats  # (layer,), accuracy at the control task in those same folds
    selectivity: Floats  # (layer,), task_apart - control
    bits: Floats  # (layer,), length of the online code of all labels
    compression: Floats  # (layer,), length of the uniform code over `bits`; 1: nothing was learned
    said: Ints  # (layer, text), number of the class that each text was taken for when it was in the test part
    folds: Ints  # (text,), in which fold's test part it is
    confusion: Ints  # (layer, true class, said class), numbers of texts
    points: Floats  # (layer, text, 2), principal components
    explained: Floats  # (layer, 2), share of the variance
    strength: Floats  # (layer, fold), C of the linear probe
    majority: Score
    words: Score  # a linear probe on the bag of words, same folds
    rival: str  # "words", "majority" or "guessing": whichever does best without the model
    rival_accuracy: float
    best: int  # the layer with the highest accuracy; the lowest such
    best_unseen: float  # accuracy when each fold is told by the layer that does best in the other folds
    together: bool  # whether folds keep texts with the same item together
    kind: str  # of the model, as in its anatomy
    is_recurrent: bool
    provenance: Provenance

    @property
    def complete(self) -> bool:
        return self.layers == self.wanted

    def at(self, layer: int) -> int:
        """Where a layer stands on the layer axis."""
        return self.layers.index(layer)


@dataclass(frozen=True, eq=False)
class _Layer:
    """One layer's part of a `Probing`."""

    said: Ints  # (text,), class numbers
    strengths: list[float]  # (fold,)
    task_apart: float
    control: float
    bits: float
    points: Floats
    explained: Floats


def read(
    engine: Engine,
    examples: Examples,
    pooling: Pooling,
    stop: threading.Event | None = None,
    cache: Cache | None = None,
) -> Generator[News, None, Vectors]:
    """The vectors of all layers, from one forward pass a batch; from the cache when they are there.

    Raises:
        PlaygroundError: the model cannot read the texts, or there is no such pooling.
        Stopped: `stop` was set.
    """
    if pooling not in features.POOLINGS:
        raise PlaygroundError(f"There is no pooling {pooling!r}. There are: {', '.join(features.POOLINGS)}.")
    if len(examples) > features.n_fitting(engine):
        examples = sample(examples, features.n_fitting(engine))
    started = time.perf_counter()
    key = features.key(engine, examples, pooling)
    values = None if cache is None else cache.get(key)
    if values is None:
        reading = features.pooled(engine, examples, pooling, stop)
        yield News(0.0, f"Reading {len(examples):,} texts")
        while True:
            try:
                done = next(reading)
            except StopIteration as end:
                values = end.value
                break
            left = (time.perf_counter() - started) / done * (len(examples) - done)
            yield News(done / len(examples), f"Read {done:,} of {len(examples):,} texts", left)
        if cache is not None:
            cache.put(key, values)
    return Vectors(
        values,
        examples,
        pooling,
        engine.anatomy.kind,
        engine.anatomy.is_recurrent,
        provenance.of(engine, {}, time.perf_counter() - started),
    )


def probe(
    vectors: Vectors, settings: Settings, stop: threading.Event | None = None
) -> Generator[tuple[News, Probing | None], None, Probing]:
    """Probes layer by layer, ends and middle first, and yields what is known so far after each; returns the whole.

    When `stop` is set it returns what was done until then: not `complete`.

    Raises:
        PlaygroundError: there is no such layer or probe.
    """
    work = _Work(vectors, settings, stop or threading.Event())
    started = time.perf_counter()
    done: dict[int, _Layer] = {}
    yield News(0.0, "Telling by the words alone, for comparison"), None
    try:
        baselines = work.baselines()
        for number, layer in enumerate(spread(work.wanted)):
            each = (time.perf_counter() - started) / number if number else None
            left = None if each is None else each * (len(work.wanted) - number)
            result = work.result(done, baselines, started) if done else None
            yield News(number / len(work.wanted), f"Probing layer {layer}", left), result
            done[layer] = work.layer(layer)
    except Stopped:
        if not done:
            raise
    return work.result(done, baselines, started)


def spread(layers: tuple[int, ...]) -> Iterator[int]:
    """The layers in an order that shows the whole curve early: the ends, then the middle of what is between."""
    gaps = [(0, len(layers) - 1)]
    if len(layers) > 1:
        yield layers[-1]
    yield layers[0]
    while gaps:
        low, high = gaps.pop(0)
        if high - low > 1:
            middle = (low + high) // 2
            yield layers[middle]
            gaps += [(low, middle), (middle, high)]


class _Work:
    """All that stays the same from layer to layer."""

    def __init__(self, vectors: Vectors, settings: Settings, stop: threading.Event) -> None:
        n_layers = len(vectors.values)
        if settings.probe not in classifiers.KINDS:
            raise PlaygroundError(f"There is no probe {settings.probe!r}. There are: {', '.join(classifiers.KINDS)}.")
        wanted = tuple(range(n_layers)) if settings.layers is None else tuple(sorted(set(settings.layers)))
        for layer in wanted:
            if not 0 <= layer < n_layers:
                raise PlaygroundError(f"There is no layer {layer}. This model has layers 0 to {n_layers - 1}.")
        if not wanted:
            raise PlaygroundError(f"No layer was asked for. Name some of 0 to {n_layers - 1}.")
        self.vectors, self.settings, self.stop, self.wanted = vectors, settings, stop, wanted
        self.examples, seed = vectors.examples, settings.seed
        self.classes = self.examples.classes
        self.labels = np.array([self.classes.index(label) for label in self.examples.labels])
        self.items = np.unique(np.array(self.examples.items, dtype=object).astype(str), return_inverse=True)[1]
        self.together = self.examples.repeats and folds.can_keep_together(self.labels, self.items)
        self.kept = self.items if self.together else None
        self.parts = folds.splits(self.labels, self.kept, seed=seed)
        self.control = controls.control_labels(self.labels, self.items, seed)
        self.apart = folds.for_two(self.labels, self.control, seed=seed) if self.together else self.parts
        self.sequence = mdl.order(self.items, seed)
        self.inner = [
            classifiers.inner_folds(self.labels[train], None if self.kept is None else self.kept[train], seed)
            for train, _ in self.parts
        ]
        self.sent = mdl.inner_folds(self.labels, self.kept, self.sequence, len(self.classes), seed)

    def go_on(self) -> None:
        if self.stop.is_set():
            raise Stopped

    def baselines(self) -> dict[str, Floats]:
        """Right or wrong, or how probably right, text by text, (text,), of what does without the model."""
        self.go_on()
        with threadpool_limits(1, user_api="blas"):
            words = controls.words_alone(self.examples, self.labels, self.parts)
        self.go_on()
        return {
            "words": (words == self.labels).astype(float),
            "majority": (controls.majority(self.labels, self.parts) == self.labels).astype(float),
            "guessing": np.full(len(self.labels), 1 / len(self.classes)),
        }

    def layer(self, layer: int) -> _Layer:
        # one thread: matrices this small take many times longer on several
        with threadpool_limits(1, user_api="blas"):
            return self._layer(self.vectors.values[layer])

    def _layer(self, values: Floats) -> _Layer:
        kind, seed = self.settings.probe, self.settings.seed
        said, strengths = np.empty_like(self.labels), []
        for (train, test), inner in zip(self.parts, self.inner, strict=True):
            self.go_on()
            fold = classifiers.chosen(kind, values[train], self.labels[train], inner, go_on=self.go_on)
            self.go_on()
            strengths.append(fold.strength)
            said[test] = fold.fit(values[train], self.labels[train], seed).predict(values[test])
        same = Probe(kind, float(np.median(strengths)))
        bits = 0.0
        predict = mdl.of_probe(kind, values, self.labels, self.sent, len(self.classes), seed, self.go_on)
        task_apart = self._accuracy(same, values, self.labels) if self.together else float((said == self.labels).mean())
        control = self._accuracy(same, values, self.control)
        for block in mdl.codelength(self.labels, self.sequence, len(self.classes), predict):
            self.go_on()
            bits += block
        points, explained = projection.plane(values)
        return _Layer(said, strengths, task_apart, control, bits, points, explained)

    def _accuracy(self, same: Probe, values: Floats, labels: Ints) -> float:
        """Accuracy at some labels in folds that do not keep items together."""
        right = 0
        for train, test in self.apart:
            self.go_on()
            if len(np.unique(labels[train])) == 1:
                right += (labels[test] == labels[train][0]).sum()
                continue
            said = same.fit(values[train], labels[train], self.settings.seed).predict(values[test])
            right += (said == labels[test]).sum()
        return float(right / len(labels))

    def result(self, done: dict[int, _Layer], baselines: dict[str, Floats], started: float) -> Probing:
        layers = tuple(sorted(done))
        results = [done[layer] for layer in layers]
        right = np.array([result.said == self.labels for result in results])  # (layer, text)
        accuracy = right.mean(axis=1)
        bounds = np.array([intervals.interval(row, self.items) for row in right])
        by_fold = np.array([[row[test].mean() for _, test in self.parts] for row in right])
        rival = max(baselines, key=lambda name: baselines[name].mean())
        above = [intervals.exceeds(row, baselines[rival], self.items) for row in right]
        task_apart = np.array([result.task_apart for result in results])
        control = np.array([result.control for result in results])
        bits = np.array([result.bits for result in results])
        k = len(self.classes)
        return Probing(
            examples=self.examples,
            settings=self.settings,
            layers=layers,
            wanted=self.wanted,
            accuracy=accuracy,
            low=bounds[:, 0],
            high=bounds[:, 1],
            fold_accuracy=by_fold,
            above=np.array(above),
            task_apart=task_apart,
            control=control,
            selectivity=task_apart - control,
            bits=bits,
            compression=mdl.uniform(len(self.labels), k) / np.maximum(bits, 1e-9),
            said=np.array([result.said for result in results]),
            folds=self._folds(),
            confusion=np.array([np.bincount(self.labels * k + r.said, minlength=k * k).reshape(k, k) for r in results]),
            points=projection.alike([result.points for result in results]),
            explained=np.array([result.explained for result in results]),
            strength=np.array([result.strengths for result in results]),
            majority=self._score(baselines["majority"]),
            words=self._score(baselines["words"]),
            rival=rival,
            rival_accuracy=float(baselines[rival].mean()),
            best=layers[int(accuracy.argmax())],
            best_unseen=self._best_unseen(right),
            together=self.together,
            kind=self.vectors.kind,
            is_recurrent=self.vectors.is_recurrent,
            provenance=self._provenance(started),
        )

    def _folds(self) -> Ints:
        numbers = np.empty(len(self.labels), int)
        for fold, (_, test) in enumerate(self.parts):
            numbers[test] = fold
        return numbers

    def _score(self, right: Floats) -> Score:
        return Score(float(right.mean()), *intervals.interval(right, self.items))

    def _best_unseen(self, right: Bools) -> float:
        """Accuracy when each fold is told by the layer that does best in the others: no layer is picked by its own."""
        n_right = 0
        for _, test in self.parts:
            elsewhere = np.ones(right.shape[1], bool)
            elsewhere[test] = False
            n_right += right[right[:, elsewhere].mean(axis=1).argmax(), test].sum()
        return float(n_right / right.shape[1])

    def _provenance(self, started: float) -> Provenance:
        told = dataclasses.asdict(self.settings) | {
            "task": self.examples.name,
            "texts": len(self.examples),
            "folds": len(self.parts),
            "items kept together": self.together,
        }
        versions = self.vectors.provenance.versions | {"scikit-learn": importlib.metadata.version("scikit-learn")}
        seconds = (self.vectors.provenance.seconds or 0) + time.perf_counter() - started
        return dataclasses.replace(self.vectors.provenance, settings=told, versions=versions, seconds=seconds)
