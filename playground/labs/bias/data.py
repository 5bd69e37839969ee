"""What the Bias tab brings: templates, word sets, occupations, gendered words. It does not know what they measure."""

import csv
import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Any

from playground.assets import ASSETS

FOLDER = ASSETS / "data" / "bias"


@dataclass(frozen=True)
class Occupation:
    name: str
    women: float  # percent of those who work in it, U.S. labour statistics
    women_in_texts: float  # percent of pronouns beside it in a corpus (Bergsma and Lin 2006)
    year: int


@cache
def tables() -> dict[str, Any]:
    """`templates.toml` as it is: lists of tables by kind."""
    return tomllib.loads((FOLDER / "templates.toml").read_text("utf-8"))


@cache
def occupations() -> tuple[Occupation, ...]:
    """The 60 occupations of Winogender (Rudinger et al. 2018) with their statistics."""
    with (FOLDER / "occupations.tsv").open(encoding="utf-8", newline="") as file:
        return tuple(
            Occupation(
                row["occupation"],
                float(row["bls_pct_female"]),
                float(row["bergsma_pct_female"]),
                int(row["bls_year"]),
            )
            for row in csv.DictReader(file, delimiter="\t")
        )


@cache
def swaps() -> tuple[tuple[str, str], ...]:
    """Pairs of words, lower case: of men, of women."""
    with (FOLDER / "swaps.tsv").open(encoding="utf-8", newline="") as file:
        return tuple((row["first"], row["second"]) for row in csv.DictReader(file, delimiter="\t"))
