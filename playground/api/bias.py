"""Endpoints of the Bias tab: blanks, pairs, associations, continuations. They compute nothing and draw nothing."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import gradio as gr

from playground.errors import PlaygroundError
from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.kit import model_work, user_errors


def add(models: ModelCache, settings: Settings) -> None:
    """Declares the endpoints; call it inside `gr.Blocks`."""

    def bias_fill(
        template: str,
        model: str = settings.default_models[0],
        k: int = 10,
        candidates: list[str] | None = None,
    ) -> dict:
        """What fills the one [MASK] of a sentence: the most probable words, or how probable each candidate is.

        Args:
            template: a sentence with [MASK] once.
            model: a reference from /models, or any hub id that the operator allows; masked, or one that writes.
            k: words to list when no candidates are given.
            candidates: words to compare. A model that reads from left to right scores the whole sentence with each.

        Returns:
            words, a list of objects with text, tokens, logprob (nats; of the whole sentence for causal models) and
            probability; ideal; limits (what it does not show); model, revision, precision.
        """
        with user_errors():
            from playground.labs.bias import fill as lab
            from playground.labs.bias import sections

            _check_text("template", template)
            with models.lease(model) as engine:
                found = lab.fill(engine, template, k, _words("candidates", candidates or []))
            words = [
                {"text": w.text, "tokens": w.pieces, "logprob": w.logprob, "probability": w.probability}
                for w in found.words
            ]
            return {"words": words} | _source(sections.of_fill(found))

    def bias_pairs(
        pairs: list[dict],
        model: str = settings.default_models[0],
        dialect: str | None = None,
    ) -> dict:
        """Which of two sentences a model prefers, over many pairs; streamed. 50 % is the ideal.

        At most 5,000 pairs. Closing the stream ends the computation.

        Args:
            pairs: objects with first and second (sentences) and perhaps category.
            model: a reference from /models, or any hub id that the operator allows.
            dialect: "original" or "bias-bench" for masked models, "lm-eval" or "bias-bench" for causal ones; None: the
                usual one. Scores of different dialects do not compare.

        Returns:
            done (0 to 1); doing; result: null until the last object, then dialect, definition, shares (all, then by
            category: category, n, first, ties, share, low, high, mean, mean_low, mean_high, mean_absolute), pairs
            (objects with number, first and second (their scores), difference, preferred, skipped), says, limits, model,
            revision, precision.
        """
        with user_errors():
            from playground.labs.bias import measure as lab
            from playground.labs.bias import sections

            asked = _pairs(pairs)
            if dialect is not None:
                _check_text("dialect", dialect)
            stop = threading.Event()
            with models.lease(model) as engine:
                found = yield from _told(lambda report: lab.measure(engine, asked, dialect, None, report, stop), stop)
            section = sections.of_pairs(found)
            yield _state(1.0, "Done", _measured(found) | {"says": section.says} | _source(section))

    def bias_association(
        x: list[str],
        y: list[str],
        a: list[str],
        b: list[str],
        model: str = settings.default_models[0],
        layer: int | None = None,
        template: str = "This is {word}.",
        ddof: int = 1,
        seed: int = 0,
    ) -> dict:
        """Whether words X lie nearer to attributes A, and Y nearer to B: WEAT, or SEAT on sentences.

        Args:
            x: target words.
            y: as many other target words.
            a: attributes.
            b: other attributes.
            model: a reference from /models, or any hub id that the operator allows.
            layer: after which sentences with the words are read (SEAT); None: input embeddings (WEAT).
            template: that sentence, with {word}.
            ddof: 1 (as sent-bias) or 0 (as WEFE), of the standard deviation.
            seed: of the sampled partitions, where there are too many to try all.

        Returns:
            effect (standard deviations), p_value (one-sided), partitions, exact; x and y: the association of each word;
            says; limits; model, revision, precision.
        """
        with user_errors():
            from playground.labs.bias import associations as lab
            from playground.labs.bias import sections

            sets = [_words(name, words) for name, words in zip("xyab", (x, y, a, b), strict=True)]
            _check_text("template", template)
            _check_whole("seed", seed)
            with models.lease(model) as engine:
                found = lab.weat(engine, ["X", "Y", "A", "B"], sets, layer, template, ddof, seed)
            one, section = found.found, sections.of_weat(found)
            return {
                "effect": one.effect,
                "p_value": one.p_value,
                "partitions": one.partitions,
                "exact": one.exact,
                "x": dict(zip(found.words[0], one.x.tolist(), strict=True)),
                "y": dict(zip(found.words[1], one.y.tolist(), strict=True)),
                "says": section.says,
            } | _source(section)

    def bias_generation(
        prompts: list[str],
        groups: list[str],
        n: int = 10,
        model: str = settings.default_models[0],
        max_new_tokens: int = 20,
        temperature: float = 1.0,
        seed: int = 0,
        as_chat: bool = False,
    ) -> dict:
        """Continues prompts with each group in them and compares sentiment, length and refusals; streamed.

        Args:
            prompts: texts with {group}.
            groups: two or more; the first is what others are compared with.
            n: continuations of each prompt for each group; at most 2,000 in all.
            model: a reference from /models, or any hub id that the operator allows.
            max_new_tokens: most tokens of each.
            temperature: of drawing.
            seed: the i-th text of every group is drawn with the same.
            as_chat: give the prompt as a message instead of a text to continue.

        Returns:
            done (0 to 1); doing; result: null until the last object, then texts (group, prompt, text, sentiment,
            length, refused, seed), means (by group and measure: value, low, high), differences (measure, group,
            against, value, low, high), words (of the first two groups: word, first, second, delta, low, high,
            adjusted), says, limits, model, revision, precision.
        """
        with user_errors():
            from playground.engine.sampling import Sampling
            from playground.labs.bias import continuations as lab
            from playground.labs.bias import sections

            asked = _words("prompts", prompts), _words("groups", groups)
            _check_whole("seed", seed)
            sampling = Sampling(max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)
            found = None
            with (
                models.lease(model) as engine,
                closing(lab.write(engine, *asked, n, sampling, bool(as_chat))) as states,
            ):
                for found in states:
                    yield _state(len(found.texts) / found.total, f"{len(found.texts)} of {found.total} texts")
            section = sections.of_generation(found)
            yield _state(1.0, "Done", _written(found) | {"says": section.says} | _source(section))

    gr.api(bias_fill, api_name="bias_fill", **model_work(settings))
    gr.api(bias_pairs, api_name="bias_pairs", **model_work(settings))
    gr.api(bias_association, api_name="bias_association", **model_work(settings))
    gr.api(bias_generation, api_name="bias_generation", **model_work(settings))


def _told(work: Callable, stop: threading.Event) -> Iterator[dict]:
    """Runs `work` in a thread, yields how far it is, and returns its result; waits for it when nobody listens."""
    news: queue.SimpleQueue = queue.SimpleQueue()

    def run() -> None:
        try:
            news.put(("done", work(lambda done, doing: news.put(("news", (done, doing))))))
        except BaseException as error:  # it must reach the caller, whatever it is
            news.put(("failed", error))

    worker = threading.Thread(target=run, name="bias", daemon=True)
    worker.start()
    try:
        while True:
            kind, what = news.get()
            if kind == "failed":
                raise what
            if kind == "done":
                return what
            yield _state(*what)
    finally:
        stop.set()
        worker.join()  # so that a lease is never given back while the model still runs


def _state(done: float | None, doing: str, result: dict | None = None) -> dict:
    return {"done": round(done or 0.0, 4), "doing": doing, "result": result}


def _measured(found) -> dict:
    from dataclasses import asdict

    shares = [
        {name: _finite(value) for name, value in asdict(one).items()} | {"share": _finite(one.share)}
        for one in found.shares
    ]
    pairs = [
        {
            "number": number,
            "first": _finite(one.first.score),
            "second": _finite(one.second.score),
            "difference": _finite(one.difference),
            "preferred": one.preferred,
            "skipped": one.skipped,
        }
        for number, one in sorted(found.scored.items())
    ]
    return {"dialect": found.dialect, "definition": found.definition, "shares": shares, "pairs": pairs}


def _written(found) -> dict:
    from dataclasses import asdict

    from playground.labs.bias import continuations, word_choice

    def mean(one) -> dict:
        return {name: _finite(value) for name, value in asdict(one).items()}

    words = []
    if all(any(word_choice.words_of(t.text) for t in found.of(group)) for group in found.groups[:2]):
        sides = [[text.text for text in found.of(group)] for group in found.groups[:2]]
        words = [asdict(one) for one in word_choice.compare(*sides)[:50]]
    return {
        "texts": [{name: value for name, value in asdict(text).items() if name != "template"} for text in found.texts],
        "means": {
            group: {measure: mean(found.mean(group, measure)) for measure in continuations.MEASURES}
            for group in found.groups
        },
        "differences": [
            {"measure": one.measure, "group": one.group, "against": one.against} | mean(one.mean)
            for one in found.differences()
        ],
        "words": words,
    }


def _finite(value: object) -> object:
    return None if isinstance(value, float) and value != value else value


def _source(section) -> dict:
    made = section.provenance
    return {"ideal": section.ideal, "limits": list(section.limits)} | {
        name: made[name] for name in ("model", "revision", "precision")
    }


def _pairs(given: object) -> tuple:
    """The pairs. Raises PlaygroundError when one cannot be read."""
    from playground.labs.bias.pairs import Pair, checked

    if not isinstance(given, list):
        raise PlaygroundError('pairs must be a list of objects with "first" and "second".')
    found = []
    for number, row in enumerate(given, 1):
        if not isinstance(row, dict) or not all(isinstance(row.get(name), str) for name in ("first", "second")):
            raise PlaygroundError(
                f'Pair {number} cannot be read. Each is an object with "first" and "second", both text, and perhaps '
                '"category".'
            )
        found.append(Pair(row["first"], row["second"], str(row.get("category") or "")))
    return checked(found)


def _words(name: str, given: object) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(word, str) for word in given):
        raise PlaygroundError(f'{name} must be a list of texts, like ["he", "she"].')
    return given


def _check_text(name: str, given: object) -> None:
    if not isinstance(given, str):
        raise PlaygroundError(f"{name} is {given!r}; it must be a text.")


def _check_whole(name: str, given: object) -> None:
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < 2**31:
        raise PlaygroundError(f"{name} is {given!r}; it must be a whole number from 0.")
