"""The endpoint that probes: labelled texts in, accuracy by layer with its controls out.

It streams how far it is; the last object holds the result. Closing the stream ends the computation.
"""

import threading
from collections.abc import Iterator

import gradio as gr

from playground.errors import PlaygroundError
from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.kit import model_work, user_errors


def add(models: ModelCache, settings: Settings) -> None:
    """Declares the endpoint; call it inside `gr.Blocks`."""

    def probe(
        task: str = "tense",
        rows: list[dict] | None = None,
        model: str = settings.default_models[0],
        pooling: str = "mean",
        probe: str = "linear",
        layers: list[int] | None = None,
        seed: int = 0,
        every_text: bool = False,
    ) -> dict:
        """What a simple classifier reads off each layer of a model, with baselines, control task and code length.

        Args:
            task: one that ships: tense, sentence_length, subject_number, word_order, sentiment, part_of_speech,
                named_entity or topic. Of no use when `rows` are given.
            rows: labelled texts of your own: objects with "text", "label" and, when the label is about a word of the
                text, "word".
            model: a reference from /models, or any hub id that the operator allows.
            pooling: "first", "mean" or "last" token of each text, or the pieces of its "word".
            probe: "linear" or "mlp".
            layers: which to probe; 0 is what goes into the first block. None: all.
            seed: of the folds, the control labels and the order of the code.
            every_text: also what each text was taken for, its fold, and its place in two dimensions.

        Returns:
            done: 0 to 1; doing; seconds_left; result: null until the last object, then layers, classes, best,
            best_unseen, words and majority (accuracy, low, high), rival, rival_accuracy, and arrays, each with its axes
            and values: accuracy, low, high, above, control, selectivity, bits, compression (layer), fold_accuracy
            (layer, fold), confusion (layer, true class, said class) and others; provenance.
        """
        with user_errors():
            from playground.labs.internals.probing import experiment, plain, tasks
            from playground.labs.internals.probing.experiment import News

            _check_numbers(layers, seed)
            examples = tasks.examples(tasks.named(task)) if rows is None else _examples(rows)
            wanted = experiment.Settings(pooling, probe, None if layers is None else tuple(layers), seed)
            stop = threading.Event()
            try:
                with models.lease(model) as engine:
                    vectors = yield from _told(experiment.read(engine, examples, pooling, stop))
                news, work = News(0.0, ""), experiment.probe(vectors, wanted, stop)
                while True:
                    try:
                        news, _ = next(work)
                    except StopIteration as end:
                        result = plain.as_dict(end.value, every_text)
                        break
                    yield _state(News((1 + news.done) / 2, news.doing, news.seconds_left))
                yield _state(News(1.0, "Done", 0.0), result)
            finally:
                stop.set()

    gr.api(probe, api_name="probe", **model_work(settings))


def _check_numbers(layers: object, seed: object) -> None:
    """Raises PlaygroundError when one is not what a layer or a seed can be."""

    def whole(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    if layers is not None and not (isinstance(layers, list) and all(map(whole, layers))):
        raise PlaygroundError(f"layers is {layers!r}; it must be a list of whole numbers, like [0, 3, 6].")
    if not whole(seed) or not 0 <= seed < 2**31:
        raise PlaygroundError(f"seed is {seed!r}; it must be a whole number from 0 to {2**31 - 1:,}.")


def _examples(rows: list[dict]):
    """The rows as examples. Raises PlaygroundError when they cannot be probed."""
    from playground.labs.internals.probing.examples import checked

    if not isinstance(rows, list):
        raise PlaygroundError('rows must be a list of objects with "text" and "label".')
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or not all(isinstance(row.get(name), str) for name in ("text", "label")):
            raise PlaygroundError(
                f'Row {number} cannot be read. Each row is an object with "text" and "label", both text, and perhaps '
                '"word".'
            )
    about_words = any(row.get("word") for row in rows)
    words = [str(row.get("word") or "") for row in rows] if about_words else None
    return checked([row["text"] for row in rows], [row["label"] for row in rows], words)


def _told(reading) -> Iterator[dict]:
    """Passes on how far the reading is, as the first half of the work; returns what it returns."""
    from playground.labs.internals.probing.experiment import News

    while True:
        try:
            news = next(reading)
        except StopIteration as end:
            return end.value
        yield _state(News(news.done / 2, news.doing, None))


def _state(news, result: dict | None = None) -> dict:
    return {"done": round(news.done, 4), "doing": news.doing, "seconds_left": news.seconds_left, "result": result}
