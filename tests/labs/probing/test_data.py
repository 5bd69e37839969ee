"""The data sets that ship are what their generator makes, and nothing in them gives a label away."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from playground.errors import PlaygroundError
from playground.labs.internals.probing import controls, folds, tasks
from playground.labs.internals.probing.examples import find

TASKS = pytest.mark.parametrize("task", tasks.TASKS, ids=lambda task: task.name)


def test_the_files_are_what_the_generator_writes():
    code = "import generate, json; print(json.dumps(generate.files()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tasks.FOLDER, capture_output=True, text=True, check=True)
    import json

    made = json.loads(done.stdout)
    assert set(made) == {f"{task.name}.csv" for task in tasks.TASKS} == {p.name for p in tasks.FOLDER.glob("*.csv")}
    for name, content in made.items():
        assert (tasks.FOLDER / name).read_text("utf-8") == content, f"run python {tasks.FOLDER.name}/generate.py"


@TASKS
def test_labels_are_balanced_and_no_text_comes_twice(task):
    examples = tasks.examples(task)
    assert len(examples) >= 380
    assert len(set(examples.texts)) == len(examples)
    counts = Counter(examples.labels)
    assert set(counts) == set(task.classes) == set(examples.classes)
    assert len(set(counts.values())) == 1
    assert examples.repeats
    if task.about_a_word:
        assert all(find(t, w) for t, w in zip(examples.texts, examples.words, strict=True))


@TASKS
def test_the_same_item_is_never_trained_on_and_asked_about(task):
    examples = tasks.examples(task)
    labels = np.array([examples.classes.index(label) for label in examples.labels])
    items = np.array(examples.items)
    parts = folds.splits(labels, items)
    assert len(parts) == 5 and sorted(np.concatenate([test for _, test in parts])) == list(range(len(examples)))
    for train, test in parts:
        assert not set(items[train]) & set(items[test])


@TASKS
def test_words_alone_are_near_chance_but_for_the_length(task):
    examples = tasks.examples(task)
    labels = np.array([examples.classes.index(label) for label in examples.labels])
    parts = folds.splits(labels, np.array(examples.items))
    right = (controls.words_alone(examples, labels, parts) == labels).mean()
    if task.name == "sentence_length":
        assert right > 0.9
    elif task.name == "word_order":
        assert right == 0.5, "the same words, so nothing to tell them by"
    else:
        assert right < 1 / len(task.classes) + 0.1


def test_lengths_are_what_the_labels_say():
    examples = tasks.examples(tasks.named("sentence_length"))
    sizes = {"short": range(5, 9), "medium": range(11, 15), "long": range(19, 25)}
    for text, label in zip(examples.texts, examples.labels, strict=True):
        assert len(text.split()) in sizes[label]
    firsts = {label: Counter() for label in sizes}
    for text, label in zip(examples.texts, examples.labels, strict=True):
        firsts[label][text.split()[0]] += 1
    assert firsts["short"] == firsts["medium"] == firsts["long"], "the first word says nothing"


def test_an_unknown_task_is_answered_with_those_there_are():
    with pytest.raises(PlaygroundError, match=r"no task called 'tenses'.*subject_number"):
        tasks.named("tenses")
    assert (Path(tasks.FOLDER) / "README.md").is_file()
