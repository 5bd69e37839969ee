"""Claim: eight at once over all tabs get the answers that one alone gets, and what was saved outlives a kill.

Starts `python app.py` (offline, starters on disk) with a cache folder of its own. First every question of
`benchmarks/together/jobs.py` is asked with nobody else there. Then eight come: six programs that ask them in any order,
and two people who press the first example of each tab in Chromium. Each answer of a program is compared with the one
had alone; all the while a ninth asks for what needs no model (the page, /models, /health), and how long that
takes is noted, as is the app's memory without what its models and merges hold, for which it has a budget. Last, while a
merge and a collection are being written, the app is killed with SIGKILL and started again: the conversation,
collection, merge and adapter that were saved before must be there and answer as they did. Prints a table, and ends with
1 when a line of it does not hold. Needs Chromium, and what requirements-test.txt names.

    python benchmarks/crowd.py [--minutes 20] [--wordings 6] [--seed 1] [--log FILE]
"""

import argparse
import itertools
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.soak import LOGGED, answers, wait  # noqa: E402
from benchmarks.together import lasting, people  # noqa: E402
from benchmarks.together.compare import differences  # noqa: E402
from benchmarks.together.jobs import CHAT, Job, jobs  # noqa: E402

PROGRAMS, PEOPLE = 6, 2
LIGHT = 1.0  # seconds, the 95th percentile of what needs no model
GROWTH = 0.10  # of memory, between the second and the last quarter
PAUSE = 0.5  # seconds between two light requests


@dataclass
class Crowd:
    """What the clients share, and what came of it."""

    url: str
    asked: list[Job]
    alone: dict[str, object] = field(default_factory=dict)  # answer by the job's name
    over: threading.Event = field(default_factory=threading.Event)
    done: Counter = field(default_factory=Counter)  # by kind of client and tab
    answered: Counter = field(default_factory=Counter)  # by program
    compared: int = 0
    other: list[str] = field(default_factory=list)  # answers that were not those had alone
    wrong: list[str] = field(default_factory=list)  # errors
    light: dict[str, list[float]] = field(default_factory=dict)  # seconds, by what was asked for
    memory: list[float] = field(default_factory=list)  # megabytes, without what `held` names
    held: list[float] = field(default_factory=list)  # megabytes that the app says its models hold, within its budget

    def did(self, what: str) -> None:
        self.done[what] += 1

    def complain(self, who: str, what: object) -> None:
        self.wrong.append(f"{who}: {' '.join(str(what).split())[:300]}")


def client_of(url: str):
    from gradio_client import Client

    return Client(url, verbose=False)


def answer(client, job: Job) -> object:
    """The last object of a stream, or the answer."""
    return client.submit(**job.arguments, api_name=job.endpoint).result(timeout=600)


def guarded(crowd: Crowd, who: str, act: Callable[..., None], *arguments: object) -> None:
    """A client whose end is noticed."""
    try:
        act(*arguments)
    except Exception as error:
        crowd.complain(who, f"{type(error).__name__}: {error}")


def program(crowd: Crowd, dice: random.Random, name: str) -> None:
    client = client_of(crowd.url)
    while not crowd.over.is_set():
        job = dice.choice(crowd.asked)
        try:
            found = answer(client, job)
        except Exception as error:
            crowd.complain(job.name, f"{type(error).__name__}: {error}")
            continue
        crowd.did(f"program {job.tab}")
        crowd.answered[name] += 1
        crowd.compared += 1
        if told := next(differences(crowd.alone[job.name], found), ""):
            crowd.other.append(f"{job.name}{told}")
        time.sleep(dice.uniform(0, 1))


def light(crowd: Crowd, process: psutil.Process) -> None:
    """Asks for what needs no model, as a person does who opens the page or looks what there is."""
    client = client_of(crowd.url)
    ways: dict[str, Callable[[], object]] = {
        "the page": lambda: urllib.request.urlopen(crowd.url, timeout=60).read(),
        "/health": lambda: urllib.request.urlopen(f"{crowd.url}/health", timeout=60).read(),
        "/models": lambda: client.predict(api_name="/models"),
    }
    for what in itertools.cycle(ways):
        if crowd.over.is_set():
            return
        began = time.perf_counter()
        try:
            ways[what]()
            crowd.light.setdefault(what, []).append(time.perf_counter() - began)
        except Exception as error:
            crowd.complain("a light request", error)
        weigh(crowd, process)
        crowd.over.wait(PAUSE)


def weigh(crowd: Crowd, process: psutil.Process) -> None:
    told = urllib.request.urlopen(f"{crowd.url}/metrics", timeout=60).read().decode()
    held = float(re.search(r"^playground_models_used_bytes (\S+)$", told, re.MULTILINE)[1]) / 1e6
    crowd.memory.append(process.memory_info().rss / 1e6 - held)
    crowd.held.append(held)


def let_them_in(crowd: Crowd, process: psutil.Process, seconds: float, seed: int) -> None:
    clients = [(f"program {n}", program, crowd, random.Random(seed * 100 + n), f"program {n}") for n in range(PROGRAMS)]
    clients += [("people", people.walk, crowd.url, PEOPLE, seed, crowd.over, crowd.did, crowd.complain)]
    clients += [("light", light, crowd, process)]
    threads = [threading.Thread(target=guarded, args=(crowd, *client), name=client[0]) for client in clients]
    for thread in threads:
        thread.start()
    crowd.over.wait(seconds)
    crowd.over.set()
    for thread in threads:
        thread.join(600)
        if thread.is_alive():
            crowd.complain(thread.name, "did not come back")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(port: int, cache: Path, log: Path) -> Iterator[tuple[str, subprocess.Popen]]:
    """The app, with a cache folder whose starters are those of this machine."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PLAYGROUND_")}
    environment = ours | {"PLAYGROUND_OFFLINE": "true", "PLAYGROUND_CACHE_DIR": str(cache)}
    command = [sys.executable, "app.py", "--host", "127.0.0.1", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with log.open("a") as out, subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out) as app:
        try:
            if not wait(lambda: answers(url), "the page to open", 300):
                raise SystemExit(log.read_text("utf-8", "replace")[-2000:])
            client_of(url).predict("The", model=CHAT, max_new_tokens=1, api_name="/complete")
            yield url, app
        finally:
            app.terminate()


def starters() -> Path:
    from playground.models import starters
    from playground.models.progress import quiet
    from playground.settings import Settings

    given = os.environ.get("PLAYGROUND_TEST_CACHE")
    settings = Settings(cache_dir=given) if given else Settings()
    for name in starters.names():
        starters.fetch(name, settings, quiet)
    return settings.cache_dir / "starters"


def floor_of(values: list[float], begin: float, end: float) -> float:
    """The lowest tenth of the readings within a part of the time.

    What is computed at the moment comes and goes with who asks for what; what is left behind stays.
    """
    part = sorted(values[int(len(values) * begin) : max(1, int(len(values) * end))] or values)
    return part[len(part) // 10]


def tenths(values: list[float]) -> str:
    return " ".join(f"{floor_of(values, n / 10, (n + 1) / 10):.0f}" for n in range(10))


def percentile_95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1] if len(seconds) > 1 else max(seconds, default=0.0)


def judge(crowd: Crowd, lost: list[str], remembered: bool, logged: list[str]) -> bool:
    """Prints the table; whether all of it holds."""
    early, late = floor_of(crowd.memory, 0.25, 0.5), floor_of(crowd.memory, 0.75, 1.0)
    asked = [seconds for some in crowd.light.values() for seconds in some]
    p95 = percentile_95(asked)
    by_kind = ", ".join(f"{what} {percentile_95(some):.2f}" for what, some in crowd.light.items())
    growth = late / early - 1
    missing = [
        f"{who} {tab}" for tab in people.FIRST for who in ("program", "person") if not crowd.done[f"{who} {tab}"]
    ]
    missing += [f"program {n}" for n in range(PROGRAMS) if not crowd.answered[f"program {n}"]]
    lines = [
        ("errors", "0", str(len(crowd.wrong)), not crowd.wrong),
        ("other answers than alone", "0", f"{len(crowd.other)} of {crowd.compared:,}", not crowd.other),
        ("tabs and clients without an answer", "0", ", ".join(missing) or "0", not missing),
        ("errors in the app's log", "0", str(len(logged)), not logged),
        (
            "light requests, 95th percentile",
            f"< {LIGHT:g} s",
            f"{p95:.2f} s of {len(asked):,} ({by_kind})",
            p95 < LIGHT,
        ),
        (
            "memory beside models, 2nd and 4th ¼",
            f"<= +{GROWTH:.0%}",
            f"{growth:+.1%} ({early:.0f} to {late:.0f} MB)",
            growth <= GROWTH,
        ),
        ("lost by the kill", "0", str(len(lost)), not lost),
        ("conversation kept by the browser", "yes", "yes" if remembered else "no", remembered),
    ]
    print(f"\n{'':40}{'allowed':>10}  measured")
    for what, allowed, measured, good in lines:
        print(f"{'ok  ' if good else 'BAD '}{what:36}{allowed:>10}  {measured}")
    print(
        f"\n{sum(crowd.done.values())} things were done: "
        + ", ".join(f"{n} {what}" for what, n in sorted(crowd.done.items()))
    )
    print(
        "Megabytes by tenths of the time, lowest tenth of readings, beside models: "
        + tenths(crowd.memory)
        + "; in models: "
        + tenths(crowd.held)
    )
    for sentence in [*crowd.wrong[:20], *crowd.other[:20], *lost[:20], *logged[:20]]:
        print(f"- {sentence}")
    return all(good for *_, good in lines)


def main() -> int:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--wordings", type=int, default=6, help="of each question, up to 6")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path, help="where the app's words are kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        cache, log, profile = (Path(folder) / name for name in ("cache", "log", "profile"))
        cache.mkdir()
        (cache / "starters").symlink_to(starters())
        log = options.log or log
        log.write_text("")
        port = free_port()  # the same after the restart: a browser keeps what it keeps by address
        with running(port, cache, log) as (url, app):
            crowd, client = Crowd(url, jobs(options.wordings)), client_of(url)
            kept = lasting.make(client)
            print("a collection, a merge and an adapter are saved", flush=True)
            began = time.monotonic()
            for job in crowd.asked:
                crowd.alone[job.name] = answer(client, job)
            print(f"{len(crowd.alone)} answers had alone in {time.monotonic() - began:.0f} s", flush=True)
            let_them_in(crowd, psutil.Process(app.pid), 60 * options.minutes, options.seed)
            logged = [line for line in log.read_text("utf-8", "replace").splitlines() if LOGGED.search(line)]
            with sync_playwright() as play:
                lasting.converse(play, url, profile)
            lasting.begin_more(client, kept)
            time.sleep(3)
            app.send_signal(signal.SIGKILL)
        with running(port, cache, log) as (url, app):
            lost = lasting.lost(client_of(url), kept, cache)
            with sync_playwright() as play:
                remembered = lasting.remembers(play, url, profile)
    return 0 if judge(crowd, lost, remembered, logged) else 1


if __name__ == "__main__":
    sys.exit(main())
