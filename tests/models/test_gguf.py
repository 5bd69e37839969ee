"""GGUF files: read right, converted right and once, and a sentence for each that is not whole or not for us."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import namedtuple

import psutil
import pytest

from playground.errors import PlaygroundError
from playground.models import disk, gguf, gguf_header, sources
from playground.models.progress import quiet
from playground.settings import Settings
from tests import tiny, tiny_gguf


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("models") / "llama", "llama")


@pytest.fixture(scope="module")
def file(llama):
    return tiny_gguf.write(llama.parent / "tiny.gguf", llama)


@pytest.fixture
def settings(tmp_path):
    return Settings(cache_dir=tmp_path / "cache")


@pytest.fixture(scope="module")
def converted(file, tmp_path_factory):
    """The settings, the files and what was reported on the way."""
    settings, told = Settings(cache_dir=tmp_path_factory.mktemp("cache")), []
    assert sources.locate(str(file), settings) is None
    files = sources.fetch(str(file), settings, lambda fraction, sentence: told.append((fraction, sentence)))
    return settings, files, told


def complaint(file, settings) -> str:
    with pytest.raises(PlaygroundError) as error:
        sources.fetch(str(file), settings, quiet)
    assert not list(settings.cache_dir.rglob("*.part"))
    return str(error.value)


def test_the_header_is_read_as_the_gguf_package_reads_it(file):
    import gguf as package

    reader = package.GGUFReader(file)
    header = gguf_header.read(file, "tiny")
    assert header.architecture == "llama"
    assert header.n_parts == 1
    assert header.n_tensors == len(reader.tensors)
    assert header.n_parameters == sum(int(tensor.n_elements) for tensor in reader.tensors)


def test_converted_weights_and_tokens_are_those_that_went_in(file, llama, converted):
    """The file was written from `llama` by llama.cpp's rules, so the conversion must lead back to it."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    settings, files, told = converted
    assert files == sources.locate(str(file), settings)
    before = AutoModelForCausalLM.from_pretrained(llama, dtype=torch.bfloat16)
    after = AutoModelForCausalLM.from_pretrained(files.folder, dtype="auto")
    assert after.dtype == torch.bfloat16
    assert files.n_parameters == sum(parameter.numel() for parameter in after.parameters())
    expected, got = before.state_dict(), after.state_dict()
    assert expected.keys() == got.keys()
    for name in expected:
        assert torch.equal(expected[name], got[name]), name

    old, new = AutoTokenizer.from_pretrained(llama), AutoTokenizer.from_pretrained(files.folder)
    text = "The doctor 你好 👩‍🚀\n    return 12"
    assert new(text)["input_ids"] == old(text)["input_ids"]
    assert new.decode(new(text)["input_ids"], skip_special_tokens=True) == text
    assert new.eos_token == old.eos_token
    turns = [{"role": "user", "content": "Hello"}]
    assert new.apply_chat_template(turns, tokenize=False) == old.apply_chat_template(turns, tokenize=False)

    assert not any("name_or_path" in key for key in files.config)
    assert (files.folder / "model.safetensors").stat().st_mode == (files.folder / "manifest.json").stat().st_mode
    fractions = [fraction for fraction, _ in told if fraction is not None]
    assert fractions == sorted(fractions)
    assert all(sentence for _, sentence in told)


def test_what_is_converted_is_not_converted_again(file, settings, converted, monkeypatch):
    settings, files, _ = converted
    monkeypatch.setattr(gguf, "convert", None)
    assert sources.fetch(str(file), settings, quiet) == files
    facts = file.stat()
    os.utime(file, (1, 1))  # as if another file had taken its place
    assert sources.locate(str(file), settings) is None
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert sources.locate(str(file), settings) == files


def test_files_cut_short_are_noticed_wherever_the_cut_is(file, tmp_path, settings):
    whole = file.read_bytes()
    short = tmp_path / "short.gguf"
    for keep in (len(whole) - 40, len(whole) // 2, 3000, 100, 10):
        short.write_bytes(whole[:keep])
        assert "cut short" in (said := complaint(short, settings)), keep
        assert "short.gguf" in said
    assert re.search(
        r"promises [\d,]+ bytes and it has [\d,]+", complaint(_cut(short, whole, len(whole) - 40), settings)
    )


def _cut(path, data, keep):
    path.write_bytes(data[:keep])
    return path


def test_a_real_vocabularys_length_does_not_slow_the_check(llama, tmp_path, settings):
    large = tiny_gguf.write(tmp_path / "large.gguf", llama, n_more=150_000)
    start = time.perf_counter()
    gguf_header.read(large, "large")
    assert time.perf_counter() - start < 2
    size = large.stat().st_size
    os.truncate(large, size - 1000)
    assert f"promises {size:,} bytes and it has {size - 1000:,}" in complaint(large, settings)


def test_files_that_are_no_model_for_us(llama, tmp_path, settings):
    def saying(data: bytes) -> str:
        (tmp_path / "x.gguf").write_bytes(data)
        return complaint(tmp_path / "x.gguf", settings)

    assert "is not a GGUF file" in saying(b"PK\x03\x04 a zip file")
    assert "is not a GGUF file" in saying(b"")
    assert "git lfs pull" in saying(b"version https://git-lfs.github.com/spec/v1\n")
    assert "version 1" in saying(b"GGUF" + (1).to_bytes(4, "little") + bytes(64))
    assert "cannot be read" in complaint(tmp_path / "nowhere.gguf", settings)
    parts = tiny_gguf.write(tmp_path / "part.gguf", llama, n_parts=3)
    assert "one of 3 parts" in (said := complaint(parts, settings))
    assert "--merge" in said


def test_facts_of_the_wrong_kind(tmp_path, settings):
    def string(text: str) -> bytes:
        return len(text).to_bytes(8, "little") + text.encode()

    def saying(**facts: bytes) -> str:
        (tmp_path / "x.gguf").write_bytes(
            b"GGUF"
            + (3).to_bytes(4, "little")
            + bytes(8)  # no tensors
            + len(facts).to_bytes(8, "little")
            + b"".join(string(name.replace("__", ".")) + value for name, value in facts.items())
            + bytes(32)
        )
        return complaint(tmp_path / "x.gguf", settings)

    text, number = (8).to_bytes(4, "little"), (4).to_bytes(4, "little")  # a string, an unsigned number of 4 bytes
    llama = {"general__architecture": text + string("llama")}
    assert "does not say which architecture" in saying(general__architecture=number + bytes(4))
    assert "general.alignment is 'wide'" in saying(**llama, general__alignment=text + string("wide"))
    assert "split.count is 'two'" in saying(**llama, split__count=text + string("two"))


def test_an_architecture_that_transformers_does_not_read_from_gguf(llama, tmp_path, settings):
    said = complaint(tiny_gguf.write(tmp_path / "clip.gguf", llama, architecture="clip"), settings)
    assert "architecture “clip”" in said
    assert "llama" in said


def test_no_room_on_the_disk_or_in_memory(file, settings, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder: usage(10**9, 10**9, 1_000_000))
    assert "not enough disk space" in (said := complaint(file, settings))
    assert "PLAYGROUND_CACHE_DIR" in said
    monkeypatch.undo()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: namedtuple("memory", "available")(1000))
    assert "of memory" in complaint(file, settings)


def test_a_cache_folder_that_cannot_be_written(file, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PlaygroundError, match="PLAYGROUND_CACHE_DIR"):
        sources.fetch(str(file), Settings(cache_dir=tmp_path / "file" / "cache"), quiet)


FETCH = """
import sys
from playground.models import sources
from playground.settings import Settings
report = lambda fraction, sentence: print(sentence, flush=True)
print("RESULT", sources.fetch(sys.argv[1], Settings(cache_dir=sys.argv[2]), report).folder, flush=True)
"""


def start_fetching(file, settings) -> subprocess.Popen:
    arguments = [sys.executable, "-c", FETCH, str(file), str(settings.cache_dir)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def wait_for(process: subprocess.Popen, sign: str) -> list[str]:
    lines = []
    for line in process.stdout:
        lines.append(line)
        if sign in line:
            return lines
    raise AssertionError(f"never said {sign}: {lines}")


def test_a_killed_conversion_leaves_nothing_that_is_taken_for_whole(file, settings):
    process = start_fetching(file, settings)
    wait_for(process, "reading the tokenizer")
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive, "the conversion outlived the one it was for"
    (half_made,) = settings.cache_dir.rglob("*.part")
    assert sources.locate(str(file), settings) is None

    # two who start after the death: one makes it anew, the other waits, says so and uses that
    first = start_fetching(file, settings)
    wait_for(first, "starting PyTorch")
    assert not half_made.exists()
    second = start_fetching(file, settings)
    said = wait_for(second, "RESULT")
    assert any("prepared by another process. Waiting" in line for line in said)
    assert not any("Converting" in line for line in said)
    assert said[-1] == wait_for(first, "RESULT")[-1]
    assert first.wait() == second.wait() == 0
    assert sources.locate(str(file), settings)
    assert not list(settings.cache_dir.rglob("*.part"))


def test_a_listener_that_fails_ends_the_conversion(file, settings):
    def leave(fraction, sentence):
        if "PyTorch" in sentence:
            raise KeyboardInterrupt

    others = {child.pid for child in psutil.Process().children(recursive=True)}
    with pytest.raises(KeyboardInterrupt):
        sources.fetch(str(file), settings, leave)
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= others
    assert not list(settings.cache_dir.rglob("*.part"))
