"""A GGUF file -> a folder of bf16 safetensors, config and tokenizer that the rest of the program can load.

The conversion runs in a process of its own: it keeps Python busy for seconds to minutes, and its memory goes back to
the machine when it ends. It does not know where the file came from.
"""

import functools
import hashlib
import itertools
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from playground.errors import PlaygroundError
from playground.models import disk, gguf_header
from playground.models.progress import Report, megabytes
from playground.settings import Settings

log = logging.getLogger(__name__)
_ROOT = Path(__file__).parents[2]


def converted(file: Path, settings: Settings) -> tuple[Path, str]:
    """Where the conversion of a file belongs, and its key.

    The key is made of the file's size, time of change, first and last megabyte: reading all of a large file would
    take minutes, and a file that changed has another time.

    Raises:
        PlaygroundError: there is no such file.
    """
    try:
        facts = file.stat()
        with file.open("rb") as opened:
            digest = hashlib.sha256(f"{facts.st_size} {facts.st_mtime_ns}".encode())
            digest.update(opened.read(1_000_000))
            opened.seek(max(0, facts.st_size - 1_000_000))
            digest.update(opened.read())
    except OSError as error:
        raise PlaygroundError(f"The file {file} cannot be read: {error.strerror}. Check the path.") from None
    key = digest.hexdigest()[:12]
    return settings.cache_dir / "gguf" / f"{file.stem}-{key}", key


def convert_once(file: Path, target: Path, name: str, report: Report) -> None:
    """Converts `file` into `target` unless that is there already. `name` is what sentences call the model.

    Raises:
        PlaygroundError: the file is cut short or not for transformers, or there is no room on the disk or in memory.
    """
    made_from = {"file": file.name, "size": file.stat().st_size if file.exists() else 0}
    disk.build_once(target, lambda folder: convert(file, folder, name, report), made_from, name, report)


def convert(file: Path, folder: Path, name: str, report: Report) -> None:
    """Writes the converted model into an empty `folder`.

    Raises:
        PlaygroundError: as `convert_once`.
    """
    header = gguf_header.read(file, name)
    if header.n_parts > 1:
        raise PlaygroundError(
            f"{name} is one of {header.n_parts} parts of a model. Join them first with llama.cpp's "
            "`llama-gguf-split --merge`, and name the joined file."
        )
    disk.need_room(folder, 2 * header.n_parameters + 50_000_000, f"converting {name}")
    _need_memory(2 * header.n_parameters, name)
    report(0.0, f"Converting {name} to safetensors, once")
    with tempfile.TemporaryFile() as log_file:
        child = subprocess.Popen(
            [sys.executable, "-m", "playground.models.gguf", str(file), str(folder), name],
            stdin=subprocess.PIPE,  # never written to: it closes when this process dies, and the child ends with it
            stdout=subprocess.PIPE,
            stderr=log_file,
            encoding="utf-8",
            env=_child_environment(),
        )
        try:
            error = None
            assert child.stdin is not None and child.stdout is not None  # both are pipes
            for line in child.stdout:
                said = json.loads(line)
                error = said.get("error")
                if not error:
                    report(said["fraction"], said["sentence"])
            if child.wait() != 0 or error:
                log_file.seek(0)
                log.warning("converting %s: %s", file, log_file.read().decode("utf-8", "replace"))
                raise PlaygroundError(error or _ended_early(child.returncode, header.n_parameters, name))
        finally:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()


def _child_environment() -> dict[str, str]:
    path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {
        **os.environ,
        "PYTHONPATH": path,
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "PYTHONIOENCODING": "utf-8",
    }


def _need_memory(n_bytes: int, name: str) -> None:
    import psutil

    needed, free = n_bytes * 5 // 4 + 500_000_000, psutil.virtual_memory().available
    if free < needed:
        raise PlaygroundError(
            f"Converting {name} takes about {megabytes(needed)} of memory, and {megabytes(free)} is free here. "
            "Unload models or close programs, or pick a smaller file."
        )


def _ended_early(code: int, n_parameters: int, name: str) -> str:
    if code < 0:
        return (
            f"The conversion of {name} was ended by the system, most likely for lack of memory: it takes about "
            f"{megabytes(2.5 * n_parameters + 5e8)}. Unload models or close programs, or pick a smaller file."
        )
    return f"The conversion of {name} failed. The server's log says why; try another file."


def _tell(**said: object) -> None:
    print(json.dumps(said), file=sys.__stdout__, flush=True)


def _work(file: Path, folder: Path, name: str) -> None:
    """The conversion itself, in the child process."""
    _tell(fraction=0.05, sentence=f"Converting {name}: starting PyTorch")
    import gguf
    import torch
    import transformers
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

    torch.set_num_threads(1)
    header = gguf_header.read(file, name)
    _speed_up(gguf, name, header.n_tensors)
    try:
        _tell(fraction=0.2, sentence=f"Converting {name}: reading the tokenizer")
        place = dict(pretrained_model_name_or_path=str(file.parent), gguf_file=file.name)
        tokenizer = transformers.AutoTokenizer.from_pretrained(**place)
        _tell(fraction=0.5, sentence=f"Converting {name}: unpacking the weights")
        unpacked = transformers.GgufConfig(dequantize=True)  # the default keeps them packed, and packed cannot be saved
        model = transformers.AutoModelForCausalLM.from_pretrained(
            **place, dtype=torch.bfloat16, quantization_config=unpacked
        )
    except (ValueError, KeyError, NotImplementedError) as error:
        if header.architecture in GGUF_SUPPORTED_ARCHITECTURES:
            raise
        known = ", ".join(sorted(GGUF_SUPPORTED_ARCHITECTURES))
        raise PlaygroundError(
            f"{name} is of the architecture “{header.architecture}”, which transformers {transformers.__version__} "
            f"does not read from GGUF. Pick it in safetensors, or one of: {known}."
        ) from error
    _tell(fraction=0.9, sentence=f"Converting {name}: writing safetensors")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config = {key: value for key, value in config.items() if key not in ("_name_or_path", "_model_name_or_path")}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _speed_up(gguf: Any, name: str, n_tensors: int) -> None:
    """transformers reads the file's header three times and builds one table per module; here each is made once.

    This process does nothing else, so what is cached stays true. Should transformers go another way, only the time is
    lost. Counting the tensors gives the progress.
    """
    gguf.GGUFReader = functools.cache(gguf.GGUFReader)
    gguf.get_tensor_name_map = functools.cache(gguf.get_tensor_name_map)
    unpack, counter = gguf.dequantize, itertools.count(1)

    def counted(data: Any, kind: Any) -> Any:
        done = next(counter)
        if done % 10 == 0:
            share = 0.5 + 0.4 * done / n_tensors
            _tell(fraction=share, sentence=f"Converting {name}: {done} of {n_tensors} tensors unpacked")
        return unpack(data, kind)

    gguf.dequantize = counted


def _end_with_parent() -> None:
    """Waits for the parent to die, and dies: half a conversion is of no use to anybody."""
    sys.stdin.read()
    os._exit(1)


def _main() -> None:
    file, folder, name = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    sys.stdout = sys.stderr  # what libraries print is no progress
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _work(file, folder, name)
    except PlaygroundError as error:
        _tell(error=str(error))
    except Exception as error:
        log.exception("conversion failed")
        reason = str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
        _tell(error=f"{name} could not be converted: {reason}. Try another file of the same model.")


if __name__ == "__main__":
    _main()
