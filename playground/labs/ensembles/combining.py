"""How the probabilities of several classifiers become one, and whether that is better than the best of them.

vote: each member has one vote for its most probable label; of equals the one with the higher mean probability.
average: the mean of the probabilities.
weighted: a mean with weights that make the validation labels most probable; found by expectation maximisation, which
    for such a mixture ends at the only optimum.
stacking: logistic regression on the members' log-odds (Wolpert 1992), fitted on validation rows.

The last two learn from labels. So that no row is judged by what was learned from it, rows are dealt into folds, and
each fold is answered by what the others taught. It does not know what the members are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from playground.arrays import Floats, Ints
from playground.errors import PlaygroundError
from playground.labs.prompting import statistics
from playground.labs.prompting.scorers import Outcome
from playground.labs.prompting.statistics import Accuracy, Comparison

Way = Literal["vote", "average", "weighted", "stacking"]
WAYS: tuple[Way, ...] = get_args(Way)
FOLDS = 5
LEAST_ROWS = 2 * FOLDS


@dataclass(frozen=True, eq=False)
class Judged:
    """A member or a way of combining, on all rows."""

    name: str
    probabilities: Floats  # (row, label), rows sum to 1; of a vote, shares of votes
    chosen: Ints  # (row,), places of labels
    accuracy: Accuracy
    loss: float | None  # mean -ln p(right label), nats; None: of votes, which are no probabilities
    against_best: Comparison | None  # with the best single member, on the same rows; None: it is that one


@dataclass(frozen=True, eq=False)
class Ensemble:
    labels: tuple[str, ...]
    truth: Ints  # (row,), places of labels
    members: tuple[Judged, ...]
    ways: tuple[Judged, ...]
    weights: Floats  # (member,), of "weighted", learned from all rows; sum to 1
    best: int  # the member with the most right, of equals the first


def combine(
    names: Sequence[str], probabilities: Floats, labels: Sequence[str], truth: Sequence[str], seed: int = 0
) -> Ensemble:
    """Combines members in every way and judges all.

    Args:
        probabilities: (member, row, label), rows sum to 1.

    Raises:
        PlaygroundError: a right answer is no label, or there are too few rows to learn from.
    """
    right = _places(labels, truth)
    folds = _folds(right, seed)
    best = int(np.argmax([(p.argmax(1) == right).sum() for p in probabilities]))
    chosen_by_best = probabilities[best].argmax(1)

    def judged(name: str, p: Floats, chosen: Ints, is_best: bool = False, votes: bool = False) -> Judged:
        return _judged(name, p, chosen, right, None if is_best else chosen_by_best, votes, seed)

    members = tuple(
        judged(name, p, p.argmax(1), i == best) for i, (name, p) in enumerate(zip(names, probabilities, strict=True))
    )
    shares, elected = vote(probabilities)
    averaged = probabilities.mean(0)
    weighted, stacked = np.zeros_like(averaged), np.zeros_like(averaged)
    for fold in np.unique(folds):
        train, test = folds != fold, folds == fold
        weights = mixture_weights(probabilities[:, train], right[train])
        weighted[test] = np.tensordot(weights, probabilities[:, test], 1)
        stacked[test] = Stacker(probabilities[:, train], right[train], len(labels)).predict(probabilities[:, test])
    ways = (
        judged("vote", shares, elected, votes=True),
        judged("average", averaged, averaged.argmax(1)),
        judged("weighted", weighted, weighted.argmax(1)),
        judged("stacking", stacked, stacked.argmax(1)),
    )
    return Ensemble(tuple(labels), right, members, ways, mixture_weights(probabilities, right), best)


def beside(ensemble: Ensemble, name: str, probabilities: Floats) -> Judged:
    """Another classifier, such as a merge, judged on the rows of an ensemble; probabilities: (row, label)."""
    best = ensemble.members[ensemble.best].chosen
    return _judged(name, probabilities, probabilities.argmax(1), ensemble.truth, best)


def _judged(
    name: str,
    p: Floats,
    chosen: Ints,
    right: Ints,
    best: Ints | None,
    votes: bool = False,
    seed: int = 0,
) -> Judged:
    """best: what the best member chose; None: it is that one."""
    found = _outcomes(chosen, right)
    loss = None if votes else float(-np.log(np.clip(p[np.arange(len(right)), right], 1e-12, None)).mean())
    against = None if best is None else statistics.compare(found, _outcomes(best, right), seed)
    return Judged(name, p, chosen, statistics.accuracy(found), loss, against)


def _outcomes(chosen: Ints, right: Ints) -> list[Outcome]:
    return ["correct" if ok else "wrong" for ok in chosen == right]


def one(ensemble: Ensemble, learned: Floats, text: Floats) -> dict[Way, Floats]:
    """What each way says of one more text, (label,), when it has learned from all rows.

    Args:
        learned: (member, row, label), the members on the rows of `ensemble`.
        text: (member, label), the members on the new text.
    """
    new = text[:, None]
    stacker = Stacker(learned, ensemble.truth, len(ensemble.labels))
    return {
        "vote": vote(new)[0][0],
        "average": text.mean(0),
        "weighted": ensemble.weights @ text,
        "stacking": stacker.predict(new)[0],
    }


def vote(probabilities: Floats) -> tuple[Floats, Ints]:
    """Shares of votes, (row, label), and the winners, (row,), of (member, row, label)."""
    n_labels = probabilities.shape[2]
    shares = np.eye(n_labels)[probabilities.argmax(2)].mean(0)
    return shares, (shares + 1e-6 * probabilities.mean(0)).argmax(1)


def mixture_weights(probabilities: Floats, right: Ints, steps: int = 500) -> Floats:
    """(member,), sum to 1: the weights of the mean under which the right labels are most probable."""
    given = np.clip(probabilities[:, np.arange(len(right)), right], 1e-12, None)  # (member, row)
    weights = np.full(len(given), 1 / len(given))
    for _ in range(steps):
        shares = weights[:, None] * given
        new = (shares / shares.sum(0)).mean(1)
        if np.abs(new - weights).max() < 1e-9:
            break
        weights = new
    return weights


class Stacker:
    """Logistic regression on the log-odds of the members."""

    def __init__(self, probabilities: Floats, right: Ints, n_labels: int) -> None:
        from sklearn.linear_model import LogisticRegression

        self._n_labels, self._seen = n_labels, np.unique(right)
        self._model = None
        if len(self._seen) > 1:
            self._model = LogisticRegression(C=1.0, max_iter=2000).fit(_odds(probabilities), right)

    def predict(self, probabilities: Floats) -> Floats:
        """(row, label); labels that it was not taught have 0."""
        found = np.zeros((probabilities.shape[1], self._n_labels))
        if self._model is None:
            found[:, self._seen] = 1.0
        else:
            found[:, self._model.classes_] = self._model.predict_proba(_odds(probabilities))
        return found


def _odds(probabilities: Floats) -> Floats:
    """(row, member * (label - 1)): ln p of each label against the first."""
    logs = np.log(np.clip(probabilities, 1e-6, 1.0))
    odds = logs[:, :, 1:] - logs[:, :, :1]
    return odds.transpose(1, 0, 2).reshape(probabilities.shape[1], -1)


def _places(labels: Sequence[str], truth: Sequence[str]) -> Ints:
    known = {label.strip().lower(): place for place, label in enumerate(labels)}
    for row, answer in enumerate(truth, 1):
        if answer.strip().lower() not in known:
            raise PlaygroundError(
                f"Row {row} has the answer “{answer}”, which is no label. There are: {', '.join(labels)}."
            )
    if len(truth) < LEAST_ROWS:
        raise PlaygroundError(f"There are {len(truth)} rows; weights are learned from at least {LEAST_ROWS}. Add some.")
    return np.array([known[answer.strip().lower()] for answer in truth])


def _folds(right: Ints, seed: int) -> Ints:
    """(row,): the fold of each, every label spread over all folds."""
    rng = np.random.default_rng(seed)
    folds = np.zeros(len(right), int)
    dealt = 0
    for label in np.unique(right):
        rows = rng.permutation(np.flatnonzero(right == label))
        folds[rows] = (np.arange(len(rows)) + dealt) % FOLDS
        dealt += len(rows)
    return folds
