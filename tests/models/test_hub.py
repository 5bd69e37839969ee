"""Models from the hub, against a small hub on this machine: fetched whole, found again without it, refused in words."""

import json
import shutil
import socket
import time
from collections import namedtuple

import pytest

from playground.errors import PlaygroundError
from playground.models import disk, gguf, gguf_header, sources
from playground.models import hub as hub_models
from playground.models.progress import quiet
from playground.settings import Settings
from tests import tiny, tiny_gguf


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("models") / "llama", "llama")


@pytest.fixture
def folder(llama, tmp_path):
    """A copy that a test may change before it is offered."""
    return shutil.copytree(llama, tmp_path / "offered")


@pytest.fixture
def settings(tmp_path):
    return Settings(cache_dir=tmp_path / "cache")


def complaint(text, settings) -> str:
    with pytest.raises(PlaygroundError) as error:
        sources.fetch(text, settings, quiet)
    assert sources.locate(text, settings) is None
    return str(error.value)


def fetched(hub) -> set[str]:
    """Names of the files that were sent."""
    return {
        request.split("/", 5)[-1] for request in hub.requests if request.startswith("GET") and "/resolve/" in request
    }


def test_a_model_is_fetched_whole_and_found_again_without_the_hub(hub, llama, settings):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    commit = hub.add("org/tiny", llama)
    told = []
    assert sources.locate("org/tiny", settings) is None
    files = sources.fetch("org/tiny", settings, lambda fraction, sentence: told.append((fraction, sentence)))
    assert files.reference == "org/tiny"
    assert files.revision == commit
    assert files.n_parameters == sources.locate(str(llama), settings).n_parameters
    assert AutoModelForCausalLM.from_pretrained(files.folder)
    assert AutoTokenizer.from_pretrained(files.folder).chat_template
    assert told[0] == (None, "Asking the hub for org/tiny")
    fractions = [fraction for fraction, _ in told[1:]]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert "Fetching org/tiny from the hub" in told[-1][1]

    seen = len(hub.requests)
    assert sources.locate("org/tiny", settings) == files
    assert sources.fetch("org/tiny", settings, quiet) == files
    assert len(hub.requests) == seen, "what is here is not asked for"
    hub.stop()
    hub.start()
    assert sources.fetch("org/tiny", settings.model_copy(update={"offline": True}), quiet) == files
    # by its commit it is the same model, and just as much here
    assert sources.locate(f"org/tiny@{commit}", settings).folder == files.folder


def test_only_what_loading_needs_is_fetched(hub, folder, settings):
    wanted = {path.name for path in folder.iterdir()}
    for name in ("pytorch_model.bin", "flax_model.msgpack", "README.md", "modeling_own.py", "consolidated.safetensors"):
        (folder / name).write_bytes(b"never fetched")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.safetensors").write_bytes(b"never fetched")
    hub.add("org/tiny", folder)
    sources.fetch("org/tiny", settings, quiet)
    assert fetched(hub) == wanted


def test_the_parts_of_a_sentence_model_are_fetched(hub, tmp_path, settings):
    folder = tiny.save(tmp_path / "bert", "bert")
    (folder / "modules.json").write_text("[]")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text("{}")
    hub.add("org/bert", folder)
    files = sources.fetch("org/bert", settings, quiet)
    assert (files.folder / "1_Pooling" / "config.json").exists()
    assert (files.folder / "modules.json").exists()


def test_revisions_live_beside_each_other(hub, llama, tmp_path, settings):
    other = tiny.save(tmp_path / "other", "gpt2")
    hub.add("org/tiny", llama)
    hub.add("org/tiny", other, revision="v2")
    assert sources.fetch("org/tiny@v2", settings, quiet).config["model_type"] == "gpt2"
    assert sources.locate("org/tiny", settings) is None
    assert sources.fetch("org/tiny", settings, quiet).config["model_type"] == "llama"
    assert sources.locate("org/tiny@v2", settings).config["model_type"] == "gpt2"
    assert "no revision “v3”" in complaint("org/tiny@v3", settings)


def test_a_model_in_parts(hub, folder, settings):
    from transformers import AutoModelForCausalLM

    (model := AutoModelForCausalLM.from_pretrained(folder)).save_pretrained(folder, max_shard_size="50KB")
    (folder / "model.safetensors").unlink()
    hub.add("org/parts", folder)
    files = sources.fetch("org/parts", settings, quiet)
    assert len(list(files.folder.glob("model-*.safetensors"))) > 1
    assert files.n_parameters == model.num_parameters()


def test_a_token_reaches_private_and_gated_models(hub, llama, settings, monkeypatch):
    hub.add("org/gated", llama, gated=True)
    hub.add("org/private", llama, private=True)
    said = complaint("org/gated", settings)
    assert "gated" in said
    assert f"{hub.endpoint}/org/gated" in said
    assert "set HF_TOKEN" in said
    assert not any(name.endswith(".safetensors") for name in fetched(hub))
    assert "Check the spelling" in (unknown := complaint("org/private", settings))
    assert unknown.replace("org/private", "org/nothing") == complaint("org/nothing", settings)

    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert "does not accept the token" in complaint("org/gated", settings)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert sources.fetch("org/gated", settings, quiet).n_parameters
    assert sources.fetch("org/private", settings, quiet).n_parameters
    assert "Check the spelling" in complaint("org/nothing", settings)


def test_a_hub_that_cannot_be_reached_is_told_at_once(hub, llama, settings):
    hub.add("org/tiny", llama)
    hub.stop()
    start = time.perf_counter()
    said = complaint("org/tiny", settings)
    assert time.perf_counter() - start < 3
    assert "the hub cannot be reached" in said
    assert "the starters need no hub" in said
    hub.start()


def test_a_hub_that_never_answers_is_given_up(hub, settings, monkeypatch):
    monkeypatch.setattr(hub_models, "ANSWER_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and says nothing
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        start = time.perf_counter()
        assert "cannot be reached" in complaint("org/tiny", settings)
        assert time.perf_counter() - start < 3


@pytest.mark.parametrize(("status", "words"), [(429, "too often"), (503, r"error \(503\)"), (500, r"error \(500\)")])
def test_a_hub_that_is_not_well(hub, settings, status, words):
    hub.status = status
    start = time.perf_counter()
    with pytest.raises(PlaygroundError, match=words):
        sources.fetch("org/tiny", settings, quiet)
    assert time.perf_counter() - start < 3


def test_offline_asks_nobody(hub, llama, settings):
    hub.add("org/tiny", llama)
    assert "PLAYGROUND_OFFLINE" in complaint("org/tiny", settings.model_copy(update={"offline": True}))
    assert hub.requests == []


def test_the_hubs_own_offline_switch(hub, llama, settings, monkeypatch):
    hub.add("org/tiny", llama)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in complaint("org/tiny", settings)
    assert hub.requests == []


def test_no_room_on_the_disk_is_seen_before_the_weights_come(hub, llama, settings, monkeypatch):
    hub.add("org/tiny", llama)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder: namedtuple("usage", "free")(1_000_000))
    said = complaint("org/tiny", settings)
    assert "not enough disk space for fetching org/tiny" in said
    assert "HF_HOME" in said
    assert "model.safetensors" not in fetched(hub)


def test_a_cache_that_cannot_be_written(hub, llama, settings, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "file" / "cache"))
    hub.add("org/tiny", llama)
    assert "Set HF_HOME" in complaint("org/tiny", settings)


def test_what_is_no_model_for_us_is_refused_before_its_weights_come(hub, folder, settings):
    config = json.loads((folder / "config.json").read_text())
    hub.add("org/tiny", folder)
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "martian"}))
    assert "architecture “martian”" in complaint("org/tiny", settings)
    hub.repositories.clear()
    (folder / "config.json").write_text(
        json.dumps({**config, "model_type": "own", "auto_map": {"AutoConfig": "own.C"}})
    )
    (folder / "own.py").write_text("C = None")
    hub.add("org/own", folder)
    assert "PLAYGROUND_REMOTE_CODE" in complaint("org/own", settings)
    assert not {"model.safetensors", "own.py"} & fetched(hub)
    files = sources.fetch("org/own", settings.model_copy(update={"remote_code": True}), quiet)
    assert (files.folder / "own.py").exists()


def test_packed_weights_are_refused_before_they_come(hub, folder, settings):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "awq"}}))
    hub.add("org/tiny-AWQ", folder)
    assert "packed weights (awq)" in complaint("org/tiny-AWQ", settings)
    assert "model.safetensors" not in fetched(hub)


def test_too_large_for_the_memory_is_seen_before_the_weights_come(hub, llama, settings):
    hub.add("org/tiny", llama)
    n_bytes = (llama / "model.safetensors").stat().st_size
    with pytest.raises(PlaygroundError, match=r"org/tiny needs at least .* models may use .* smaller model"):
        sources.fetch("org/tiny", settings, quiet, n_bytes // 2 - 1)
    assert "model.safetensors" not in fetched(hub)
    # float32 files may halve when they are loaded: whoever reads their headers knows
    assert sources.fetch("org/tiny", settings, quiet, n_bytes // 2)


def test_an_adapter_beside_a_whole_model_is_left_where_it_is(hub, folder, settings):
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.bin").write_bytes(b"never fetched")
    hub.add("org/both", folder)
    files = sources.fetch("org/both", settings, quiet)
    assert not list(files.folder.glob("adapter*"))


def test_forms_that_are_not_loaded(hub, folder, tmp_path, settings):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    hub.add("org/pickle", folder)
    assert "only as pickle (pytorch_model.bin)" in complaint("org/pickle", settings)
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    (adapter / "adapter_model.safetensors").write_bytes(b"x")
    hub.add("org/adapter", adapter)
    assert "is an adapter" in complaint("org/adapter", settings)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "README.md").write_text("soon")
    hub.add("org/empty", tmp_path / "empty")
    assert "has no weights" in complaint("org/empty", settings)
    assert "pytorch_model.bin" not in fetched(hub)


def test_gguf_files_from_the_hub(hub, llama, tmp_path, settings, monkeypatch):
    # test_gguf.py shows that converting leads back to this model; here only the way there matters, so save the minute
    def convert(file, folder, name, report):
        gguf_header.read(file, name)
        shutil.copytree(llama, folder, dirs_exist_ok=True)

    monkeypatch.setattr(gguf, "convert", convert)
    folder = tmp_path / "gguf"
    folder.mkdir()
    tiny_gguf.write(folder / "tiny-F32.gguf", llama)
    shutil.copy(folder / "tiny-F32.gguf", tmp_path / "spare")
    commit = hub.add("org/tiny-GGUF", folder)
    files = sources.fetch("org/tiny-GGUF", settings, quiet)
    assert files.revision == commit
    assert files.n_parameters == sources.locate(str(llama), settings).n_parameters
    assert sources.locate("org/tiny-GGUF", settings) == files

    shutil.copy(tmp_path / "spare", folder / "tiny-Q9.gguf")
    hub.add("org/more-GGUF", folder)
    said = complaint("org/more-GGUF", settings)
    assert "2 GGUF files" in said
    assert "org/more-GGUF/tiny-F32.gguf" in said
    assert "tiny-Q9.gguf" in said
    assert "has no file tiny-Q1.gguf. It has: tiny-F32.gguf, tiny-Q9.gguf" in complaint(
        "org/more-GGUF/tiny-Q1.gguf", settings
    )
    named = sources.fetch("org/more-GGUF/tiny-Q9.gguf", settings, quiet)
    assert named.reference == "org/more-GGUF/tiny-Q9.gguf"
    assert sources.locate("org/more-GGUF/tiny-Q9.gguf", settings) == named
    assert "2 GGUF files" in complaint("org/more-GGUF", settings), "one file that is here does not stand for all"


def test_what_a_broken_download_left_is_not_taken_for_whole(hub, llama, settings):
    commit = hub.add("org/tiny", llama)
    files = sources.fetch("org/tiny", settings, quiet)
    for name in ("model.safetensors", "config.json"):
        (files.folder / name).rename(files.folder / "away")
        assert sources.locate("org/tiny", settings) is None
        assert sources.fetch("org/tiny", settings, quiet) == files
        (files.folder / "away").unlink()
    assert commit == files.revision
    # other programs may have fetched weights without the tokenizer
    for path in list(files.folder.glob("token*")) + list(files.folder.glob("vocab*")):
        path.unlink()
    assert sources.locate("org/tiny", settings) is None
    assert sources.fetch("org/tiny", settings, quiet) == files
    assert (files.folder / "tokenizer.json").exists()


def test_a_listener_that_leaves_ends_the_download(hub, llama, settings):
    hub.add("org/tiny", llama)

    def leave(fraction, sentence):
        if fraction:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sources.fetch("org/tiny", settings, leave)
    assert sources.locate("org/tiny", settings) is None
    assert sources.fetch("org/tiny", settings, quiet)
