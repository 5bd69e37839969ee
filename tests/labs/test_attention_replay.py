"""The script, run by a Python that knows nothing of Playground, gives the numbers of the maps."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from playground.errors import PlaygroundError
from playground.labs.attention import maps as attention
from playground.labs.attention import views as attention_views
from playground.labs.attention.replay import replay
from tests import tiny

CASES = {
    "llama": dict(text='The cat said "it\'s mine"\n</script>', layers=[0, 2], heads=[1, 3]),
    "bert": dict(text="The cat sat.", text_pair="The doctor asked."),
    "t5": dict(text="The cat sat.", kind="cross", layers=[1]),
}


def test_scripts_run_alone_and_give_the_same_numbers(tmp_path):
    """All in one process, since importing transformers is what takes the time."""
    scripts: list[str] = []
    expected = []
    for number, (architecture, asked) in enumerate(CASES.items()):
        engine = tiny.loaded(tiny.save(tmp_path / architecture, architecture))
        maps = attention.attention(engine, **asked)
        expected.append(maps.weights)
        text = replay(engine, maps)
        assert "playground" not in text and str(tmp_path) not in text
        text = text.replace("PATH/TO/", f"{tmp_path}/")
        script = tmp_path / f"{number}.py"
        script.write_text(text.replace("attention.npy", f"{number}.npy"), "utf-8")
        scripts.append(str(script))
    code = "import runpy, sys\nfor script in sys.argv[1:]:\n    runpy.run_path(script)"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code, *scripts],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    for number, weights in enumerate(expected):
        np.testing.assert_allclose(np.load(tmp_path / f"{number}.npy"), weights, atol=1e-6)


def test_only_what_the_model_computes_has_a_script():
    engine = tiny.engine("llama")
    maps = attention.attention(engine, "The cat sat on the mat")
    for view in (attention_views.mean_over_heads, attention_views.words, attention_views.rollout):
        with pytest.raises(PlaygroundError, match="maps as the model computes them"):
            replay(engine, view(maps))
    with pytest.raises(PlaygroundError, match="maps as the model computes them"):
        replay(engine, attention_views.without(maps, "first"))
    with pytest.raises(PlaygroundError, match="save this one first"):
        replay(replace(engine, reference="merge:mine"), maps)
