"""Endpoints of the Prompt lab: prompts on a table of rows, scored and compared; a text labelled without writing."""

import json
from collections.abc import Iterator
from contextlib import closing

import gradio as gr

from playground.errors import PlaygroundError
from playground.models.cache import ModelCache
from playground.settings import Settings
from playground.tabs.kit import model_work, user_errors

MOST_CELLS = 2_000  # of one call: prompts x rows x samples
MOST_PROMPTS = 20
MOST_CHARACTERS = 2_000_000  # of prompts and rows together
RUN_SETTINGS = {  # and what each is when it is left out
    "max_new_tokens": 64,
    "temperature": 0.0,
    "top_p": 1.0,
    "top_k": 0,
    "repetition_penalty": 1.0,
    "stop": [],
    "seed": 0,
    "samples": 1,
    "by": "sum",
    "content_free": "",
}


def add(models: ModelCache, page_settings: Settings) -> None:
    """Declares the endpoints; call it inside `gr.Blocks`."""

    def prompt_run(
        prompts: list[dict],
        rows: list[dict],
        model: str = page_settings.default_models[0],
        settings: dict | None = None,
        scorer: dict | None = None,
    ) -> dict:
        """Runs prompts on the rows of a table and says which is better, and whether that is luck; streamed.

        At most 20 prompts, 2,000 cells (prompts x rows x samples) and 2,000,000 characters a call. A row that fails is
        given with its error, and the rest go on. Closing the stream ends the computation.

        Args:
            prompts: objects with query (like "{{text}}"; variables are columns) and perhaps name, instruction,
                output_format, style ("zero-shot", "few-shot", "zero-shot chain of thought", "few-shot chain of
                thought"), examples (objects with question, reasoning, answer), as_chat, question_label, answer_label.
            rows: objects of texts, a column each, like {"text": "I love it.", "label": "positive"}.
            model: a reference from /models, or any hub id that the operator allows.
            settings: max_new_tokens (64), temperature (0), top_p, top_k, repetition_penalty, stop (texts at which an
                answer ends, beside where the next question would begin), seed (0), samples (1; more are put to a vote),
                and for the scorer "choice" by ("sum", "per token", "per byte") and content_free (an input that says
                nothing, like "N/A", to calibrate with).
            scorer: an object with kind ("exact", "contains", "number", "written", "choice", "regex", "json",
                "similarity", "judge"), expected (the column with the right answer), and choices, pattern, schema,
                threshold or reference where the kind needs them. None: outputs are not scored. "choice" writes nothing.

        Returns:
            done and total (answers, then verdicts where a model judges), seconds_left, doing (in words), finished. In
            the last object also cells, a list of objects with prompt and row (from 0), outputs, outcome ("correct",
            "wrong", "unparseable", or null), parsed, why, prompt_tokens, new_tokens, probabilities (of each choice),
            error; scores, one a prompt, with name, correct, wrong, unparseable, failed, accuracy and its 95 % interval
            low and high; comparisons of each prompt with the first, with difference (first minus other), low, high,
            p_value, verdict and rows_needed; alone (why the model wrote one text at a time, or ""); model, revision,
            dtype, seed.
        """
        with user_errors():
            from playground.labs.prompting import experiment, scorers

            empty = _empty(prompts, rows, model, _settings(settings), None if scorer is None else scorers.read(scorer))
            alone = ""
            with closing(experiment.run(models.writer, models.lease, empty)) as states:
                for now in states:
                    alone = now.alone or alone
                    if now.doing != experiment.DONE:
                        yield _progress(now)
            found = now.results()
            yield _progress(now) | {"finished": True, "cells": _cells(found)} | _summary(found, alone)

    def label(
        text: str,
        choices: list[str],
        prompt: str = "Text: {{text}}\nLabel:",
        model: str = page_settings.default_models[0],
        content_free: str = "",
    ) -> dict:
        """Which of several labels a model finds most probable after a text; nothing is written.

        A space at the end of the prompt belongs to the label, and a prompt that ends in none gets one before it.

        Args:
            text: what to label.
            choices: 2 to 100 labels, like ["positive", "negative"].
            prompt: what the model reads before the label; {{text}} stands for the text.
            model: a reference from /models, or any hub id that the operator allows.
            content_free: a text that says nothing, like "N/A"; what each label gets after it is taken off. None: "".

        Returns:
            label, the most probable one; choices, a list of objects with choice, scored (the text whose tokens were
            scored), tokens, logprob (of all of them, natural logarithm), per_token, per_byte, content_free (its logprob
            after the content-free text, or null) and probability (among the choices, calibrated if asked for);
            prompt_tokens; model, revision, dtype.
        """
        with user_errors():
            from playground.labs.prompting import labels as lab
            from playground.labs.prompting import prompts as templates

            if "text" not in templates.names_in(prompt, "prompt"):
                raise PlaygroundError("The prompt does not say where the text goes. Put {{text}} into it.")
            _check_size(len(text) + len(prompt) + len(content_free) + sum(len(str(choice)) for choice in choices))
            rendered = templates.filled(prompt, {"text": text}, None, "prompt")
            free = [templates.filled(prompt, {"text": content_free}, None, "prompt")] if content_free else []
            with models.lease(model) as engine:
                found = next(lab.label(engine, [rendered], choices, free))
            if found.error:
                raise PlaygroundError(found.error)
            return _label(found)

    gr.api(prompt_run, api_name="prompt_run", **model_work(page_settings))
    gr.api(label, api_name="label", **model_work(page_settings))


def _settings(given: dict | None) -> dict:
    """The settings of a run with their defaults. Raises PlaygroundError: there is no such setting."""
    if given is not None and not isinstance(given, dict):
        raise PlaygroundError('settings must be an object, like {"max_new_tokens": 16}.')
    unknown = [name for name in given or {} if name not in RUN_SETTINGS]
    if unknown:
        raise PlaygroundError(f"There is no setting “{unknown[0]}”. There are: {', '.join(RUN_SETTINGS)}.")
    return RUN_SETTINGS | (given or {})


def _empty(prompts: object, rows: object, model: str, wanted: dict, scorer):
    """What is to be run. Raises PlaygroundError: it cannot be."""
    from playground.engine.sampling import Sampling
    from playground.labs.prompting import experiment, labels, scorers
    from playground.labs.prompting import prompts as lab
    from playground.labs.prompting.results import Variant

    asked, table = _checked(prompts, rows)
    listed = [lab.read(prompt) for prompt in asked]
    if scorer is not None:
        scorers.check(scorer, table)
    if wanted["by"] not in labels.BYS or not isinstance(wanted["content_free"], str):
        raise PlaygroundError(f"by must be one of {', '.join(labels.BYS)}, and content_free a text.")
    settings = dict(wanted)
    temperature = settings.pop("temperature")
    Sampling(temperature=temperature, **{name: settings[name] for name in experiment.SAMPLING})  # says what is wrong
    variants = [Variant(prompt.name, prompt, model, temperature) for prompt in listed]
    empty = experiment.empty(table, variants, scorer, **settings)
    experiment.check(empty, MOST_CELLS)
    return empty


def _checked(prompts: object, rows: object) -> tuple[list, list[dict[str, str]]]:
    """Prompts and rows from outside. Raises PlaygroundError: too many, too large, or none."""
    if not isinstance(prompts, list) or not isinstance(rows, list):
        raise PlaygroundError("prompts and rows must be lists of objects.")
    if len(prompts) > MOST_PROMPTS:
        raise PlaygroundError(f"There are {len(prompts):,} prompts; at most {MOST_PROMPTS} are run in one call.")
    table = []
    for number, row in enumerate(rows[: MOST_CELLS + 1], 1):
        if not isinstance(row, dict) or not all(isinstance(value, (str, int, float)) for value in row.values()):
            raise PlaygroundError(f'Row {number} cannot be read. Each row is an object of texts, like {{"text": "…"}}.')
        table.append({str(name): str(value) for name, value in row.items()})
    if len(rows) > MOST_CELLS:
        raise PlaygroundError(f"There are {len(rows):,} rows; at most {MOST_CELLS:,} are run in one call.")
    _check_size(len(json.dumps([prompts, table], ensure_ascii=False)))
    return prompts, table


def _check_size(n: int) -> None:
    if n > MOST_CHARACTERS:
        raise PlaygroundError(f"This is {n:,} characters; at most {MOST_CHARACTERS:,} are read in one call. Send less.")


def _progress(now) -> dict:
    return {
        "done": now.n_done,
        "total": now.n_all,
        "seconds_left": now.seconds_left,
        "doing": now.doing,
        "finished": False,
    }


def _cells(found) -> list[dict]:
    """One object a prompt and row, in order."""
    cells = []
    for way, line in enumerate(found.cells):
        for row, cell in enumerate(line):
            final = cell.final
            cells.append(
                {
                    "prompt": way,
                    "row": row,
                    "outputs": list(cell.outputs),
                    "outcome": final.outcome if final else None,
                    "parsed": final.parsed if final else "",
                    "why": final.why if final else "",
                    "prompt_tokens": cell.prompt_tokens,
                    "new_tokens": cell.new_tokens,
                    "probabilities": list(cell.probabilities),
                    "error": cell.error,
                }
            )
    return cells


def _summary(found, alone: str) -> dict:
    names = [variant.name for variant in found.variants]
    outcomes = [found.outcomes(way) for way in range(len(names))]
    scored = any(outcome is not None for line in outcomes for outcome in line)
    made_by = found.provenance[0] if found.provenance else {}
    return {
        "scores": [_score(name, found.accuracy(way)) for way, name in enumerate(names)] if scored else [],
        "comparisons": list(_comparisons(outcomes)) if scored else [],
        "alone": alone,
        "model": made_by.get("reference", found.variants[0].reference),
        "revision": made_by.get("revision"),
        "dtype": made_by.get("dtype"),
        "seed": found.settings["seed"],
    }


def _score(name: str, accuracy) -> dict:
    low, high = accuracy.interval
    return {
        "name": name,
        "correct": accuracy.correct,
        "wrong": accuracy.wrong,
        "unparseable": accuracy.unparseable,
        "failed": accuracy.failed,
        "accuracy": accuracy.share,
        "low": low,
        "high": high,
    }


def _comparisons(outcomes) -> Iterator[dict]:
    """Of each prompt with the first, on the rows that both have an outcome for."""
    from playground.labs.prompting import statistics

    for other in range(1, len(outcomes)):
        pairs = [pair for pair in zip(outcomes[0], outcomes[other], strict=True) if None not in pair]
        if not pairs:
            continue
        found = statistics.compare(outcomes[0], outcomes[other])
        yield {
            "prompts": [0, other],
            "difference": found.difference,
            "low": found.low,
            "high": found.high,
            "p_value": found.p_value,
            "verdict": {"a": "the first is better", "b": "the other is better"}.get(found.verdict, "cannot tell"),
            "rows_needed": found.rows_needed,
        }


def _label(found) -> dict:
    calibrated = found.content_free is not None
    columns = zip(
        found.choices,
        found.texts,
        map(len, found.ids),
        found.logprobs.tolist(),
        found.scores("per token").tolist(),
        found.scores("per byte").tolist(),
        found.content_free.tolist() if calibrated else [None] * len(found.choices),
        found.probabilities(calibrated=calibrated).tolist(),
        strict=True,
    )
    names = ("choice", "scored", "tokens", "logprob", "per_token", "per_byte", "content_free", "probability")
    return {
        "label": found.best(calibrated=calibrated),
        "choices": [dict(zip(names, values, strict=True)) for values in columns],
        "prompt_tokens": found.prompt_tokens,
        "model": found.provenance.reference,
        "revision": found.provenance.revision,
        "dtype": found.provenance.dtype,
    }
