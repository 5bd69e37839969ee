"""Small word problems of arithmetic with worked solutions, made from frames of our own by a seed.

The level is the number of steps, 1 to 3. All numbers on the way are whole and at least 1, so that the answer can be
checked by reckoning the equation. It does not know what a model makes of them.
"""

import random
from dataclasses import dataclass

from playground.errors import PlaygroundError

LEVELS = (1, 2, 3)
PLACES = (
    ("A baker has {} loaves on the shelf.", "loaves", "the baker", "bakes", "sells"),
    ("A library has {} atlases.", "atlases", "the library", "buys", "lends out"),
    ("There are {} hens in a yard.", "hens", "the farmer", "buys", "sells"),
    ("A gardener has {} tulips.", "tulips", "the gardener", "plants", "gives away"),
    ("A school has {} chairs in the hall.", "chairs", "the school", "orders", "throws away"),
    ("A child has {} marbles in a bag.", "marbles", "the child", "wins", "loses"),
    ("A café has {} clean cups.", "cups", "the café", "washes", "breaks"),
    ("A shop has {} lamps in stock.", "lamps", "the shop", "receives", "sells"),
)
BOXES = ("boxes", "bags", "crates", "rows")


@dataclass(frozen=True)
class Problem:
    question: str
    reasoning: str  # a sentence a step, each with its equation
    answer: str
    level: int  # number of steps

    @property
    def row(self) -> dict[str, str]:
        return {
            "question": self.question,
            "reasoning": self.reasoning,
            "answer": self.answer,
            "level": str(self.level),
        }


def problems(n: int = 40, seed: int = 0, levels: tuple[int, ...] = LEVELS) -> tuple[Problem, ...]:
    """`n` different problems, the levels by turns. The same seed gives the same problems.

    Raises:
        PlaygroundError: there are no such levels, or not so many problems.
    """
    if not levels or not set(levels) <= set(LEVELS):
        raise PlaygroundError(f"There are only the levels {', '.join(map(str, LEVELS))}.")
    if not 1 <= n <= 500:
        raise PlaygroundError(f"{n} problems were asked for; 1 to 500 can be made.")
    rng = random.Random(seed)
    made: dict[str, Problem] = {}
    while len(made) < n:
        problem = _problem(rng, levels[len(made) % len(levels)])
        made.setdefault(problem.question, problem)
    return tuple(made.values())


def _problem(rng: random.Random, level: int) -> Problem:
    begin, things, who, gains, losses = rng.choice(PLACES)
    total = rng.randint(4, 20)
    told, steps = [begin.format(total)], []
    kinds = rng.sample(("more", "less", "boxes"), level)
    for kind in kinds:
        sentence, step, total = _step(rng, kind, total, things, who, gains, losses)
        told.append(sentence)
        steps.append(step)
    asked = f"How many {things} are there now?"
    return Problem(" ".join([*told, asked]), " ".join(steps), str(total), level)


def _step(
    rng: random.Random, kind: str, total: int, things: str, who: str, gains: str, losses: str
) -> tuple[str, str, int]:
    """A sentence of the problem, the sentence of the solution that reckons it, and how many there are then."""
    subject = who[0].upper() + who[1:]
    if kind == "more":
        n = rng.randint(2, 12)
        after = total + n
        return f"{subject} {gains} {n} more.", f"{total} + {n} = {after}.", after
    if kind == "less":
        n = rng.randint(1, total - 1)
        after = total - n
        return f"{subject} {losses} {n} of them.", f"{total} - {n} = {after}.", after
    count, each, box = rng.randint(2, 5), rng.randint(2, 6), rng.choice(BOXES)
    after = total + count * each
    sentence = f"Then {count} {box} of {each} {things} each are added."
    return (
        sentence,
        f"{count} {box} of {each} are {count} * {each} = {count * each}. {total} + {count * each} = {after}.",
        after,
    )
