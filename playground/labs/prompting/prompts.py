"""A prompt as data, and the exact text or messages that it makes of a row of a table.

    Classify the review.                    instruction, then output format
    (blank line)
    Text: A joy from start to end.          examples, in few-shot styles
    Sentiment: positive
    (blank line)
    Text: The plot makes no sense.          the query, filled from the row
    Sentiment:                              what the model writes on after

It does not know models or tokens: as chat it gives messages, and the model's own template is applied elsewhere.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from playground.errors import PlaygroundError

Style = Literal["zero-shot", "few-shot", "zero-shot chain of thought", "few-shot chain of thought"]
STYLES: tuple[Style, ...] = get_args(Style)
STEP_BY_STEP = "Let's think step by step."  # Kojima et al. 2022, arXiv 2205.11916
THEREFORE = "The answer is {}."  # after the reasoning, as in Wei et al. 2022, arXiv 2201.11903
MOST_ROWS = 2_000
MOST_EXAMPLES = 64
MOST_LETTERS = 100_000  # of one rendered prompt; no row of a table is meant to hold a book

Row = Mapping[str, str]  # column -> value
Messages = list[dict[str, str]]  # each a role and a content

_BRACES = re.compile(r"\{\{([^{}]*)\}\}|\{\{|[{}]")


@dataclass(frozen=True)
class Example:
    question: str  # as the query looks when it is filled
    reasoning: str  # used where the style has a chain of thought
    answer: str


@dataclass(frozen=True)
class Prompt:
    """`instruction`, `query` and `output_format` may hold {{variables}}: names of columns."""

    name: str
    instruction: str = ""
    examples: tuple[Example, ...] = ()  # used by few-shot styles alone
    query: str = "{{text}}"
    output_format: str = ""  # how to answer, in words
    style: Style = "zero-shot"
    as_chat: bool = False
    question_label: str = "Q"  # before each question, in a completion
    answer_label: str = "A"  # before each answer, in a completion

    @property
    def few_shot(self) -> bool:
        return self.style.startswith("few-shot")

    @property
    def reasons(self) -> bool:
        return self.style.endswith("chain of thought")


def rendered(prompt: Prompt, row: Row, number: int | None = None) -> str | Messages:
    """What a model is given for a row: a text to continue, or messages of which the last is the user's.

    A text ends without a space, right after the answer's label (or after "Let's think step by step."): what the model
    writes begins with one.

    Args:
        number: of the row, from 1, for what is said when it fails.

    Raises:
        PlaygroundError: the prompt is not whole (`check`), or the row lacks a value.
    """
    check(prompt)
    before = _joined(
        (
            filled(prompt.instruction, row, number, "instruction"),
            filled(prompt.output_format, row, number, "output format"),
        ),
        "\n",
    )
    question = asked(prompt, row, number)
    examples = prompt.examples if prompt.few_shot else ()
    made = (_chat if prompt.as_chat else _completion)(prompt, before, examples, question)
    letters = len(made) if isinstance(made, str) else sum(len(message["content"]) for message in made)
    if letters > MOST_LETTERS:
        raise PlaygroundError(
            f"{_row(number)} makes a prompt of {letters:,} characters; at most {MOST_LETTERS:,} are taken. Shorten it."
        )
    return made


def asked(prompt: Prompt, row: Row, number: int | None = None) -> str:
    """The query, filled from a row. Raises PlaygroundError: the row lacks a value, or the braces do not match."""
    return filled(prompt.query, row, number, "query").strip()


def stop_strings(prompt: Prompt) -> tuple[str, ...]:
    """Where a completion has answered and would invent the next question. A chat ends by itself: none."""
    if prompt.as_chat:
        return ()
    label = prompt.question_label.strip()
    again = (f"\n{label}:",) if label else ()
    return ("\n\n", *again) if prompt.reasons else ("\n", *again)


def variables(prompt: Prompt) -> tuple[str, ...]:
    """The columns that a prompt asks for, in the order in which they first appear.

    Raises:
        PlaygroundError: its braces do not match.
    """
    parts = ((prompt.instruction, "instruction"), (prompt.output_format, "output format"), (prompt.query, "query"))
    return tuple(dict.fromkeys(name for text, place in parts for name in names_in(text, place)))


def names_in(text: str, place: str) -> tuple[str, ...]:
    """The variables of a template, in order. Raises PlaygroundError: its braces do not match."""
    return tuple(dict.fromkeys(name for _, name in _pieces(text, place) if name is not None))


def check(prompt: Prompt, rows: Sequence[Row] | None = None) -> None:
    """Raises PlaygroundError with one sentence when the prompt cannot be rendered, or not for each of `rows`."""
    if not prompt.query.strip():
        raise PlaygroundError(f"The query of “{prompt.name}” is empty. Write one, like {{{{text}}}}.")
    if prompt.style not in STYLES:
        raise PlaygroundError(f"There is no style “{prompt.style}”. There are: {', '.join(STYLES)}.")
    wanted = variables(prompt)
    if prompt.few_shot:
        _check_examples(prompt)
    if rows is None:
        return
    check_rows(rows)
    for number, row in enumerate(rows, 1):
        for name in wanted:
            _value(row, name, number, prompt.name)


def check_rows(rows: Sequence[Row]) -> None:
    """Raises PlaygroundError when a table has no rows, or more than are run."""
    if not rows:
        raise PlaygroundError("The table is empty. Add at least one row, or pick a data set.")
    if len(rows) > MOST_ROWS:
        raise PlaygroundError(f"The table has {len(rows):,} rows; at most {MOST_ROWS:,} are run. Remove the others.")


def _check_examples(prompt: Prompt) -> None:
    if not prompt.examples:
        raise PlaygroundError(f"“{prompt.name}” is {prompt.style} and has no examples. Add one, or pick zero-shot.")
    if len(prompt.examples) > MOST_EXAMPLES:
        raise PlaygroundError(
            f"“{prompt.name}” has {len(prompt.examples)} examples; at most {MOST_EXAMPLES} are taken. Remove some."
        )
    for number, example in enumerate(prompt.examples, 1):
        missing = [name for name in ("question", "answer") if not getattr(example, name).strip()]
        if not missing and prompt.reasons and not example.reasoning.strip():
            missing = ["reasoning"]
        if missing:
            raise PlaygroundError(
                f"Example {number} of “{prompt.name}” has no {missing[0]}. Fill it in, or remove the example."
            )


def _completion(prompt: Prompt, before: str, examples: Sequence[Example], question: str) -> str:
    blocks = [_asked(prompt, example.question.strip(), _answer(prompt, example)) for example in examples]
    begun = STEP_BY_STEP if prompt.style == "zero-shot chain of thought" else ""
    return _joined((before, *blocks, _asked(prompt, question, begun)), "\n\n")


def _asked(prompt: Prompt, question: str, answer: str) -> str:
    ask, reply = (
        f"{label.strip()}:" if label.strip() else "" for label in (prompt.question_label, prompt.answer_label)
    )
    return f"{_joined((ask, question), ' ')}\n{_joined((reply, answer), ' ')}".rstrip()


def _chat(prompt: Prompt, before: str, examples: Sequence[Example], question: str) -> Messages:
    turns = [(example.question.strip(), _answer(prompt, example)) for example in examples]
    if prompt.style == "zero-shot chain of thought":
        question = f"{question}\n\n{STEP_BY_STEP}"
    asked = [ask for ask, _ in turns] + [question]
    asked[0] = _joined((before, asked[0]), "\n\n")
    messages = []
    for ask, (_, answer) in zip(asked, [*turns, ("", "")], strict=True):
        messages += [{"role": "user", "content": ask}, {"role": "assistant", "content": answer}]
    return messages[:-1]


def _answer(prompt: Prompt, example: Example) -> str:
    answer = example.answer.strip()
    return f"{example.reasoning.strip()} {THEREFORE.format(answer)}" if prompt.reasons else answer


def filled(text: str, row: Row, number: int | None, place: str) -> str:
    """A template with its variables filled in; `place` names it when that fails."""
    return "".join(
        plain if name is None else _value(row, name, number, f"the {place}") for plain, name in _pieces(text, place)
    )


def _value(row: Row, name: str, number: int | None, asker: str) -> str:
    value = row.get(name)
    if value is None:
        there = ", ".join(row) or "no columns at all"
        raise PlaygroundError(
            f"{_row(number)} has no column “{name}”, which {asker} asks for. It has: {there}. Rename one of the two."
        )
    if not value.strip():
        raise PlaygroundError(f"{_row(number)} has nothing in column “{name}”. Fill it in, or remove the row.")
    return value


def _pieces(text: str, place: str) -> Iterator[tuple[str, str | None]]:
    """The text as (words, None) and ("", variable). Single braces are words, so that JSON can stand in a prompt."""
    begin, depth = 0, 0
    for match in _BRACES.finditer(text):
        found, at = match.group(), match.start()
        if found == "{":
            depth += 1
        elif found == "}" and depth:
            depth -= 1
        elif found == "}":
            if text[at + 1 : at + 2] == "}":
                raise _unbalanced(text, at, place, "}}", "{{")
        elif match.group(1) is None:
            raise _unbalanced(text, at, place, "{{", "}}")
        elif not match.group(1).strip():
            raise PlaygroundError(f"The {place} has {{{{}}}} without a name. Write a column's name between the braces.")
        else:
            yield text[begin:at], None
            yield "", match.group(1).strip()
            begin = match.end()
    yield text[begin:], None


def _unbalanced(text: str, at: int, place: str, there: str, missing: str) -> PlaygroundError:
    near = text[max(0, at - 12) : at + 12].replace("\n", " ").strip()
    return PlaygroundError(
        f"The braces of the {place} do not match: “{there}” without its “{missing}” at “{near}”. "
        "Write variables as {{name}}."
    )


def _row(number: int | None) -> str:
    return "The row" if number is None else f"Row {number}"


def _joined(parts: Sequence[str], between: str) -> str:
    return between.join(part.strip("\n") for part in parts if part.strip())


def plain(prompt: Prompt) -> dict[str, Any]:
    """A prompt as JSON can hold it; `read` is the way back."""
    return asdict(prompt)


def read(data: object, whole: bool = True) -> Prompt:
    """A prompt from what `plain` made, or a person wrote: fields that are left out have their defaults.

    Raises:
        PlaygroundError: it is no prompt, a field is unknown or of the wrong kind, or it is not whole (`check`), if it
            is to be.
    """
    if not isinstance(data, Mapping):
        raise PlaygroundError("This is no prompt. Give an object with at least a name and a query.")
    known = {field.name for field in fields(Prompt)}
    unknown = [str(name) for name in data if name not in known]
    if unknown:
        raise PlaygroundError(f"A prompt has no field “{unknown[0]}”. It has: {', '.join(sorted(known))}.")
    values = dict(data) | {"examples": tuple(_read_examples(data.get("examples") or ()))}
    values.setdefault("name", "prompt")
    for name, value in values.items():
        right = bool if name == "as_chat" else tuple if name == "examples" else str
        if not isinstance(value, right):
            kind = "true or false" if right is bool else "a text"
            raise PlaygroundError(f"The prompt's {name.replace('_', ' ')} is not {kind}. Correct it.")
    prompt = Prompt(**values)
    if whole:
        check(prompt)
    return prompt


def _read_examples(examples: object) -> Iterator[Example]:
    if not isinstance(examples, Sequence) or isinstance(examples, str):
        raise PlaygroundError("The examples are not a list. Each is an object with question, reasoning and answer.")
    names = [field.name for field in fields(Example)]
    for number, example in enumerate(examples, 1):
        if isinstance(example, Mapping):
            example = [example.get(name, "") for name in names]
        elif not isinstance(example, Sequence) or isinstance(example, str) or len(example) != len(names):
            raise PlaygroundError(f"Example {number} cannot be read. Give it a question, a reasoning and an answer.")
        if not all(isinstance(value, str) for value in example):
            raise PlaygroundError(f"Example {number} holds something that is no text. Put numbers in quotation marks.")
        yield Example(*example)
