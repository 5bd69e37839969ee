"""What votes tell, against SciPy's own interval and test, against closed forms, and counted by hand."""

import json
import math
from dataclasses import replace
from fractions import Fraction

import pytest
from scipy.stats import binomtest

from playground.errors import PlaygroundError
from playground.labs.chat import votes
from playground.labs.chat.votes import Contestant, Vote

COLD = Contestant("m", "", (("temperature", 0.2),))
WARM = Contestant("m", "", (("temperature", 1.2),))
OTHER = Contestant("n", "Be brief.", (("stop", ("\n", "END")), ("temperature", 0.2)))


def cast(choice, a=COLD, b=WARM, first="a"):
    return Vote(a, b, choice, first, "Why?", 1, (7, None), "2026-01-02T03:04:05+00:00")


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 10, 37, 400])
def test_interval_and_test_equal_scipys(n):
    for wins in {0, 1, n // 3, n // 2, n - 1, n}:
        peer = binomtest(wins, n, 0.5)
        for confidence in (0.5, 0.95, 0.99):
            expected = peer.proportion_ci(confidence, method="wilson")
            assert votes.wilson(wins, n, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)
        assert votes.sign_test(wins, n - wins) == pytest.approx(peer.pvalue, rel=1e-12)


def test_the_interval_holds_the_shares_that_a_score_test_does_not_reject():
    wins, n = 7, 9
    z = 1.959963984540054
    for end in votes.wilson(wins, n):
        assert abs(wins / n - end) == pytest.approx(z * math.sqrt(end * (1 - end) / n), rel=1e-12)


def test_the_test_adds_up_all_results_that_are_no_likelier():
    for wins, losses in ((0, 0), (1, 0), (4, 0), (6, 1), (5, 5), (3, 9)):
        n = wins + losses
        weights = [Fraction(math.comb(n, k), 2**n) for k in range(n + 1)]
        assert votes.sign_test(wins, losses) == float(sum(w for w in weights if w <= weights[wins]))


def test_without_votes_nothing_is_known():
    assert votes.wilson(0, 0) == (0, 1)
    assert votes.sign_test(0, 0) == 1
    assert votes.wilson(0, 5)[0] == 0
    assert votes.wilson(5, 5)[1] == 1


@pytest.mark.parametrize(("wins", "n", "confidence"), [(3, 2, 0.95), (-1, 2, 0.95), (1, 2, 1.0), (1, 2, 0.0)])
def test_what_is_no_share_is_refused(wins, n, confidence):
    with pytest.raises(PlaygroundError):
        votes.wilson(wins, n, confidence)


def test_votes_are_counted_by_pair_whoever_was_a():
    cast_votes = [
        cast("a"),
        cast("b", first="b"),
        cast("b", a=WARM, b=COLD),  # the cold one again
        cast("tie"),
        cast("both bad", a=WARM, b=COLD),
        cast("a", a=OTHER),
    ]
    cold, other = votes.tally(cast_votes)
    assert (cold.a, cold.b) == (COLD, WARM)
    assert (cold.wins, cold.losses, cold.ties, cold.both_bad) == (2, 1, 1, 1)
    assert cold.decided == 3
    assert cold.rate == pytest.approx(2 / 3)
    assert cold.first_preferred == 2
    assert (other.wins, other.decided, other.a) == (1, 1, OTHER)
    assert votes.tally([]) == []


def test_ties_change_neither_the_rate_nor_its_interval_nor_the_test():
    few = votes.tally([cast("a"), cast("a"), cast("b")])[0]
    many = votes.tally([cast("a"), cast("a"), cast("b"), *[cast("tie")] * 50, *[cast("both bad")] * 50])[0]
    assert (few.rate, few.interval, few.p_value) == (many.rate, many.interval, many.p_value)
    none = votes.tally([cast("tie")])[0]
    assert none.rate is None
    assert none.verdict == "open"


@pytest.mark.parametrize(
    ("wins", "losses", "verdict"),
    [
        (3, 0, "open"),
        (4, 0, "nearly"),  # the interval begins at 0.51, yet one in eight such results is chance
        (5, 0, "nearly"),
        (6, 0, "a"),
        (0, 6, "b"),
        (0, 4, "nearly"),
        (20, 20, "open"),
        (60, 40, "nearly"),
        (40, 60, "nearly"),
        (61, 39, "a"),
    ],
)
def test_a_winner_is_named_only_when_interval_and_test_agree(wins, losses, verdict):
    score = votes.tally([cast("a")] * wins + [cast("b")] * losses)[0]
    assert score.verdict == verdict
    tells = verdict in ("a", "b")
    assert tells == (binomtest(wins, wins + losses).pvalue < 0.05)


def test_votes_survive_being_kept_as_json():
    kept = [cast("a"), cast("both bad", a=OTHER, first="b")]
    rows = json.loads(json.dumps([votes.plain(vote) for vote in kept]))
    assert votes.read(rows) == kept


def test_what_a_browser_holds_and_nobody_understands_is_left_out():
    good = json.loads(json.dumps(votes.plain(cast("a"))))
    bad = [
        None,
        "vote",
        {},
        good | {"choice": "c"},
        good | {"first": 1},
        good | {"seeds": [1]},
        good | {"a": 3},
        good | {"turn": "x"},
        good | {"a": {"reference": "m", "system": "", "settings": [["x", {}]]}},
        good | {"choice": []},
    ]
    assert votes.read([*bad, good]) == [cast("a")]
    for nonsense in (None, {}, "x", 3):
        assert votes.read(nonsense) == []


def test_the_seed_is_no_part_of_who_competes():
    assert votes.settings({"top_p": 0.9, "seed": 3, "logit_bias": [[1, 2.0]]}) == votes.settings(
        {"seed": 4, "logit_bias": ((1, 2.0),), "top_p": 0.9}
    )
    assert replace(COLD, settings=votes.settings({"temperature": 0.2})) == COLD
