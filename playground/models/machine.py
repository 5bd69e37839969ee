"""What this machine computes best with: device, precision, CPU threads, memory. Measured, not assumed.

Decoding reads every weight once a token, so it is timed on matrix-vector products of that kind. On a busy machine a
second thread can cost more than it brings. CPUs without bfloat16 instructions may still decode quicker in it, since it
is half the bytes, and take several times as long to read a prompt; and memory may be too slow for a second thread of
decoding, though a prompt is read in half the time with two. So reading is timed, too.
"""

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from torch.nn import functional

from playground.engine import rows
from playground.engine.turns import Turns
from playground.errors import PlaygroundError
from playground.settings import Settings

_BFLOAT16_MAY_COST = 1.3  # it halves the memory: worth being this much slower than float32
_MUST_GAIN = 1.1  # fewer threads leave room for others, and the usual product is the better known
_TWO_MAY_COST = 1.2  # texts that grow at the same time can then be read together
_PRODUCTS = {"linear": functional.linear, "mv": rows.by_vector, "in two": rows.in_two}


@dataclass(frozen=True)
class Machine:
    device: torch.device
    dtype: torch.dtype
    threads: int  # for one operation on the CPU
    budget: int  # bytes that loaded models may hold
    products: tuple[rows.Product, ...] = ()  # of few rows, the first that serves
    turns: Turns | None = None  # of those who write at the same time; None on accelerators, which queue by themselves


def measure(settings: Settings) -> Machine:
    """Chooses what the settings leave open, and sets the number of threads for the process.

    Raises:
        PlaygroundError: the device that the settings name is not here.
    """
    device = _device(settings.device)
    dtype = None if settings.dtype == "auto" else getattr(torch, settings.dtype)
    threads = settings.threads
    if device.type != "cpu":
        dtype = dtype or _accelerator_dtype(device)
        threads = threads or torch.get_num_threads()
        products: tuple[rows.Product, ...] = ()
    else:
        seconds = _decoding_seconds((dtype,) if dtype else (torch.float32, torch.bfloat16), threads)
        single = {key: s for key, s in seconds.items() if key[2] != "in two"}
        best = {d: min(s for (of, *_), s in single.items() if of == d) for d, *_ in single}
        if dtype is None:
            dtype = (
                torch.bfloat16
                if _is_cheap(best) and _is_cheap({d: s for (d, _), s in _reading_seconds().items()})
                else torch.float32
            )
        threads = threads or _best_threads(
            {n: min(s for (d, m, _), s in single.items() if (d, m) == (dtype, n)) for _, n, _ in single},
            lambda counts: {n: s for (_, n), s in _reading_seconds((dtype,), counts).items()},
        )
        products = _few_rows({name: seconds[dtype, threads, name] for name in _PRODUCTS})
    torch.set_num_threads(threads)
    budget = settings.memory_budget or int(0.75 * free_bytes(device))
    turns = Turns(max(1, _cores() // threads)) if device.type == "cpu" else None
    return Machine(device, dtype, threads, int(budget), products, turns)


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    device = torch.device(name)
    there = {
        "cpu": True,
        "mps": torch.backends.mps.is_available(),
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
    }
    if not there[device.type]:
        choices = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        raise PlaygroundError(f"There is no device {name} here. Set --device to auto or one of: {', '.join(choices)}.")
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else device


def _accelerator_dtype(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        with torch.cuda.device(device):
            return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return torch.float16


@functools.cache
def _decoding_seconds(dtypes: tuple[torch.dtype, ...], threads: int) -> dict[tuple[torch.dtype, int, str], float]:
    """Seconds of a pass over 64 million weights, by precision, threads and product; measured once a process.

    So many that they do not stay in a cache: neither do a model's. The quickest pass counts: a neighbour's work slows
    all candidates now and then, and threads that wait do so asleep (OMP_WAIT_POLICY), so two cost little even then.
    """
    counts = [threads] if threads else _thread_counts()
    seconds: dict[tuple[torch.dtype, int, str], list[float]] = {
        (d, n, product): [] for d in dtypes for n in counts for product in _PRODUCTS
    }
    weights = {d: [torch.full((1536, 576), 0.1, dtype=d) for _ in range(72)] for d in dtypes}
    inputs = {d: torch.full((1, 576), 0.1, dtype=d) for d in dtypes}
    with torch.inference_mode():
        for turn in range(6):  # in turns, so that a neighbour's burst of work does not fall on one candidate
            for (dtype, n, product), times in seconds.items():
                torch.set_num_threads(n)
                started = time.perf_counter()
                for weight in weights[dtype]:
                    _PRODUCTS[product](inputs[dtype], weight)
                if turn:  # the first one starts the threads
                    times.append(time.perf_counter() - started)
    return {candidate: min(times) for candidate, times in seconds.items()}


@functools.cache
def _reading_seconds(
    dtypes: tuple[torch.dtype, ...] = (torch.float32, torch.bfloat16), counts: tuple[int, ...] = (1,)
) -> dict[tuple[torch.dtype, int], float]:
    """Seconds of the 64 tokens of a prompt, in one pass over a few weights, by precision and threads."""
    weights = {d: [torch.full((1536, 576), 0.1, dtype=d) for _ in range(6)] for d in dtypes}
    prompts = {d: torch.full((64, 576), 0.1, dtype=d) for d in dtypes}
    seconds: dict[tuple[torch.dtype, int], list[float]] = {(d, n): [] for d in dtypes for n in counts}
    with torch.inference_mode():
        for turn in range(5):  # in turns, as above
            for (dtype, n), times in seconds.items():
                torch.set_num_threads(n)
                started = time.perf_counter()
                for weight in weights[dtype]:
                    functional.linear(prompts[dtype], weight)
                if turn:
                    times.append(time.perf_counter() - started)
    return {candidate: min(times) for candidate, times in seconds.items()}


def _best_threads(decoding: Mapping[int, float], read: Callable[[tuple[int, ...]], Mapping[int, float]]) -> int:
    """Of those numbers of threads with which decoding is about as quick as can be, the one that reads a prompt so, too.

    Fewer where that costs little.

    Args:
        decoding: seconds, by the number of threads.
        read: gives those of reading, for some numbers.
    """
    reading = read(_about_least(decoding))
    return min(_about_least(reading))


def _about_least(seconds: Mapping[int, float]) -> tuple[int, ...]:
    return tuple(n for n, each in sorted(seconds.items()) if each <= _MUST_GAIN * min(seconds.values()))


def _few_rows(seconds: Mapping[str, float]) -> tuple[rows.Product, ...]:
    """How few rows are multiplied. Args: seconds, by product."""
    if _MUST_GAIN * seconds["mv"] <= seconds["linear"]:
        return (rows.VECTOR,)
    return (rows.USUAL, rows.IN_TWO) if seconds["in two"] <= _TWO_MAY_COST * seconds["linear"] else (rows.USUAL,)


def _is_cheap(seconds: dict[torch.dtype, float]) -> bool:
    """Whether bfloat16 is worth what it costs."""
    return seconds[torch.bfloat16] <= _BFLOAT16_MAY_COST * seconds[torch.float32]


def _cores() -> int:
    """How many this process may use."""
    if hasattr(psutil.Process, "cpu_affinity"):
        return len(psutil.Process().cpu_affinity())
    return psutil.cpu_count() or 1


def _thread_counts() -> list[int]:
    cores = _cores()
    powers = [2**i for i in range(6) if 2**i < cores]
    return [*powers, min(cores, 64)]


def free_bytes(device: torch.device) -> int:
    """Memory that new models could take on the device now, in bytes."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return int(min(psutil.virtual_memory().available, _container_bytes()))


def _container_bytes(root: Path = Path("/sys/fs/cgroup")) -> float:
    """What a container's own limit leaves; infinite where there is none.

    Copies of files that the system would give up count as used there, like weights that were read: they are free.
    """
    for group, limit, used, cached in (
        (root, "memory.max", "memory.current", "inactive_file"),
        (root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            return int((group / limit).read_text()) - int((group / used).read_text()) + _count(group, cached)
        except (OSError, ValueError):  # no such group, or "max"
            continue
    return float("inf")


def _count(group: Path, name: str) -> int:
    """One number of a group's memory.stat; 0 where there is none."""
    try:
        return int(dict(line.split() for line in (group / "memory.stat").read_text().splitlines()).get(name, 0))
    except (OSError, ValueError):
        return 0
