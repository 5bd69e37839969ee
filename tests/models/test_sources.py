"""References and folders: what a text names, what is allowed, what is whole, and a sentence for all that is not."""

import json
import os
import shutil
import struct
import subprocess
import sys
import time

import pytest
from safetensors.numpy import load_file, save_file

from playground.errors import PlaygroundError
from playground.models import folder as folders
from playground.models import sources
from playground.models.progress import quiet
from playground.models.sources import Reference, parse
from playground.settings import Settings
from tests import tiny


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("models") / "llama", "llama")


@pytest.fixture
def folder(llama, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(llama, tmp_path / "model")


@pytest.fixture
def settings(tmp_path):
    return Settings(cache_dir=tmp_path / "cache")


def complaint(text, settings) -> str:
    with pytest.raises(PlaygroundError) as error:
        sources.fetch(str(text), settings, quiet)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("org/name", Reference("hub", "org/name")),
        (" 'org/name@v1.0' ", Reference("hub", "org/name", "v1.0")),
        ("org/name@refs/pr/1", Reference("hub", "org/name", "refs/pr/1")),
        ("org/name/file-Q4_K_M.gguf", Reference("hub", "org/name/file-Q4_K_M.gguf")),
        ("org/name@main", Reference("hub", "org/name")),
        ("org/name@main#int8", Reference("hub", "org/name", None, "int8")),
        ("org/name/deep/file.gguf@main", Reference("hub", "org/name/deep/file.gguf")),
        ("org/named.gguf@main", Reference("hub", "org/named.gguf", "main")),
        ("https://huggingface.co/org/name", Reference("hub", "org/name")),
        ("huggingface.co/org/name/tree/dev", Reference("hub", "org/name", "dev")),
        ("https://hf.co/org/name/blob/main/x.gguf", Reference("hub", "org/name/x.gguf")),
        ("/models/one", Reference("folder", "/models/one")),
        ("/models/one/../two/", Reference("folder", "/models/two")),
        ("/models/file.GGUF", Reference("gguf", "/models/file.GGUF")),
        ("starter:Some-Name", Reference("starter", "some-name")),
    ],
)
def test_what_a_text_names(text, reference):
    assert parse(text) == reference
    assert parse(str(reference)) == reference


def test_relative_paths_become_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse("./x") == parse("~/x") == Reference("folder", f"{tmp_path}/x")
    assert parse("x.gguf") == Reference("gguf", f"{tmp_path}/x.gguf")
    assert parse("sub/x.gguf") == Reference("gguf", f"{tmp_path}/sub/x.gguf")


@pytest.mark.parametrize(
    "text", [None, "", "  ", "two words", "a/b/c", "org/..", "a--b/c", "org/name@", "x\ny/z", "n" * 2000]
)
def test_what_names_nothing_is_told_how_names_are_written(text):
    with pytest.raises(PlaygroundError, match="Write a hub id"):
        parse(text)


def test_a_short_name_is_pointed_at_the_full_one():
    with pytest.raises(PlaygroundError, match="Did you mean openai-community/gpt2"):
        parse("gpt2")


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_a_folder_is_counted_without_torch(architecture, tmp_path, settings):
    import transformers

    folder = tiny.save(tmp_path / architecture, architecture)
    files = sources.fetch(str(folder), settings, quiet)
    model = getattr(transformers, files.config["architectures"][0]).from_pretrained(folder)
    assert files.n_parameters == sum(parameter.numel() for parameter in model.parameters())
    assert files.n_bytes == (folder / "model.safetensors").stat().st_size
    assert files.reference == str(folder)
    assert files.folder == folder
    assert files == sources.locate(str(folder), settings)


def test_masks_and_positions_among_the_weights_are_no_parameters(folder, settings):
    import numpy as np

    before = sources.locate(str(folder), settings).n_parameters
    masks = {
        "h.0.attn.bias": np.ones((1, 1, 64, 64), np.float32),
        "h.0.attn.masked_bias": np.ones((), np.float32),
        "rotary.inv_freq": np.ones(16, np.float32),
        "embeddings.position_ids": np.arange(64),
    }
    save_file({**load_file(folder / "model.safetensors"), **masks}, folder / "model.safetensors")
    assert sources.locate(str(folder), settings).n_parameters == before


def test_locating_is_quick_and_imports_nothing_heavy(llama, tmp_path):
    code = (
        "import sys, time\nfrom playground.models import sources\nfrom playground.settings import Settings\n"
        "settings = Settings()\nstart = time.perf_counter()\n"
        f"assert sources.locate({str(llama)!r}, settings)\nprint(time.perf_counter() - start)\n"
        "print(*{'torch', 'transformers', 'huggingface_hub', 'gguf', 'numpy'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert shown.returncode == 0, shown.stderr
    seconds, imported = shown.stdout.splitlines()
    assert float(seconds) < 0.1
    assert imported == ""


def test_the_revision_of_a_folder_follows_its_content_alone(folder, tmp_path, settings):
    first = sources.locate(str(folder), settings).revision
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert sources.locate(str(copy), settings).revision == first
    weights = load_file(copy / "model.safetensors")
    for name in weights:  # shapes stay, as after training
        weights[name] = weights[name] + 1
        save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
        changed = sources.locate(str(copy), settings).revision
        assert changed != first, name
        first = changed


def test_weights_that_stay_as_they_are_are_read_once_and_again_when_they_change(folder, settings, monkeypatch):
    reads = []
    header = folders._header
    monkeypatch.setattr(folders, "_header", lambda path, name: reads.append(path) or header(path, name))
    monkeypatch.setattr(folders, "_FRESH", 10**18)
    weights = folder / "model.safetensors"
    first = sources.locate(str(folder), settings)
    assert sources.locate(str(folder), settings) == first and len(reads) == 2, "a file just written may still change"
    monkeypatch.setattr(folders, "_FRESH", 0)
    assert {sources.locate(str(folder), settings).revision for _ in range(5)} == {first.revision}
    assert len(reads) == 3
    with weights.open("r+b") as file:  # one byte in place
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    assert sources.locate(str(folder), settings).revision != first.revision
    os.truncate(weights, weights.stat().st_size - 1)
    assert sources.locate(str(folder), settings) is None
    weights.unlink()
    assert sources.locate(str(folder), settings) is None


def test_a_model_in_parts_is_read_whole(folder, settings):
    import transformers

    before = sources.locate(str(folder), settings)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="50KB")
    parts = sorted(folder.glob("model-*.safetensors"))
    assert len(parts) > 1
    assert sources.locate(str(folder), settings).n_parameters == before.n_parameters

    parts[1].rename(folder / "elsewhere")
    assert sources.locate(str(folder), settings) is None
    assert "is not whole" in (said := complaint(folder, settings))
    assert parts[1].name in said
    shutil.copy(parts[0], parts[1])
    assert "are in none of its files" in complaint(folder, settings)


def test_weights_cut_short_are_noticed(folder, settings):
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    for keep in (len(whole) - 1, 1000, 9, 3, 0):
        weights.write_bytes(whole[:keep])
        assert sources.locate(str(folder), settings) is None
        assert "cut short" in complaint(folder, settings), keep
    weights.write_bytes(whole + b"x")
    assert "longer than its header says" in complaint(folder, settings)
    for header in (b"no json at all", b'{"a": 1}', b"[]"):
        weights.write_bytes(struct.pack("<Q", len(header)) + header)
        assert "damaged" in complaint(folder, settings)
    weights.write_bytes(struct.pack("<Q", 1 << 60) + b"x" * 100)
    assert "damaged" in complaint(folder, settings)
    weights.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    assert "git lfs pull" in complaint(folder, settings)


@pytest.mark.parametrize("with_config", [True, False])
def test_a_folder_with_only_a_pickle_is_told_what_to_do(folder, settings, with_config):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    if not with_config:
        (folder / "config.json").unlink()
    assert sources.locate(str(folder), settings) is None
    said = complaint(folder, settings)
    assert "only as pickle (pytorch_model.bin)" in said
    assert "save_pretrained" in said


def test_other_folders_that_are_no_model(folder, tmp_path, settings):
    assert "There is no folder" in complaint(tmp_path / "nowhere", settings)
    (tmp_path / "empty").mkdir()
    assert "no config.json" in complaint(tmp_path / "empty", settings)
    (folder / "model.safetensors").rename(folder / "tf_model.h5")
    assert "only tf_model.h5" in complaint(folder, settings)
    (folder / "tf_model.h5").unlink()
    assert "has no weights" in complaint(folder, settings)
    (folder / "config.json").unlink()
    (folder / "model-Q8.gguf").touch()
    assert f"Name the one to use: {folder}/model-Q8.gguf" in complaint(folder, settings)
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base"}')
    assert "adapter" in (said := complaint(folder, settings))
    assert "org/base" in said


def test_an_adapter_is_not_slipped_over_a_whole_model(folder, settings):
    for config, base in (('{"base_model_name_or_path": "org/base"}', "base model org/base"), ("{}", "base model.")):
        (folder / "adapter_config.json").write_text(config)
        assert sources.locate(str(folder), settings) is None
        said = complaint(folder, settings)
        assert "adapter_config.json beside a whole model" in said
        assert base in said


def test_a_config_that_cannot_be_used(folder, settings):
    config = json.loads((folder / "config.json").read_text())

    def with_config(**changes) -> str:
        (folder / "config.json").write_text(json.dumps({**config, **changes}))
        return complaint(folder, settings)

    assert "architecture “martian”" in with_config(model_type="martian")
    assert "does not say which architecture" in with_config(model_type=None)
    refused = with_config(model_type="martian", auto_map={"AutoModelForCausalLM": "modeling_martian.M"})
    assert "PLAYGROUND_REMOTE_CODE" in refused
    allowed = settings.model_copy(update={"remote_code": True})
    assert sources.fetch(str(folder), allowed, quiet).config["model_type"] == "martian"
    # an architecture that transformers has needs none of the code that the folder offers beside it
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoConfig": "own.Config"}}))
    assert sources.fetch(str(folder), settings, quiet)
    packed = with_config(quantization_config={"quant_method": "gptq", "bits": 4})
    assert "packed weights (gptq)" in packed
    assert "original, unpacked model" in packed
    assert "packed weights" in with_config(quantization_config={"load_in_4bit": True})
    (folder / "config.json").write_text("{half a con")
    assert "config.json" in complaint(folder, settings)
    (folder / "config.json").write_text("[1]")
    assert "not a JSON object" in complaint(folder, settings)


def test_local_paths_are_refused_where_strangers_are(llama, settings):
    public = settings.model_copy(update={"public": True})
    for text in (str(llama), f"{llama}/x.gguf", "/nowhere"):
        assert "PLAYGROUND_LOCAL_PATHS" in complaint(text, public)
        with pytest.raises(PlaygroundError, match="not allowed"):
            sources.locate(text, public)
    assert sources.locate(str(llama), public.model_copy(update={"local_paths": True}))
    assert sources.locate(str(llama), public.model_copy(update={"default_models": (str(llama), "no name")}))
    assert "PLAYGROUND_LOCAL_PATHS" in complaint(llama, settings.model_copy(update={"local_paths": False}))


def test_organisations_are_limited(settings):
    offline = settings.model_copy(update={"offline": True})
    limited = offline.model_copy(update={"organisations": ("Good", "better")})
    assert "Models of evil are not allowed" in (said := complaint("evil/model", limited))
    assert "Good, better" in said
    for name in ("good/model", "Better/model"):
        assert "offline" in complaint(name, limited)
    public = offline.model_copy(update={"public": True})
    assert "not allowed" in complaint("evil/model", public)
    assert "offline" in complaint("Qwen/anything", public)
    assert "offline" in complaint("evil/model", public.model_copy(update={"default_models": ("evil/model",)}))


def test_unknown_starters_are_told_which_there_are(settings):
    assert "starter:smollm2-135m-instruct, starter:all-minilm-l6-v2" in complaint("starter:nope", settings)


@pytest.mark.starter
def test_starters_are_located_at_once(starter_cache):
    settings = Settings(cache_dir=starter_cache, offline=True)
    start = time.perf_counter()
    files = sources.locate("starter:smollm2-135m-instruct", settings)
    assert time.perf_counter() - start < 0.5
    assert files.revision == "bcc81830d10c"
    assert files == sources.fetch("starter:smollm2-135m-instruct", settings, quiet)
