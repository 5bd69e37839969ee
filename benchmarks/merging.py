"""Claim: moving the live merge's slider is at least 5 times faster than a run of mergekit's linear merge on the same
two folders, for fewer processor seconds and less memory; and a full save takes no longer and no more memory.

Two models of the starter's size: the starter, and a copy with seeded noise. In turns, each in a process of its own:
mergekit 0.1.5 as its users call it (`mergekit-yaml recipe out`), Playground's save of the same recipe, and Playground's
live merge moved from one setting to another. mergekit lives in an environment of its own that this script makes (it
borrows torch from the one it is called with). Wall and processor seconds of whole processes, and their peak memory,
mapped files included; of the live merge the median of some moves, and the memory that moving adds to the loaded model.
A busy neighbour changes seconds by the clock most, and memory not at all.

    python benchmarks/merging.py [--rounds 1] [--methods linear slerp ties dare_linear] [--environment DIR]
    python benchmarks/merging.py --first-token [--methods ...]

The second measures without mergekit, in about a minute, what a person waits for: from the moment at which a slider is
let go to the first token of the merge's new answer, of the starter with two of the adapters that ship. The way through
Gradio and the browser is not in it.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

PEER = "mergekit==0.1.5"
MOVES = 5
QUESTION = "What is the capital of France?"
METHODS = ("linear", "slerp", "ties", "dare_linear")


def environment(folder: Path) -> Path:
    """mergekit's command in a virtual environment, made unless it is there."""
    command = folder / "bin" / "mergekit-yaml"
    if not command.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        inside = next((folder / "lib").glob("python*/site-packages"))
        (inside / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
        subprocess.run([folder / "bin" / "pip", "install", "-q", "--disable-pip-version-check", PEER], check=True)
    return command


def parents(folder: Path) -> tuple[Path, Path]:
    """The starter's folder, and that of a copy with noise: a fifth of each matrix's spread."""
    import torch
    from safetensors.torch import load_file, save_file

    from playground.models import sources
    from playground.settings import Settings

    files = sources.fetch("starter:smollm2-135m-instruct", Settings(), lambda *_: None)
    noisy = shutil.copytree(files.folder, folder / "noisy")
    torch.manual_seed(0)
    weights = load_file(files.folder / "model.safetensors")
    for name, value in weights.items():
        if value.dim() > 1:
            wide = value.float()
            weights[name] = (wide + 0.2 * wide.std() * torch.randn(wide.shape)).bfloat16()
    save_file(weights, noisy / "model.safetensors", {"format": "pt"})
    return files.folder, noisy


def recipe(method: str, a: Path, b: Path, share: float = 0.4) -> dict:
    if method == "slerp":
        return {
            "merge_method": "slerp",
            "base_model": str(a),
            "models": [{"model": str(a)}, {"model": str(b)}],
            "parameters": {"t": share},
            "dtype": "bfloat16",
        }
    own = [{"weight": 1 - share}, {"weight": share}]
    if method != "linear":
        own = [one | {"density": 0.5} for one in own]
    models = [{"model": str(m), "parameters": p} for m, p in zip((a, b), own, strict=True)]
    found = {"merge_method": method, "models": models, "dtype": "bfloat16"}
    return found if method == "linear" else {**found, "base_model": str(a)}


def run(command: list) -> dict:
    """A process to its end: seconds by the clock and of the processor, and its peak memory in MB."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command[0]} failed:\n{said[-2000:]}")
    return {
        "wall": time.perf_counter() - started,
        "cpu": usage.ru_utime + usage.ru_stime,
        "mb": usage.ru_maxrss / 1e3,
        "said": said,
    }


def save(path: Path, out: Path) -> None:
    """The child that saves."""
    from playground.labs.merging import mergekit_yaml, saving
    from playground.labs.merging.live import Merges
    from playground.models.cache import ModelCache
    from playground.settings import Settings

    made = mergekit_yaml.read(path.read_text())
    merges = Merges(ModelCache(Settings(local_paths=True)))
    saving.save(merges.blend(made), merges.opened(made), out)


def move(path: Path) -> None:
    """The child that moves the slider. Prints seconds of each move and how much memory they added."""
    from playground.labs.merging import mergekit_yaml
    from playground.labs.merging.live import Merges
    from playground.models.cache import ModelCache
    from playground.settings import Settings

    made = mergekit_yaml.read(path.read_text())
    merges = Merges(ModelCache(Settings(local_paths=True, dtype="bfloat16")))
    reference = merges.move(made.with_t(0.5), None, "bench").reference
    loaded, walls, cpus = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, [], []
    for i in range(MOVES):
        started, busy = time.perf_counter(), time.process_time()
        update = merges.move(made.with_t(0.1 + 0.1 * i), reference, "bench")
        walls.append(time.perf_counter() - started)
        cpus.append(time.process_time() - busy)
        assert update.in_place
        reference = update.reference
    added = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3 - loaded
    print(json.dumps({"wall": statistics.median(walls), "cpu": statistics.median(cpus), "mb": added}))


def release(method: str) -> None:
    """The child that waits for the first token. Prints seconds of each time: of the weights, and of all."""
    import threading
    from contextlib import closing

    from playground.engine.sampling import Sampling
    from playground.labs.chat import replies
    from playground.labs.merging import mergekit_yaml
    from playground.labs.merging.live import Merges
    from playground.models.cache import ModelCache
    from playground.settings import SMOLLM2, Settings

    plain = recipe(method, *(Path(f"{SMOLLM2}+adapter:{name}") for name in ("pirate", "json")))
    plain["base_model"] = f"{SMOLLM2}+adapter:pirate" if method == "slerp" else SMOLLM2
    made = mergekit_yaml.read({key: value for key, value in plain.items() if key != "dtype"})
    models = ModelCache(Settings())
    merges = Merges(models)
    messages, sampling = [{"role": "user", "content": QUESTION}], Sampling(temperature=0, max_new_tokens=8, seed=0)

    def first(reference: str) -> None:
        with (
            models.lease(reference) as engine,
            closing(replies.reply(engine, messages, sampling, "", threading.Event())) as growing,
        ):
            next(reply for reply in growing if reply.tokens)

    reference = merges.move(made.with_t(0.5), None, "bench").reference
    first(reference)
    seconds = []
    for i in range(MOVES):
        started, busy = time.perf_counter(), time.process_time()
        reference = merges.move(made.with_t(0.1 + 0.1 * i), reference, "bench").reference
        weights = time.perf_counter() - started
        first(reference)
        seconds.append((weights, time.perf_counter() - started, time.process_time() - busy))
    print(json.dumps(seconds))


def first_tokens(methods: list[str]) -> None:
    """Prints what the wait is for each method."""
    for method in methods:
        found = run([sys.executable, __file__, "--child", "release", method])
        weights, whole, busy = zip(*json.loads(found["said"].strip().splitlines()[-1]), strict=True)
        print(
            f"{method}: {statistics.median(whole):.2f} s ({min(whole):.2f} to {max(whole):.2f}) from letting a slider "
            f"go to the first token, {statistics.median(weights):.2f} s of them for the weights; "
            f"{statistics.median(busy):.2f} processor seconds",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--environment", type=Path, default=Path(tempfile.gettempdir()) / "playground-mergekit")
    parser.add_argument("--first-token", action="store_true", help="only how long a person waits for it")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        what, *paths = options.child
        if what == "release":
            release(*paths)
        else:
            {"save": save, "move": move}[what](*map(Path, paths))
        return
    if options.first_token:
        first_tokens(options.methods)
        return
    peer = environment(options.environment)
    me = [sys.executable, __file__, "--child"]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        a, b = parents(folder)
        rows: dict[tuple[str, str], list[dict]] = {}
        for round_ in range(options.rounds):
            for method in options.methods:
                path = folder / f"{method}.yml"
                path.write_text(json.dumps(recipe(method, a, b)))
                out = folder / f"{method}-{round_}"
                ways = {
                    "mergekit": [peer, path, out.with_suffix(".peer"), "--random-seed", "42", "--quiet"],
                    "save": [*me, "save", path, out.with_suffix(".ours")],
                    "move": [*me, "move", path],
                }
                for way, command in ways.items():
                    found = run([str(word) for word in command])
                    if way == "move":
                        found = json.loads(found["said"].strip().splitlines()[-1])
                    rows.setdefault((method, way), []).append(found)
                    print(
                        f"{method:12} {way:9} {found['wall']:7.2f} s {found['cpu']:7.2f} cpu s {found['mb']:7.0f} MB",
                        flush=True,
                    )
                for done in folder.glob("*.peer"), folder.glob("*.ours"):
                    for each in done:
                        shutil.rmtree(each)

        def middle(method: str, way: str, what: str) -> float:
            return statistics.median(row[what] for row in rows[method, way])

        print()
        for method in options.methods:
            slide = [
                middle("linear" if "linear" in options.methods else method, "mergekit", w) for w in ("wall", "cpu")
            ]
            print(
                f"{method}: a move is {slide[0] / middle(method, 'move', 'wall'):.0f} times faster than mergekit's "
                "linear "
                f"({slide[1] / middle(method, 'move', 'cpu'):.0f} times fewer processor seconds) and adds "
                f"{middle(method, 'move', 'mb'):.0f} MB; a save takes "
                f"{middle(method, 'save', 'wall') / middle(method, 'mergekit', 'wall'):.2f} of mergekit's time, "
                f"{middle(method, 'save', 'cpu') / middle(method, 'mergekit', 'cpu'):.2f} of its processor seconds and "
                f"{middle(method, 'save', 'mb') / middle(method, 'mergekit', 'mb'):.2f} of its memory"
            )


if __name__ == "__main__":
    main()
