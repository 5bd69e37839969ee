"""Whether an output is right: correct, wrong, or unparseable, with what was read out of it.

What cannot be parsed is counted apart from what is wrong: a model that answers in another form is not one that does not
know. Nothing that a person types is run as code, and a pattern has 0.2 s a row. It does not know which prompt wrote it.
"""

import contextlib
import json
import math
import re
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, get_args

from playground.arrays import Floats
from playground.errors import PlaygroundError
from playground.labs.prompting import answers, prompts
from playground.labs.prompting.prompts import Row

if TYPE_CHECKING:
    import regex

    from playground.engine.engine import Engine

Kind = Literal["exact", "contains", "number", "written", "choice", "regex", "json", "similarity", "judge"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Outcome = Literal["correct", "wrong", "unparseable"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
Lend = Callable[[str], contextlib.AbstractContextManager["Engine"]]  # a reference -> its Engine for a while
SECONDS = 0.2  # that a pattern may take on one output
LONGEST_PATTERN = 1_000
MOST_REPEATS = 10_000  # that the counts of a pattern may come to, multiplied: each is written out when it is compiled
LONGEST_SCHEMA = 20_000  # characters
LONGEST_OUTPUT = 20_000  # characters of an output that a pattern is tried on
JUDGE = (
    "Is the answer to the question right? Compare it with the reference.\n"
    "Question: {{question}}\nReference: {{reference}}\nAnswer: {{answer}}\n"
    "Say yes or no.\nVerdict:"
)


_COUNTS = re.compile(r"\{\s*(\d*)\s*(?:,\s*(\d*)\s*)?\}")


class SlowPatternError(PlaygroundError):
    """A pattern tries too many ways: it would be so on every row."""


@dataclass(frozen=True)
class Scorer:
    """How outputs are scored.

    exact: the same as the expected value, but for case, spaces and a mark at the end.
    contains: the expected value stands in it. number: it gives the same number. written: it names one of the choices,
    the expected one. choice: the model gives the expected choice the highest probability; nothing is written.
    regex: the pattern is found; if it has a group, what it holds is the expected value. json: valid against the schema.
    similarity: the cosine of its embedding with that of the expected value is at least the threshold.
    judge: another model says yes when it is shown output and expected value.
    """

    kind: Kind = "exact"
    expected: str = "label"  # the column with the right answer
    choices: tuple[str, ...] = ()
    pattern: str = ""
    schema: str = ""  # JSON schema, whose {{variables}} are filled from the row
    threshold: float = 0.8
    reference: str = ""  # the model that embeds or judges
    judge: str = JUDGE

    @property
    def needs_model(self) -> bool:
        return self.kind in ("similarity", "judge")

    @property
    def needs_choices(self) -> bool:
        return self.kind in ("written", "choice")

    @property
    def needs_expected(self) -> bool:
        return self.kind != "json" and not (self.kind == "regex" and not _groups(self.pattern))


@dataclass(frozen=True)
class Judged:
    outcome: Outcome
    parsed: str = ""  # what was read out of the output
    why: str = ""  # of wrong and unparseable ones, in a sentence
    value: float | None = None  # cosine, of similarity


def read(data: object) -> Scorer:
    """A scorer from plain values; fields that are left out have their defaults.

    Raises:
        PlaygroundError: there is no such field or kind, or a value is of the wrong kind.
    """
    if not isinstance(data, Mapping):
        raise PlaygroundError(f"This is no scorer. Give an object with a kind: {', '.join(KINDS)}.")
    known = {field.name: field.default for field in fields(Scorer)}
    for name, value in data.items():
        if name not in known:
            raise PlaygroundError(f"A scorer has no field “{name}”. It has: {', '.join(known)}.")
        right = (list, tuple) if name == "choices" else (int, float) if name == "threshold" else str
        if not isinstance(value, right) or isinstance(value, bool):
            raise PlaygroundError(f"The scorer's {name} is {value!r}, which is of the wrong kind. Correct it.")
    values = dict(data)
    if "choices" in values:
        values["choices"] = tuple(str(choice) for choice in values["choices"])
    return Scorer(**values)


def check(scorer: Scorer, rows: Sequence[Row] | None = None) -> None:
    """Raises PlaygroundError with one sentence when outputs cannot be scored, or not those of each of `rows`."""
    if scorer.kind not in KINDS:
        raise PlaygroundError(f"There is no scorer “{scorer.kind}”. There are: {', '.join(KINDS)}.")
    if scorer.needs_choices:
        _check_choices(scorer)
    if scorer.kind == "regex":
        _compiled(scorer.pattern)
    if scorer.kind == "json":
        _json_schema(_filled_schema(scorer.schema, dict.fromkeys(prompts.names_in(scorer.schema, "schema"), "x"), None))
    if scorer.kind == "similarity" and not 0 < scorer.threshold <= 1:
        raise PlaygroundError(f"The threshold is {scorer.threshold}; it must be above 0 and at most 1, like 0.8.")
    if scorer.needs_model and not scorer.reference:
        raise PlaygroundError("No model is named that should embed or judge. Pick one under Score.")
    if scorer.kind == "judge" and "answer" not in prompts.names_in(scorer.judge, "judge's prompt"):
        raise PlaygroundError("The judge's prompt does not show the answer. Put {{answer}} into it.")
    for number, row in enumerate(rows or (), 1):
        if scorer.needs_expected:
            expected(scorer, row, number)


def _check_choices(scorer: Scorer) -> None:
    named = [choice.strip() for choice in scorer.choices]
    if len(named) < 2 or not all(named):
        raise PlaygroundError(
            "Fewer than two labels are given. Write them with commas between, like positive, negative."
        )
    if len({name.casefold() for name in named}) < len(named):
        raise PlaygroundError("One label is there twice. Remove one of the two.")


def expected(scorer: Scorer, row: Row, number: int | None = None) -> str:
    """The right answer of a row. Raises PlaygroundError when there is none, or it can never be right."""
    where = "The row" if number is None else f"Row {number}"
    value = row.get(scorer.expected)
    if value is None:
        raise PlaygroundError(
            f"{where} has no column “{scorer.expected}” with the right answer. It has: {', '.join(row)}. "
            "Pick the column under Score."
        )
    if not value.strip():
        raise PlaygroundError(f"{where} has no right answer in “{scorer.expected}”. Fill it in, or remove the row.")
    if scorer.needs_choices and _same(value, scorer.choices) is None:
        raise PlaygroundError(
            f"{where} has the answer “{value}”, which is none of the labels. Add it, or correct the row."
        )
    if scorer.kind == "number" and not answers.number(value).readable:
        raise PlaygroundError(f"{where} has “{value}” as its right answer, which is no number. Correct it.")
    return value.strip()


def _same(value: str, choices: Sequence[str]) -> str | None:
    return next((choice for choice in choices if choice.strip().casefold() == value.strip().casefold()), None)


def score(scorer: Scorer, output: str, row: Row, number: int | None = None) -> Judged:
    """Judges one output by a scorer that needs no model. For "choice" the output is the label that was chosen.

    Raises:
        PlaygroundError: the scorer is not whole, or the row has no right answer.
    """
    if scorer.needs_model:
        raise ValueError("use `scored`")
    right = expected(scorer, row, number) if scorer.needs_expected else ""
    if not output.strip():
        return Judged("unparseable", why="Nothing was written.")
    return _BY_KIND[scorer.kind](scorer, output, right, row, number)


def scored(scorer: Scorer, outputs: Sequence[str], rows: Sequence[Row], lend: Lend | None = None) -> list[Judged]:
    """Judges each output; `lend` gives the model of scorers that need one. Raises PlaygroundError as `score`."""
    check(scorer, rows)
    if not scorer.needs_model:
        return [score(scorer, out, row, n) for n, (out, row) in enumerate(zip(outputs, rows, strict=True), 1)]
    found = {}
    for place, judged in judging(scorer, outputs, rows, lend):
        if isinstance(judged, str):
            raise PlaygroundError(judged)
        found[place] = judged
    return [found[place] for place in range(len(outputs))]


def judging(
    scorer: Scorer,
    outputs: Sequence[str],
    rows: Sequence[Row],
    lend: Lend | None,
    stop: threading.Event | None = None,
    numbers: Sequence[int] | None = None,
) -> Generator[tuple[int, Judged | str], None, None]:
    """Judges outputs by a model, one by one: (place, what it is, or the sentence why that cannot be told).

    `numbers`: of the rows, from 1, for those sentences; their places when None.

    When `stop` is set, or the iterator closed, it ends within one token.

    Raises:
        PlaygroundError: there is no such model, or it cannot do that.
    """
    if lend is None:
        raise PlaygroundError("This scorer needs a model, and none can be had here. Pick another scorer.")
    vectors: dict[str, Floats] = {}  # of the right answers, many of which are alike
    with lend(scorer.reference) as engine:
        if scorer.kind == "similarity":
            from playground.engine import embed  # late: it imports torch

            embed.check_embeds(engine)
        for place, (output, row) in enumerate(zip(outputs, rows, strict=True)):
            if stop is not None and stop.is_set():
                return
            if not output.strip():
                yield place, Judged("unparseable", why="Nothing was written.")
                continue
            try:
                right = expected(scorer, row, place + 1 if numbers is None else numbers[place])
                judged: Judged | None
                if scorer.kind == "similarity":
                    judged = _similar(scorer, engine, output, right, vectors)
                else:
                    judged = _asked(scorer, engine, output, right, row, stop)
            except PlaygroundError as error:
                yield place, str(error)
                continue
            if judged is None:
                return
            yield place, judged


def _verdict(right: bool, parsed: str, why: str = "") -> Judged:
    return Judged("correct" if right else "wrong", parsed, "" if right else why)


def _exact(scorer: Scorer, output: str, right: str, row: Row, number: int | None) -> Judged:
    found = answers.plain(output)
    return _verdict(found == answers.plain(right), found, f"It is not “{right}”.")


def _contains(scorer: Scorer, output: str, right: str, row: Row, number: int | None) -> Judged:
    found = right.casefold() in output.casefold()
    return _verdict(found, right if found else "", f"“{right}” is not in it.")


def _number(scorer: Scorer, output: str, right: str, row: Row, number: int | None) -> Judged:
    parsed = answers.number(output)
    if not parsed.readable:
        return Judged("unparseable", why=parsed.why)
    wanted: Fraction = answers.number(right).value
    return _verdict(parsed.value == wanted, answers.written(parsed.value), f"It is not {answers.written(wanted)}.")


def _written(scorer: Scorer, output: str, right: str, row: Row, number: int | None) -> Judged:
    parsed = answers.label(output, scorer.choices)
    if not parsed.readable:
        return Judged("unparseable", why=parsed.why)
    return _verdict(parsed.value == _same(right, scorer.choices), parsed.value, f"It is not {right}.")


def _choice(scorer: Scorer, output: str, right: str, row: Row, number: int | None) -> Judged:
    chosen = _same(output, scorer.choices)
    if chosen is None:
        return Judged("unparseable", why="It is none of the labels.")
    return _verdict(chosen == _same(right, scorer.choices), chosen, f"It is not {right}.")


def _regex(scorer: Scorer, output: str, right: str, row: Row, number: int | None) -> Judged:
    pattern = _compiled(scorer.pattern)
    try:
        match = pattern.search(output[:LONGEST_OUTPUT], timeout=SECONDS)
    except TimeoutError:
        where = "one of the outputs" if number is None else f"the output of row {number}"
        raise SlowPatternError(
            f"The pattern takes more than {SECONDS} s on {where}: it tries too many ways. Write it without a repeated "
            "group inside a repeated group, like (a+)+."
        ) from None
    if not pattern.groups:
        return _verdict(match is not None, match.group() if match else "", "The pattern is not in it.")
    if match is None or match.group(1) is None:
        return Judged("unparseable", why="The pattern is not in it.")
    return _verdict(answers.plain(match.group(1)) == answers.plain(right), match.group(1), f"It is not “{right}”.")


@lru_cache(maxsize=32)
def _compiled(pattern: str) -> "regex.Pattern[str]":
    import regex

    if not pattern:
        raise PlaygroundError("The pattern is empty. Write one, like answer is (\\d+).")
    if len(pattern) > LONGEST_PATTERN:
        raise PlaygroundError(f"The pattern has {len(pattern):,} characters; at most {LONGEST_PATTERN:,} are taken.")
    counts = [max(map(int, filter(None, found))) for found in _COUNTS.findall(pattern) if any(found)]
    if math.prod(count for count in counts if count > 1) > MOST_REPEATS:
        raise PlaygroundError(
            f"The pattern repeats too often: its counts, like {{2,5}}, multiply to more than {MOST_REPEATS:,}. "
            "Use + or *."
        )
    try:
        return regex.compile(pattern)
    except (regex.error, OverflowError, RecursionError) as error:
        raise PlaygroundError(f"The pattern cannot be read: {error}. Correct it.") from None


def _groups(pattern: str) -> int:
    return _compiled(pattern).groups


def _json(scorer: Scorer, output: str, right: str, row: Row, number: int | None) -> Judged:
    parsed = answers.json_value(output)
    if not parsed.readable:
        return Judged("unparseable", why=parsed.why)
    (value,) = parsed.value
    shown = json.dumps(value, ensure_ascii=False)
    schema = _json_schema(_filled_schema(scorer.schema, row, number))
    try:
        _until.set(time.monotonic() + SECONDS)
        wrong = next(iter(schema.iter_errors(value)), None)
    except TimeoutError:
        where = "" if number is None else f" on the output of row {number}"
        raise SlowPatternError(
            f"The schema, or a pattern of the schema, takes more than {SECONDS} s{where}. Write a simpler one."
        ) from None
    except RecursionError:
        return Judged("wrong", shown, "It is nested too deeply.")
    except Exception as error:  # a reference that leads nowhere is found only when it is followed
        raise PlaygroundError(f"The schema cannot be used: {error}. Correct it.") from None
    return _verdict(wrong is None, shown, wrong.message[:200] if wrong else "")


def _filled_schema(schema: str, row: Row, number: int | None) -> str:
    """The schema with the row's values put in as JSON writes them inside quotation marks."""
    escaped = {name: json.dumps(value, ensure_ascii=False)[1:-1] for name, value in row.items()}
    return prompts.filled(schema, escaped, number, "schema")


@lru_cache(maxsize=256)
def _json_schema(schema: str) -> Any:  # a validator of jsonschema
    from jsonschema import exceptions, validators
    from referencing import Registry

    if len(schema) > LONGEST_SCHEMA:
        raise PlaygroundError(f"The schema has {len(schema):,} characters; at most {LONGEST_SCHEMA:,} are taken.")
    try:
        value = json.loads(schema)
    except (ValueError, RecursionError) as error:
        raise PlaygroundError(f"The schema is no JSON ({error}). Correct it.") from None
    if not isinstance(value, (dict, bool)):
        raise PlaygroundError('The schema is no JSON object. Write one, like {"type": "object"}.')
    _check_bounded(value)
    known = validators.validator_for(value, default=validators.Draft202012Validator)
    try:
        known.check_schema(value)
    except exceptions.SchemaError as error:
        raise PlaygroundError(f"The schema is not valid: {error.message[:200]}. Correct it.") from None
    if isinstance(value, dict):  # a reference to the whole would take the dialect's own checks instead of these
        value = {name: part for name, part in value.items() if name != "$schema"}
    checks = {name: _timed(check) for name, check in (known.VALIDATORS | {"pattern": _pattern}).items()}
    bounded = validators.extend(known, checks)
    return bounded(value, registry=Registry())  # an empty registry: nothing is fetched


def _pattern(validator: object, pattern: str, instance: object, schema: object) -> Iterator[Exception]:
    from jsonschema import exceptions

    if isinstance(instance, str) and not _compiled(pattern).search(instance[:LONGEST_OUTPUT], timeout=SECONDS):
        yield exceptions.ValidationError(f"“{instance[:60]}” does not fit the pattern {pattern[:60]}")


_until: ContextVar[float] = ContextVar("until", default=math.inf)  # when checking one output has to be over


def _timed(check: Callable[..., Iterable[Any] | None]) -> Callable[..., Iterator[Any]]:
    """A keyword of a schema that is not looked at any more when time is over: references can multiply without end."""

    def timed(*arguments: Any) -> Iterator[Any]:
        if time.monotonic() > _until.get():
            raise TimeoutError
        yield from check(*arguments) or ()

    return timed


def _check_bounded(schema: object) -> None:
    """Raises PlaygroundError where a pattern would be tried by others than `_pattern`, without a limit of time."""
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if "patternProperties" in part:
                raise PlaygroundError("The schema uses patternProperties, which is not supported. Name the properties.")
            if part is not schema and isinstance(part.get("$schema"), str):
                raise PlaygroundError("The schema names another $schema inside. Only the whole may have one.")
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part


def _similar(scorer: Scorer, engine: "Engine", output: str, right: str, vectors: "dict[str, Floats]") -> Judged:
    from playground.engine.embed import embed

    new = [text for text in dict.fromkeys((output, right)) if text == output or text not in vectors]
    found = dict(zip(new, embed(engine, new), strict=True))
    if right in found:
        vectors.setdefault(right, found[right])
    cosine = float(found[output] @ vectors[right])
    low = f"Its similarity to “{right[:60]}” is {cosine:.2f}, below {scorer.threshold}."
    verdict = _verdict(cosine >= scorer.threshold, f"{cosine:.2f}", low)
    return replace(verdict, value=cosine)


def _asked(
    scorer: Scorer, engine: "Engine", output: str, right: str, row: Row, stop: threading.Event | None
) -> Judged | None:
    """What a judge says: yes or no, if it names one of them alone. None: it was stopped."""
    from playground.engine.sampling import Sampling
    from playground.labs.chat import replies

    asked = judge_prompt(scorer, output, right, row)
    sampling = Sampling(max_new_tokens=8, temperature=0)
    if replies.has_chat_template(engine):
        written = replies.reply(engine, [{"role": "user", "content": asked}], sampling, stop=stop)
    else:
        written = replies.complete(engine, asked, sampling, stop=stop)
    with contextlib.closing(written):
        *_, last = written
    if stop is not None and stop.is_set():
        return None
    found = answers.label(last.text, ("yes", "no"))
    if not found.readable:
        return Judged("unparseable", last.text.strip(), "The judge said neither yes nor no.")
    return _verdict(found.value == "yes", f"judge: {found.value}", f"The judge wrote “{last.text.strip()}”.")


def judge_prompt(scorer: Scorer, output: str, right: str, row: Row) -> str:
    """Exactly what the judge is given."""
    query = row.get("question") or row.get("text") or " / ".join(v for k, v in row.items() if k != scorer.expected)
    values = {**row, "question": query or "–", "reference": right, "answer": output}
    return prompts.filled(scorer.judge, values, None, "judge's prompt")


_BY_KIND = {
    "exact": _exact,
    "contains": _contains,
    "number": _number,
    "written": _written,
    "choice": _choice,
    "regex": _regex,
    "json": _json,
}
