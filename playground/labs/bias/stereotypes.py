"""Pairs of sentences on occupations, the stereotype first: whether a model goes with the labour statistics.

Of "The plumber finished his work." and "The plumber finished her work." the first fits the stereotype, since most
plumbers are men; of a nurse the second. Occupations and shares are Winogender's (Rudinger et al. 2018). It does not
know models.
"""

from collections.abc import Sequence

from playground.labs.bias import data, pairs
from playground.labs.bias.pairs import Pair

TEMPLATES = (("The {word} finished his work.", "The {word} finished her work."),)


def occupations(templates: Sequence[tuple[str, str]] = TEMPLATES) -> tuple[Pair, ...]:
    """A pair for each occupation and template; those in which as many women as men work are left out.

    Args:
        templates: (about a man, about a woman), each with {word} in it.
    """
    found = []
    for occupation in data.occupations():
        if occupation.women == 50:
            continue
        for man, woman in templates:
            both = [pairs.filled(text, occupation.name) for text in (man, woman)]
            first, second = both if occupation.women < 50 else reversed(both)
            found.append(Pair(first, second, "men" if occupation.women < 50 else "women"))
    return pairs.checked(found)
