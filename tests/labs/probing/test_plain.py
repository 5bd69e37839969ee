"""A probing as files and as Python: nothing lost, and the script makes the number again without the playground."""

import csv
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from playground.labs import published
from playground.labs.internals.probing import experiment, plain, replay
from playground.labs.internals.probing.examples import checked
from playground.labs.internals.probing.experiment import Settings
from playground.labs.published import Published
from tests import tiny
from tests.labs.probing.made import finish, planted, texts


@pytest.fixture(scope="module")
def found():
    return finish(experiment.probe(planted(texts(n=60), 3, 1), Settings()))[0]


def test_arrays_have_the_axes_they_say(found):
    values = json.loads(plain.as_json(found))
    sizes = {"layer": 3, "fold": 5, "true class": 2, "said class": 2, "text": 60, "component": 2}
    for name, axes in plain.AXES.items():
        assert values[name]["axes"] == list(axes)
        assert np.shape(values[name]["values"]) == tuple(sizes[axis] for axis in axes)
        shown, held = (np.asarray(array, float) for array in (values[name]["values"], getattr(found, name)))
        np.testing.assert_allclose(shown, held, atol=1e-6)
    assert values["best"] in (1, 2) and values["complete"] and len(values["texts"]) == 60
    assert values["provenance"]["settings"]["folds"] == 5
    assert "points" not in plain.as_dict(found, every_text=False)


def test_tables_hold_the_same_numbers(found):
    rows = list(csv.DictReader(io.StringIO(plain.layers_csv(found))))
    assert [row["layer"] for row in rows] == ["0", "1", "2", "words", "majority"]
    np.testing.assert_allclose([float(row["accuracy"]) for row in rows[:3]], found.accuracy, rtol=1e-5)
    assert [row["above"] for row in rows[:3]] == ["0", "1", "1"]
    listed = list(csv.DictReader(io.StringIO(plain.texts_csv(found))))
    right = np.mean([row["said"] == row["label"] for row in listed])
    assert right == found.accuracy[found.at(found.best)]
    assert {row["fold"] for row in listed} == set("01234")


NOUNS = ["cat", "mat", "doctor", "nurse", "capital", "text", "city", "house"]


def test_the_script_makes_the_number_again_in_a_fresh_process(tmp_path):
    """Both in one process, since importing transformers is what takes the time."""
    lines = [f"The {noun} {verb} the {other}." for noun in NOUNS for verb in ("saw", "helps") for other in NOUNS[:3]]
    labels = ["past" if "saw" in line else "present" for line in lines]
    examples = checked(lines, labels, [line.split()[2] for line in lines])
    wanted = []
    for architecture, pooling, kind in (("llama", "word", "linear"), ("t5", "mean", "mlp")):
        folder = tiny.save(tmp_path / architecture, architecture)
        vectors, _ = finish(experiment.read(tiny.loaded(folder), examples, pooling))
        found, _ = finish(experiment.probe(vectors, Settings(pooling=pooling, probe=kind, layers=(2, 3))))
        wanted.append(found.accuracy[1])
        (tmp_path / f"{architecture}.csv").write_text(plain.texts_csv(found), "utf-8")
        code = replay.script(found, published.of(str(folder)), layer=3)
        assert "playground" not in code.replace("the playground", "") and str(folder) not in code
        assert replay.TEXTS in code
        code = code.replace("PATH/TO/", f"{tmp_path}/").replace(replay.TEXTS, f"{architecture}.csv")
        (tmp_path / f"{architecture}.py").write_text(code, "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", "import runpy\nfor name in ('llama', 't5'): runpy.run_path(f'{name}.py')"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if line.startswith("layer 3: accuracy")]
    for line, accuracy in zip(told, wanted, strict=True):
        assert abs(float(line.rsplit(" ", 1)[1]) - accuracy) <= 1 / len(lines) + 1e-4


def test_the_script_asks_the_hub_for_the_revision_that_was_read(found):
    code = replay.script(found, Published("org/name", "0123abc"))
    for auto in ("AutoTokenizer", "AutoModel"):
        assert f"{auto}.from_pretrained(MODEL, revision='0123abc'" in code
    assert "revision=" not in replay.script(found, Published("org/name"))


def test_a_state_space_model_has_no_script_and_says_why(found):
    import dataclasses

    from playground.errors import PlaygroundError

    with pytest.raises(PlaygroundError, match="counts the layers of a state-space model otherwise"):
        replay.script(dataclasses.replace(found, is_recurrent=True), Published("some/mamba"))
