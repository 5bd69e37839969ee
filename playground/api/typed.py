"""Endpoints take what their signatures say, and name what does not fit. They do not see anything else.

JSON brings any type in any place; what a number is asked to be is settled here, once, so that labs need not wonder.
"""

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

import gradio as gr
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from playground.api import docs
from playground.errors import PlaygroundError
from playground.tabs.kit import user_errors


def check_all(blocks: gr.Blocks) -> None:
    """From now on, every public endpoint of the page checks its arguments first.

    Their docstrings get a line for each thing that is said, since Gradio tells MCP's tools no more than that.
    """
    for function in blocks.fns.values():
        if function.api_visibility == "public":
            function.fn = checked(function.fn)
            function.fn.__doc__ = docs.of(function.fn).flat()


def checked(function: Callable) -> Callable:
    """The same function, which refuses arguments of another type than its signature's, by name.

    A whole number may come as 40.0, and null for what may be left out. NaN and infinity are no numbers.
    """
    signature = inspect.signature(function)
    kinds = {name: _kind(parameter.annotation) for name, parameter in signature.parameters.items()}

    def fitting(values: tuple, named: Mapping[str, Any]) -> dict[str, Any]:
        given = signature.bind(*values, **named).arguments
        return {name: _fit(signature.parameters[name], kinds[name], value) for name, value in given.items()}

    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def stream(*values: Any, **named: Any) -> Iterator[Any]:
            with user_errors():
                fit = fitting(values, named)
            yield from function(**fit)

        return stream

    @functools.wraps(function)
    def answer(*values: Any, **named: Any) -> Any:
        with user_errors():
            fit = fitting(values, named)
        return function(**fit)

    return answer


def _kind(annotation: Any) -> TypeAdapter | None:
    """What checks a value; None for objects that come as plain ones, such as uploaded files: their endpoint looks."""
    every = [annotation, *get_args(annotation), *(part for each in get_args(annotation) for part in get_args(each))]
    if any(isinstance(each, type) and issubclass(each, BaseModel) for each in every):
        return None
    return TypeAdapter(annotation, config=ConfigDict(strict=True, allow_inf_nan=False))


def _fit(parameter: inspect.Parameter, kind: TypeAdapter | None, value: Any) -> Any:
    if kind is None:
        return value
    try:
        kind.validate_python(value)
        return value
    except ValidationError as error:
        if value is None and parameter.default is not parameter.empty:
            return parameter.default  # null is as good as nothing
        errors = error.errors(include_url=False, include_context=False)
        if all(each["type"] == "int_type" and isinstance(each["input"], float) for each in errors):
            with contextlib.suppress(ValidationError):
                return kind.validate_python(value, strict=False)  # 40.0 is as good as 40
        said = errors[0]["msg"][:1].lower() + errors[0]["msg"][1:]
        place = f"{parameter.name}{_place(errors[0]['loc'], value)}"
        raise PlaygroundError(f"`{place}` does not fit: {said}. Correct it and try again.") from None


def _place(steps: tuple, value: Any) -> str:
    """Where in a value something is wrong, without which of several types pydantic tried there."""
    place = ""
    for step in steps:
        if (isinstance(value, list) and isinstance(step, int)) or (isinstance(value, dict) and step in value):
            place, value = f"{place}[{str(step)[:40]!r}]" if isinstance(step, str) else f"{place}[{step}]", value[step]
    return place
