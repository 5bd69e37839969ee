"""Claim: unloading a model gives at least 90 % of its bytes back to the system.

Each precision in a fresh process: a small model is loaded, used and unloaded first, so that what libraries take once
(imports, threads, compiled kernels) is not blamed on the model. Then the model itself is loaded, writes a reply and is
unloaded, twice: the first time libraries still take what they keep for matrices of this size, so that the second time
counts. Prints the process's resident memory (file: of that, pages of memory-mapped files) at each point of it, and the
share that came back: 1 - (after unloading - before loading) / the model's bytes. So anything that loading or writing
leaves behind counts against it. The last column is that share of the first time, which shows a model that is kept.

    python benchmarks/unload.py [--model starter:smollm2-135m-instruct] [--precisions float32 bfloat16 int8]
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

POINTS = ("before load", "after load", "after reply", "after unload")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="starter:smollm2-135m-instruct")
    parser.add_argument("--warm-up", default="starter:all-minilm-l6-v2", help="the small model that goes before it")
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16", "int8"])
    parser.add_argument("--tokens", type=int, default=64, help="length of the reply")
    parser.add_argument("--json", action="store_true", help="measure the first precision here and print it as JSON")
    options = parser.parse_args()
    if options.json:
        print(json.dumps(measure(options.model, options.warm_up, options.precisions[0], options.tokens)))
        return
    print(f"{options.model}, megabytes resident (file: of memory-mapped files)")
    print(
        f"{'':10}" + "".join(f"{point:>22}" for point in POINTS) + f"{'model':>10}{'came back':>12}{'first time':>12}"
    )
    for precision in options.precisions:
        seen = in_fresh_process(options.model, options.warm_up, precision, options.tokens)
        points = "".join(f"{rss / 1e6:>10.0f} (file {file / 1e6:>4.0f})" for rss, file in seen["points"].values())
        print(
            f"{precision:10}{points}{seen['n_bytes'] / 1e6:>10.0f}{seen['share']:>12.1%}{seen['first_share']:>12.1%}",
            flush=True,
        )


def in_fresh_process(model: str, warm_up: str, precision: str, n_tokens: int) -> dict:
    """What `measure` finds in a process of its own."""
    arguments = ["--model", model, "--warm-up", warm_up, "--precisions", precision, "--tokens", str(n_tokens)]
    command = [sys.executable, __file__, "--json", *arguments]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def measure(model: str, warm_up: str, precision: str, n_tokens: int) -> dict:
    """points: bytes by name, resident and of that in mapped files; n_bytes: the model's; what came back, both times."""
    from playground import settings as all_settings
    from playground.models.cache import ModelCache

    models = ModelCache(all_settings.read([]))
    use(models, f"{warm_up}#{precision}", n_tokens)
    models.unload(f"{warm_up}#{precision}")
    reference = f"{model}#{precision}"
    first, _ = cycle(models, reference, n_tokens)
    points, n_bytes = cycle(models, reference, n_tokens)
    shares = [1 - (seen["after unload"][0] - seen["before load"][0]) / n_bytes for seen in (first, points)]
    return {"points": points, "n_bytes": n_bytes, "first_share": shares[0], "share": shares[1]}


def cycle(models, reference: str, n_tokens: int) -> tuple[dict[str, tuple[int, int]], int]:
    """Loads, uses and unloads a model: what is resident at each point, and the model's bytes."""
    points = {"before load": resident()}
    with models.lease(reference) as engine:
        n_bytes = engine.n_bytes
        points["after load"] = resident()
    del engine
    use(models, reference, n_tokens)
    points["after reply"] = resident()
    models.unload(reference)
    points["after unload"] = resident()
    return points, n_bytes


def use(models, reference: str, n_tokens: int) -> None:
    """Writes a reply with a model that writes, or reads a text with one that does not."""
    import torch

    from playground.engine.sampling import Sampling
    from playground.labs.chat import replies as chat

    with models.lease(reference) as engine:
        if engine.anatomy.writes:
            for _ in chat.complete(engine, "Once upon a time", Sampling(max_new_tokens=n_tokens, seed=1)):
                pass
        else:
            with torch.inference_mode():
                engine.model(engine.encode("Once upon a time"))


def resident() -> tuple[int, int]:
    """Bytes of this process in memory, and how many of them are pages of files (where the system tells)."""
    import psutil

    memory = psutil.Process().memory_info()
    return memory.rss, getattr(memory, "shared", 0)


if __name__ == "__main__":
    main()
