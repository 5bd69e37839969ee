"""Settings as flags, as variables and in words: the parser, the table, and what is wrong with a value.

It knows no setting by name. What a setting's `repr` leaves out is a secret: it is not repeated.
"""

import argparse
import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic.config import JsonDict
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from playground.errors import PlaygroundError

PREFIX = "PLAYGROUND_"
VARIABLE_ONLY: JsonDict = {
    "variable_only": True
}  # `json_schema_extra` of a secret: every user of the machine can read flags
OF_TESTS = "PLAYGROUND_TEST_"  # what tests are told by; no settings


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def variable(name: str) -> str:
    return PREFIX + name.upper()


def parser(settings: type[BaseSettings]) -> argparse.ArgumentParser:
    """Gives flags as text and switches as bool; what is left out is left to the environment."""
    first = next(iter(settings.model_fields))
    made = argparse.ArgumentParser(
        prog="app.py",
        usage="python app.py [flags]",
        description=(settings.__doc__ or "").partition("\n")[0],
        epilog=f"Each flag is also a variable: {flag(first)} is {variable(first)}. A flag wins over a variable.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    for name, field in settings.model_fields.items():
        if not _has_flag(field):
            continue
        how = {"action": argparse.BooleanOptionalAction} if _is_switch(field) else {"metavar": field.title}
        words = f"{field.description} [{_default(settings, name)}]"
        made.add_argument(flag(name), help=words.replace("%", "%%"), **how)
    return made


def table(settings: type[BaseSettings]) -> str:
    """The settings as a Markdown table, the same on every machine."""
    rows = ["| Variable | Flag | Default | What it does |", "|---|---|---|---|"]
    for name, field in settings.model_fields.items():
        named = f"`{flag(name)}`" if _has_flag(field) else "none: a secret"
        rows.append(f"| `{variable(name)}` | {named} | {_default(settings, name)} | {field.description} |")
    return "\n".join(rows) + "\n"


def refuse_unknown_variables(settings: type[BaseSettings], names: Iterable[str]) -> None:
    """A mistyped PLAYGROUND_PUBLIC must not open the page to strangers without a word.

    Raises:
        PlaygroundError: one of the names starts like a setting and is none.
    """
    known = [variable(name) for name in settings.model_fields]
    for name in names:
        if name.startswith(PREFIX) and not name.startswith(OF_TESTS) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else "`python app.py --help` lists all."
            raise PlaygroundError(f"There is no setting {name}. {hint}")


def sentence(settings: type[BaseSettings], details: Mapping[str, Any]) -> str:
    """What is wrong with one setting and what would be right, from one of pydantic's error details."""
    name, limits = str(details["loc"][0]), details.get("ctx", {})
    reason = {
        "int_parsing": "give a whole number",
        "greater_than": f"it must be more than {limits.get('gt')}",
        "greater_than_equal": f"the least is {limits.get('ge')}",
        "less_than_equal": f"the most is {limits.get('le')}",
        "literal_error": f"choose {limits.get('expected')}".replace("'", ""),
        "bool_parsing": "write true or false",
        "byte_size": "write a size like 500MB or 6GB",
        "byte_size_unit": "write a size like 500MB or 6GB",
        "too_short": "name at least one",
        "value_error": str(limits.get("error")),
    }.get(details["type"], details["msg"])
    field = settings.model_fields[name]
    given = repr(details["input"]) if field.repr else "the value given"
    called = f"{flag(name)} (or {variable(name)})" if _has_flag(field) else variable(name)
    return f"{called} cannot be {given}: {reason}."


def _is_switch(field: FieldInfo) -> bool:
    return field.annotation in (bool, bool | None)


def _has_flag(field: FieldInfo) -> bool:
    return field.json_schema_extra is not VARIABLE_ONLY


def _default(settings: type[BaseSettings], name: str) -> str:
    decided: Mapping[str, object] = getattr(settings, "DECIDED_HERE", {})
    value = decided.get(name, settings.model_fields[name].default)
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ",".join(value) or "none"
    return str(value)
