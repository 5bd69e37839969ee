"""What an endpoint's docstring and signature say, as the reference and MCP's tools tell it. It calls nothing."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass

_SECTION = re.compile(r"^(Args|Returns|Raises):$", re.MULTILINE)
_ARGUMENT = re.compile(r"^    (\w+): ", re.MULTILINE)


@dataclass(frozen=True)
class Parameter:
    name: str
    kind: str  # as it is written in Python
    default: str | None  # as it is written in Python; None: it must be given
    about: str


@dataclass(frozen=True)
class Described:
    """An endpoint in words."""

    about: str
    parameters: tuple[Parameter, ...]
    returns: str

    def flat(self) -> str:
        """A docstring with a line for each thing that is said: more than that Gradio does not read."""
        arguments = "".join(f"\n    {p.name}: {p.about}" for p in self.parameters if p.about)
        parts = [self.about, f"Args:{arguments}" if arguments else "", f"Returns:\n    {self.returns}"]
        return "\n\n".join(part for part in parts if part)


def of(function: Callable) -> Described:
    """Reads a function that is documented as those of `api` are."""
    about, *sections = _SECTION.split(inspect.cleandoc(function.__doc__ or ""))
    said = dict(zip(sections[::2], sections[1::2], strict=True))
    _, *arguments = _ARGUMENT.split(said.get("Args", ""))
    words = {name: _one_line(text) for name, text in zip(arguments[::2], arguments[1::2], strict=True)}
    parameters = tuple(
        Parameter(
            name,
            inspect.formatannotation(parameter.annotation),
            None if parameter.default is parameter.empty else repr(parameter.default),
            words.get(name, ""),
        )
        for name, parameter in inspect.signature(function).parameters.items()
    )
    return Described(_one_line(about), parameters, _one_line(said.get("Returns", "")))


def _one_line(text: str) -> str:
    return " ".join(text.split())
