"""The endpoint that measures a search: questions in, recall, MRR and nDCG of every setting out.

It streams how far it is; the last object holds the result. Closing the stream ends the computation.
"""

from collections.abc import Iterator
from contextlib import closing

import gradio as gr

from playground.errors import PlaygroundError
from playground.labs.retrieval import library, shipped
from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.kit import model_work, user_errors

MOST_QUESTIONS = 2_000
MOST_SETTINGS = 20
_NAMES = ("method", "fusion", "weight", "rrf_k", "candidates", "mmr")


def add(models: ModelCache, settings: Settings) -> None:
    """Declares the endpoint; call it inside `gr.Blocks`."""
    shelves = library.of(settings)

    def search_evaluate(
        questions: list[dict] | None = None,
        collection: str = shipped.ADDRESS,
        grid: list[dict] | None = None,
        threshold: float | None = None,
        key: str = "",
        model: str = "",
        n_answers: int = 12,
    ) -> dict:
        """How well each setting of a search finds what answers some questions, with intervals; streamed.

        At most 2,000 questions and 20 settings a call.

        Args:
            questions: objects with question, and document and passage (words of it) that answer it; without a passage
                the whole document does, without a document nothing. None: the 60 that come with the shipped collection.
            collection: an address from /collections.
            grid: settings to compare: objects with method, fusion, weight, rrf_k, candidates or mmr, as in /search, and
                perhaps name. None: BM25, dense, and hybrid in three ways.
            threshold: confidence below which a question counts as refused; None: the default.
            key: of your own collections.
            model: whoever answers the questions too, under every setting: a reference from /models. None answers if
                empty.
            n_answers: how many of the questions it answers, evenly over their order.

        Returns:
            fraction done, doing (in words) and result, null until the last object: questions, measured (those with a
            passage), settings (name, how, measures with mean and 95 % interval low and high, by_kind, ranks by
            question), confidences, refusal (refused of n_unanswerable, falsely of n_answerable), notes, provenance;
            with a model also answers, a setting each: accuracy (right of the answerable), accuracy_given (where the
            passage was found), citation_precision (citing sentences that their passage supports), citation_source
            (whose passage has the answer), refused, falsely_refused, each with an interval, and every answer.
        """
        with user_errors():
            from playground.labs.retrieval import answering, asking, evaluation, graded, report
            from playground.labs.retrieval import questions as asked

            found = _questions(questions) if questions is not None else asked.shipped()
            compared = _grid(grid) if grid is not None else evaluation.grid()
            limit = answering.THRESHOLD if threshold is None else _number(threshold)
            some = asked.spread(found, n_answers) if model else ()
            shelves.embedding(collection, key)
            if model:  # whether it is there and writes is said before anything is computed
                yield {"fraction": 0.0, "doing": f"Getting {model} ready", "result": None}
                with models.writer(model) as writer:
                    asking.strategy(writer)
            yield from _ready(shelves, models, collection, key)
            kept = shelves.open(collection, key)
            with (
                models.lease(kept.reference) as encoder,
                closing(evaluation.run(kept, found, encoder, compared)) as running,
            ):
                share = 0.2 if model else 1.0  # of the way; answers take longer than searches
                for news in running:
                    result = report.plain(news.result, limit) if news.result else None
                    yield {"fraction": share * news.fraction, "doing": news.doing, "result": None if model else result}
                if model:
                    answered_by = asked.key(found, {each.name: kept.text(each.name) for each in kept.documents})
                    wanted = answering.Wanted(limit, attribution=False)
                    with (
                        models.writer(model) as writer,
                        closing(graded.run(writer, encoder, kept, some, answered_by, compared, wanted)) as answers,
                    ):
                        for grades in answers:
                            done = len(grades[0].rows) / len(some)
                            last = result | {"answers": report.graded(grades)} if done == 1 else None
                            yield {"fraction": share + (1 - share) * done, "doing": "Answering", "result": last}

    gr.api(search_evaluate, api_name="search_evaluate", **model_work(settings))


def _ready(shelves: library.Library, models: ModelCache, collection: str, key: str) -> Iterator[dict]:
    """Indexes the shipped collection, or the rest of it, if nobody has yet."""
    from playground.labs.retrieval import indexing

    if shelves.is_ready(collection):
        return
    with (
        models.lease(shelves.embedding(collection, key)) as encoder,
        closing(indexing.add(shelves.shipped(), shipped.sources(), encoder, wait=True)) as adding,
    ):
        for now in adding:
            yield {"fraction": 0.0, "doing": now.doing, "result": None}


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise PlaygroundError(f"threshold is {value!r}; it must be a number from 0 to 1.")
    return float(value)


def _questions(rows: object) -> tuple:
    from playground.labs.retrieval import questions

    if not isinstance(rows, list) or len(rows) > MOST_QUESTIONS:
        raise PlaygroundError(f"questions must be a list of at most {MOST_QUESTIONS:,} objects.")
    return questions.checked([questions.of(row, f"Question {at}", str(at)) for at, row in enumerate(rows, 1)])


def _grid(rows: object) -> list:
    from playground.labs.retrieval.evaluation import Setting
    from playground.labs.retrieval.search import How

    if not isinstance(rows, list) or not 1 <= len(rows) <= MOST_SETTINGS:
        raise PlaygroundError(f"grid must be a list of 1 to {MOST_SETTINGS} objects.")
    found = []
    for at, row in enumerate(rows, 1):
        unknown = [name for name in row if name not in (*_NAMES, "name")] if isinstance(row, dict) else [str(row)[:40]]
        if unknown:
            raise PlaygroundError(f"Setting {at} has “{unknown[0]}”; it can have name, {', '.join(_NAMES)}.")
        how = How(**{name: row[name] for name in _NAMES if name in row})
        found.append(Setting(str(row.get("name") or f"setting {at}"), how))
    return found
