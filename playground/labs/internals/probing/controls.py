"""What an accuracy has to be compared with: the commonest label, the words alone, and labels that mean nothing.

The control task is that of Hewitt and Liang (2019, "Designing and Interpreting Probes with Control Tasks"): every item
gets one random label, the same wherever it stands. A probe that does well at it learns items by heart; selectivity is
its accuracy at the task less its accuracy at the control. It does not know any model.
"""

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from playground.arrays import Ints
from playground.labs.internals.probing.examples import Examples
from playground.labs.internals.probing.folds import Split

STRENGTH = 1.0  # C of the bag of words


def control_labels(labels: Ints, items: Ints, seed: int = 0) -> Ints:
    """A random label for each item, (text,): each label as often, as nearly as whole items allow, as in the task."""
    rng = np.random.default_rng(seed)
    classes, wanted = np.unique(labels, return_counts=True)
    names, numbers, sizes = np.unique(items, return_inverse=True, return_counts=True)
    left = wanted.astype(float)
    of_item = np.empty(len(names), dtype=classes.dtype)
    for item in rng.permutation(len(names)):
        # drawn by how many texts of each label are still missing
        weights = np.maximum(left, 0)
        label = rng.choice(len(classes), p=weights / weights.sum())
        of_item[item] = classes[label]
        left[label] -= sizes[item]
    return of_item[numbers]


def majority(labels: Ints, parts: list[Split]) -> Ints:
    """What the commonest label of each training part says of its test part, (text,)."""
    said = np.empty_like(labels)
    for train, test in parts:
        classes, counts = np.unique(labels[train], return_counts=True)
        said[test] = classes[counts.argmax()]
    return said


def words_alone(examples: Examples, labels: Ints, parts: list[Split]) -> Ints:
    """What a linear probe says that sees only which words there are and how often, (text,).

    A text's own word, where it has one, counts as a word of another kind.
    """
    texts = list(examples.texts)
    if examples.words is not None:
        texts = [f"{text} \ue000{word}" for text, word in zip(texts, examples.words, strict=True)]
    said = np.empty_like(labels)
    for train, test in parts:
        bag = CountVectorizer(token_pattern=r"\ue000?\w+|[^\w\s]", lowercase=False)
        counts = bag.fit_transform([texts[i] for i in train])
        probe = LogisticRegression(C=STRENGTH, max_iter=300).fit(counts, labels[train])
        said[test] = probe.predict(bag.transform([texts[i] for i in test]))
    return said
