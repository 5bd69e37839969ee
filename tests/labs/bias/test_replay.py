"""The scripts, run by a Python that knows nothing of Playground and has no network, give the numbers of the results."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from playground.engine.sampling import Sampling
from playground.errors import PlaygroundError
from playground.labs.bias import (
    associations,
    before_after,
    continuations,
    edits,
    fill,
    grid,
    measure,
    replay,
)
from playground.labs.bias.pairs import Pair
from tests import tiny

PAIRS = [Pair(f"The {w} sat on the mat.", f"The {w} asked the nurse.", w) for w in ("cat", "doctor")]
TEMPLATES = ["[MASK] is an {word}.", "The {word} told the woman that [MASK] sat."]
SETS = [["cat", "mat"], ["doctor", "nurse"], ["Paris", "France"], ["capital", "help"]]
TEXTS = ["The cat sat on the mat.", "Paris is the capital of France."]
DIRECTION = (["The cat sat.", "a cat", "The cat asked."], ["The doctor asked.", "a doctor", "The nurse sat."])


def flat(value) -> list:
    """All numbers and texts inside, in order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [one for part in value for one in flat(part)]
    return [value]


def cases(engine):
    """(name, script, what it must leave) of every pane."""
    kind = engine.anatomy.kind
    for asked in (dict(candidates=["cat", "capitals"]), dict(k=4)):
        found = fill.fill(engine, "The [MASK] sat on the mat.", **asked)
        yield f"fill-{next(iter(asked))}", replay.of_fill(engine, found), {w.text: w.logprob for w in found.words}
    found = grid.measure(engine, TEMPLATES, ["cat", "capitals"], "it", "nurse", "doctor")
    raw, prior = [found.raw, *(c.raw for c in found.copies)], [found.prior, *(c.prior for c in found.copies)]
    both = {name: np.vstack(rows).tolist() for name, rows in (("raw", raw), ("prior", prior))}
    yield "grid", replay.of_grid(engine, found), both
    for dialect in measure.OFFERED[kind]:
        found = measure.measure(engine, PAIRS, dialect)
        scores = [[one.first.score, one.second.score] for _, one in sorted(found.scored.items())]
        yield f"pairs-{dialect}", replay.of_pairs(engine, found), scores
    for layer in (None, 2):  # 2: the last, whose residual has not gone through the final norm
        found = associations.weat(engine, "XYAB", SETS, layer)
        one = found.found
        expected = {"effect": one.effect, "s": [*one.x, *one.y], "p": one.p_value}
        yield f"weat-{layer}", replay.of_weat(engine, found), expected
    found = associations.axis(engine, ["cat", "doctor"], ["nurse", "mat"], 1)
    yield "axis", replay.of_axis(engine, found), {"places": found.places.tolist(), "r": found.pearson}
    if kind == "causal":
        sampling = Sampling(max_new_tokens=8, temperature=1.0, seed=3)
        prompts, groups = ["The {group} sat", "A {group} asked"], ["doctor", "cat"]
        *_, found = continuations.write(engine, prompts, groups, 2, sampling)
        texts = sorted(found.texts, key=lambda one: (one.template, groups.index(one.group), one.seed))
        yield "generation", replay.of_generation(engine, found), [one.text for one in texts]
    yield from changes(engine)


def changes(engine):
    before = before_after.state(engine, "before", PAIRS, TEXTS)
    for method, n, steer in (("mean difference", 1, False), ("INLP", 2, False), ("mean difference", 1, True)):
        directions = edits.find(engine, *DIRECTION, [0, 2], method, n)
        made = (edits.steering if steer else edits.removal)(engine, directions, 0.7)
        after = before_after.state(engine, "after", PAIRS, TEXTS, edits=made)
        asked = {"directions": directions, "strength": 0.7, "steer": steer}
        yield f"{method}-{steer}", *changed(engine, before, after, asked)
    after = before_after.argued_state(engine, "after", PAIRS, TEXTS, "A doctor:", decay=50.0)
    yield "argued", *changed(engine, before, after, {"instruction": "A doctor:", "decay": 50.0})
    source = replay.source(engine)
    script = replay.of_other(source, source, PAIRS, before.pairs.dialect, TEXTS)
    yield "other", script, changed(engine, before, before, {"instruction": "x", "decay": 0.0})[1]


def changed(engine, before, after, asked):
    expected = {
        name: {
            "pairs": [[one.first.score, one.second.score] for one in side.pairs.scored.values()],
            "perplexity": side.cost.value,
        }
        for name, side in (("before", before), ("after", after))
    }
    return replay.of_change(engine, PAIRS, before.pairs.dialect, TEXTS, asked), expected


def test_scripts_run_alone_and_give_the_same_numbers(tmp_path):
    """All in one process, since importing transformers is what takes the time."""
    scripts, expected = [], {}
    for architecture in ("bert", "gpt2"):
        engine = tiny.loaded(tiny.save(tmp_path / architecture, architecture))
        for case, text, left in cases(engine):
            name = f"{architecture}-{case}"
            assert "playground" not in text.lower() and str(tmp_path) not in text and name not in expected
            text = text.replace("PATH/TO/", f"{tmp_path}/").replace("bias.json", f"{name}.json")
            (tmp_path / f"{name}.py").write_text(text, "utf-8")
            scripts.append(f"{name}.py")
            expected[name] = left
    code = "import runpy, sys\nfor script in sys.argv[1:]:\n    runpy.run_path(script)"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *scripts],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    for name, left in expected.items():
        ours, theirs = flat(left), flat(json.loads((tmp_path / f"{name}.json").read_text()))
        assert len(ours) == len(theirs) > 0, name
        if name.endswith("generation"):
            assert [text.rstrip("\ufffd") for text in ours] == theirs
        else:
            np.testing.assert_allclose(theirs, ours, atol=2e-3, rtol=1e-3, err_msg=name)


def test_what_has_no_script_says_why():
    engine = tiny.engine("gpt2")
    found = fill.fill(engine, "The [MASK] sat.", candidates=["cat", "nurse"])
    for reference in ("org/name+adapter:json", "merge:mine"):
        with pytest.raises(PlaygroundError, match="files of their own"):
            replay.of_fill(replace(engine, reference=reference), found)
        assert "files of their own" in replay.source(replace(engine, reference=reference)).refused
    *_, cold = continuations.write(engine, ["The {group}"], ["cat", "nurse"], 1, Sampling(2, temperature=0, seed=0))
    with pytest.raises(PlaygroundError, match="raise the temperature"):
        replay.of_generation(engine, cold)
