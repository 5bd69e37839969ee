"""Arithmetic in steps: small word problems, answered by the equations one after the other and "The answer is n."

Training problems are made from frames of our own. The held-out ones are those of the Prompt lab
(`playground/labs/prompting/word_problems.py`), whose things, verbs and sentences are others. It does not know how a
model is trained on them.
"""

import random
import re

from playground.labs.prompting import word_problems

LONGEST = 56  # tokens of a reply when it is tested
WHO = ("Anna", "Tom", "Mia", "Ben", "The clerk", "The cook", "Grandpa", "The coach", "Lena", "The boy")
THINGS = ("apples", "coins", "stamps", "pencils", "shells", "cards", "plates", "buttons", "tickets", "eggs")
MORE = ("{who} gets {n} more.", "{who} finds {n} {things}.", "A friend brings {n} {things}.", "{n} are added.")
LESS = ("{who} gives {n} to a friend.", "{n} of the {things} are lost.", "{who} uses {n}.", "{n} are taken away.")
GROUPS = (
    "{who} gets {count} packs with {n} {things} each.",
    "Then {count} people bring {n} {things} each.",
    "{count} baskets of {n} {things} each come in.",
)
_NUMBER = re.compile(r"-?\d+")


def _problem(rng: random.Random) -> tuple[str, str]:
    who, things, total = rng.choice(WHO), rng.choice(THINGS), rng.randint(4, 20)
    told, steps = [f"{who} has {total} {things}."], []
    for kind in rng.sample(("more", "less", "groups"), rng.randint(1, 3)):
        count, n = rng.randint(2, 5), rng.randint(2, 9)
        if kind == "more":
            told.append(rng.choice(MORE).format(who=who, things=things, n=n))
            steps.append(f"{total} + {n} = {total + n}.")
            total += n
        elif kind == "less":
            n = rng.randint(1, total - 1)
            told.append(rng.choice(LESS).format(who=who, things=things, n=n))
            steps.append(f"{total} - {n} = {total - n}.")
            total -= n
        else:
            told.append(rng.choice(GROUPS).format(who=who, things=things, n=n, count=count))
            steps.append(f"{count} * {n} = {count * n}. {total} + {count * n} = {total + count * n}.")
            total += count * n
    question = " ".join([*told, f"How many {things} are there now?"])
    return question, f"{' '.join(steps)} The answer is {total}."


def train(seed: int) -> list[tuple[str, str]]:
    rng = random.Random(seed)
    rows: dict[str, str] = {}
    while len(rows) < 600:
        question, answer = _problem(rng)
        rows.setdefault(question, answer)
    return list(rows.items())


def held_out(seed: int) -> list[tuple[str, str]]:
    problems = word_problems.problems(32, seed + 1)
    return [(p.question, f"{p.reasoning} The answer is {p.answer}.") for p in problems]


def right(reply: str, expected: str) -> bool:
    """Whether the last number of the reply is the answer."""
    numbers = _NUMBER.findall(reply.replace(",", ""))
    return bool(numbers) and numbers[-1] == _NUMBER.findall(expected)[-1]
