"""Problems whose answers are reckoned anew from the words of the question."""

import re

import pytest

from playground.errors import PlaygroundError
from playground.labs.prompting.word_problems import problems


def reckoned(question: str) -> int:
    """The answer, from the numbers and verbs of the question alone."""
    first, *sentences, _ = re.findall(r"[^.?]+[.?]", question)
    total = int(re.search(r"\d+", first).group())
    for sentence in sentences:
        numbers = [int(n) for n in re.findall(r"\d+", sentence)]
        if "each" in sentence:
            total += numbers[0] * numbers[1]
        else:
            total += numbers[0] if sentence.endswith("more.") else -numbers[0]
    return total


def test_every_answer_is_right_and_so_is_every_equation():
    for problem in problems(200, seed=5):
        assert int(problem.answer) == reckoned(problem.question)
        for left, right in re.findall(r"([\d+*\s-]+\d) = (\d+)", problem.reasoning):
            assert eval(left) == int(right)
        assert problem.reasoning.endswith(f"= {problem.answer}.")


def test_the_seed_and_the_levels_decide():
    assert problems(12, 1) == problems(12, 1) != problems(12, 2)
    assert [problem.level for problem in problems(6)] == [1, 2, 3, 1, 2, 3]
    assert {problem.level for problem in problems(5, levels=(2,))} == {2}
    assert len({problem.question for problem in problems(100)}) == 100
    for arguments in ((0,), (1000,), (5, 0, (4,)), (5, 0, ())):
        with pytest.raises(PlaygroundError):
            problems(*arguments)
