"""Does a grid say the same when the groups that its templates name are swapped?

A template that names a group ("The {word} told the woman that [MASK] was tired.") gets a copy in which it names the
other one. What belongs to the words, and not to whom the sentence speaks of besides, stays: the sign of a word's
corrected score, and the order of two words. Both shares lie between 0 and 1. Of two unrelated grids the order agrees in
one half; the signs do so in p q + (1 - p) (1 - q), where p and q are the shares of positive ones, so that two grids
that lean to one side agree more often without saying anything of the words. It does not know how a grid is scored.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from playground.arrays import Floats
from playground.labs.bias import swapped
from playground.labs.chat.votes import wilson


@dataclass(frozen=True)
class Kept:
    """How often something stays, with its 95 % interval."""

    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Consistency:
    n_templates: int  # that have a swapped copy
    n_words: int
    sign: Kept  # of the corrected score
    sign_by_chance: float  # share of signs that agree in unrelated grids with as many positive scores each
    order: Kept | None  # of two words; None with fewer than two words


def exchanged(template: str, first: str, second: str) -> str | None:
    """The template with all its genders swapped where the two words are of that kind, or else with these two exchanged.

    None: it names no group. The blank and the slot stay.
    """
    by_gender = swapped.swap(template)
    if by_gender.n_words and swapped.swap(first).text.lower() == second.lower():
        return by_gender.text
    pair = {first.lower(): second, second.lower(): first}
    written = "|".join(re.escape(word) for word in sorted(pair, key=len, reverse=True))

    def other(match: re.Match[str]) -> str:
        instead = pair[match[0].lower()]
        return instead[:1].upper() + instead[1:] if match[0][:1].isupper() else instead

    made, n = re.subn(rf"(?<!\w)({written})(?!\w)", other, template, flags=re.IGNORECASE)
    if n:
        return made
    return by_gender.text if by_gender.n_words else None


def compare(one: Floats, other: Floats) -> Consistency:
    """Corrected scores of templates and of their swapped copies, both (template, word).

    Intervals are Wilson's with words, not cells, as what was observed: cells of one word hang together. Of pairs of
    words only n // 2 have no word in common, and the share over all pairs varies no more than that over so many
    (Hoeffding 1963), so that is the number of observations there.
    """
    n_templates, n_words = one.shape
    sign = (np.sign(one) == np.sign(other)).mean()
    p, q = (one > 0).mean(), (other > 0).mean()
    order = None
    if n_words > 1:
        a, b = np.triu_indices(n_words, 1)
        same = np.sign(one[:, a] - one[:, b]) == np.sign(other[:, a] - other[:, b])
        order = _kept(same.mean(), n_words // 2)
    return Consistency(n_templates, n_words, _kept(sign, n_words), float(p * q + (1 - p) * (1 - q)), order)


def _kept(share: float, n: int) -> Kept:
    return Kept(float(share), *wilson(float(share) * n, n))


def told(found: Consistency, names: Sequence[str]) -> str:
    """In one sentence, no further than the intervals go. names: of the two words compared."""

    def part(kept: Kept, what: str) -> str:
        return f"{kept.share:.0%} of {what} (95 % interval {kept.low:.0%} to {kept.high:.0%})"

    n = found.n_templates
    said = (
        f"With the groups swapped in {n} template{'s' if n > 1 else ''}, "
        f"{part(found.sign, 'the words')} keep their side, “{names[0]}” or “{names[1]}” "
        f"(unrelated scores that lean as these do: {found.sign_by_chance:.0%})"
    )
    if found.order is not None:
        said += f", and {part(found.order, 'the pairs of words')} their order"
        said += " (unrelated: 50%)"
    unsure = found.sign.low <= found.sign_by_chance or (found.order is not None and found.order.low <= 0.5)
    return said + (". That an interval holds: not enough to tell." if unsure else ".")
