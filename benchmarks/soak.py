"""Claim: a crowd of visitors leaves nothing behind: no error, no busy thread, no lease, no memory.

Starts `python app.py` (offline, models on disk) and lets six clients at it at once: two visitors of the page in
Chromium, two programs with `gradio_client`, two with plain HTTP. They send, stop, reload, leave in the middle, pick
other models, load and unload them, and sometimes ask for what must be refused. Then all leave, and what is left is
measured from outside: the endpoint /models, the app's log, and what the system says of the process. Prints a table, and
ends with 1 when a line of it does not hold. Needs Chromium, and what requirements-test.txt names.

    python benchmarks/soak.py [--minutes 10] [--tiny] [--seed 1] [--log FILE]
"""

import argparse
import json
import os
import random
import re
import shutil
import socket
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

STARTER = "starter:smollm2-135m-instruct"
QUESTIONS = ("What is the capital of France?", "Tell me a long story about a fox.", "你好 🙂 Grüße", "Count to fifty.")
# What the page may say to a visitor: each is asked for by what the visitor did.
INTENDED = re.compile(
    "There is no message to answer|does not name a model|temperature is -1|nothing to continue|"
    "Unload it when they have ended|so there is nothing to unload|The last reply is still being written|"
    "The message is empty|There is no reply to write again"
)
LOGGED = re.compile("Traceback|Unexpected error|Exception|ERROR")
GROWTH = 0.10  # of memory, that is allowed
MORE_THREADS = 8  # of a pool that grows with what is done at once and shrinks when it likes
IDLE = 0.25  # of one core, that an app may use when nobody is there


@dataclass
class Soak:
    """What the clients share, and what came of it."""

    url: str
    models: list[str]  # references
    over: threading.Event = field(default_factory=threading.Event)
    done: Counter = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def did(self, what: str) -> None:
        self.done[what] += 1

    def complain(self, who: str, what: object) -> None:
        if not INTENDED.search(str(what)):
            self.wrong.append(f"{who}: {' '.join(str(what).split())[:300]}")


# The clients: each acts until it is over.


def program(soak: Soak, dice: random.Random) -> None:
    """A program that uses `gradio_client`."""
    from gradio_client import Client
    from gradio_client.exceptions import AppError

    client = Client(soak.url, verbose=False)

    def ask(**arguments: object) -> object:
        question = [{"role": "user", "content": dice.choice(QUESTIONS)}]
        return client.submit(**{"messages": question, "model": dice.choice(soak.models)} | arguments, api_name="/chat")

    def whole() -> None:
        reply = ask(max_new_tokens=dice.randint(1, 30)).result(timeout=300)
        if reply["stop_reason"] not in ("eos", "length"):
            soak.complain("program", f"a reply ended with {reply['stop_reason']}")

    def cancelled() -> None:
        job = ask(max_new_tokens=400)
        time.sleep(dice.uniform(0, 3))
        job.cancel()

    def refused() -> None:
        wrong = dice.choice([{"messages": []}, {"temperature": -1}, {"model": "nonsense"}])
        try:
            ask(**wrong).result(timeout=300)
            soak.complain("program", f"{wrong} was not refused")
        except AppError as error:
            soak.complain("program", error)

    def looks() -> None:
        client.predict("The cat sat", model=dice.choice(soak.models), k=5, api_name="/next_tokens")

    act(soak, dice, "program", [whole, whole, cancelled, cancelled, refused, looks])


def caller(soak: Soak, dice: random.Random) -> None:
    """A program that uses HTTP alone, and sometimes hangs up."""
    import httpx2

    def call(stay: bool) -> None:
        arguments = {"text": dice.choice(QUESTIONS), "model": dice.choice(soak.models)}
        arguments["max_new_tokens"] = dice.randint(1, 20) if stay else 400
        with httpx2.Client(timeout=300) as http:
            address = f"{soak.url}/gradio_api/call/v2/complete"
            event = http.post(address, json=arguments).json()["event_id"]
            leaves = time.monotonic() + dice.uniform(0, 3)
            with http.stream("GET", f"{address}/{event}") as stream:
                for line in stream.iter_lines():
                    if line.startswith("event: error"):
                        soak.complain("caller", "an error event")
                    if not stay and time.monotonic() > leaves:
                        return

    def stays() -> None:
        call(stay=True)

    def hangs_up() -> None:
        call(stay=False)

    act(soak, dice, "caller", [stays, hangs_up, hangs_up])


def visitors(soak: Soak, dice: random.Random) -> None:
    """Two people at the page, each with a browser of their own."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next(filter(None, map(shutil.which, names)), None)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        people = [Visitor(soak, dice, browser) for _ in range(2)]
        while not soak.over.is_set():
            one = dice.choice(people)
            what = dice.choice(VISITS)
            try:
                what(one)
                one.read_notices()
                soak.did(f"visitor {what.__name__}")
            except Exception as error:
                soak.complain(f"visitor {what.__name__}", error)
            one.page.wait_for_timeout(dice.uniform(0, 1500))
        for one in people:
            one.context.close()
        browser.close()


class Visitor:
    """One person. What they cannot do now (a button is grey), they do not do."""

    def __init__(self, soak: Soak, dice: random.Random, browser) -> None:
        self.soak, self.dice = soak, dice
        self.context = browser.new_context(viewport={"width": 1000, "height": 800})
        self.page = self.context.new_page()
        self.page.set_default_timeout(120_000)
        self.page.on("pageerror", lambda error: soak.complain("script of the page", error))
        self.open()

    def open(self) -> None:
        self.page.goto(self.soak.url)
        self.page.locator("#send").wait_for()

    def press(self, button: str) -> bool:
        place = self.page.locator(button)
        if not place.is_visible() or not place.is_enabled():
            return False
        try:
            place.click(timeout=20_000)
        except Exception:
            if place.is_enabled():
                raise
            return False  # it turned grey before it was pressed: somebody else loaded that model
        return True

    def send(self) -> None:
        if self.page.locator("#send").is_enabled():
            self.page.get_by_label("number input for Max new tokens").fill(str(self.dice.choice((5, 20, 400))))
            self.page.locator("#message textarea").fill(self.dice.choice(QUESTIONS))
            self.press("#send")

    def stop(self) -> None:
        self.press("#stop")

    def regenerate(self) -> None:
        self.press("#regenerate")

    def load(self) -> None:
        self.press("#load")

    def unload(self) -> None:
        self.press("#unload")

    def reload(self) -> None:
        self.open()

    def pick(self) -> None:
        box = self.page.locator("#model input")
        box.fill(self.dice.choice(self.soak.models))
        box.press("Enter")

    def read_notices(self) -> None:
        for notice in self.page.get_by_test_id("toast-body").all_inner_texts():
            self.soak.complain("the page said", notice)


VISITS = [Visitor.send] * 4 + [Visitor.stop] * 3 + [Visitor.pick] * 2
VISITS += [Visitor.regenerate, Visitor.load, Visitor.unload, Visitor.reload]


def act(soak: Soak, dice: random.Random, who: str, ways: list[Callable[[], None]]) -> None:
    """Once at least: a busy machine may let nobody in before it is over."""
    while True:
        way = dice.choice(ways)
        try:
            way()
            soak.did(f"{who} {way.__name__}")
        except Exception as error:
            soak.complain(f"{who} {way.__name__}", f"{type(error).__name__}: {error}")
        if soak.over.wait(dice.uniform(0, 0.5)):
            return


def let_them_in(soak: Soak, seconds: float, seed: int) -> None:
    """All six at once, for so long; returns when the last has left."""
    soak.over.clear()
    crowd = [visitors, program, program, caller, caller]
    threads = [
        threading.Thread(target=one, args=(soak, random.Random(seed * 100 + n)), name=f"{one.__name__} {n}")
        for n, one in enumerate(crowd)
    ]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    soak.over.set()
    for thread in threads:
        thread.join(300)
        if thread.is_alive():
            soak.complain(thread.name, "did not come back")


# The app, from outside


@contextmanager
def running(models: list[str], log: Path) -> Iterator[tuple[str, psutil.Process]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PLAYGROUND_")}
    environment = ours | {
        "PLAYGROUND_OFFLINE": "true",
        "PLAYGROUND_DEFAULT_MODELS": ",".join(models),
        "PLAYGROUND_CONVERSATION_MEMORY": "20MB",  # full after the warm-up
        "PLAYGROUND_MEMORY_BUDGET": "3GB",
    }
    if "PLAYGROUND_TEST_CACHE" in os.environ:
        environment["PLAYGROUND_CACHE_DIR"] = os.environ["PLAYGROUND_TEST_CACHE"]
    command = [sys.executable, "app.py", "--host", "127.0.0.1", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with log.open("w") as out, subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out) as app:
        try:
            wait(lambda: answers(url), "the page to open", 300)
            wait(lambda: {"ready"} == {row["state"] for row in held(url, models)}, "the models", 600)
            yield url, psutil.Process(app.pid)
        finally:
            app.terminate()


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=10).close()
    except OSError:
        return False
    return True


def held(url: str, models: list[str]) -> list[dict]:
    """What /models says of the two."""
    address = f"{url}/gradio_api/call/models"
    question = urllib.request.Request(address, b'{"data": []}', {"Content-Type": "application/json"})
    with urllib.request.urlopen(question, timeout=60) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{address}/{event}", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    rows = json.loads(next(line for line in lines if line.startswith("data: [")).removeprefix("data: "))[0]
    named = {row["reference"]: row for row in rows}
    return [named.get(model, {"state": "absent", "in_use_by": 0}) for model in models]


def in_use(url: str, models: list[str]) -> int:
    return sum(row["in_use_by"] for row in held(url, models))


def cores(process: psutil.Process, seconds: float = 3.0) -> float:
    """How many cores it keeps busy."""
    before = process.cpu_times()
    time.sleep(seconds)
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) / seconds


def wait(condition: Callable[[], bool], what: str, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            print(f"waited {seconds:.0f} s in vain for {what}", file=sys.stderr)
            return False
        time.sleep(0.5)
    return True


@dataclass(frozen=True)
class Left:
    """What is there when nobody is."""

    megabytes: float
    threads: int
    in_use: int
    cores: float


def look(soak: Soak, process: psutil.Process) -> Left:
    """Waits until the app is quiet; every model is loaded then."""
    wait(lambda: in_use(soak.url, soak.models) == 0 and cores(process, 1) < IDLE, "quiet", 120)
    from gradio_client import Client

    client = Client(soak.url, verbose=False)
    for model in soak.models:  # one may have been unloaded
        client.predict("The", model=model, max_new_tokens=1, api_name="/complete")
    client.close()
    busy = cores(process)
    return Left(process.memory_info().rss / 1e6, process.num_threads(), in_use(soak.url, soak.models), busy)


def judge(soak: Soak, warm: Left, end: Left, logged: list[str]) -> bool:
    """Prints the table; whether all of it holds."""
    growth = end.megabytes / warm.megabytes - 1
    lines = [
        ("errors that were not asked for", "0", str(len(soak.wrong)), not soak.wrong),
        ("errors in the app's log", "0", str(len(logged)), not logged),
        ("models still in use", "0", str(end.in_use), end.in_use == 0),
        ("cores busy when nobody is there", f"< {IDLE}", f"{end.cores:.2f}", end.cores < IDLE),
        (
            "threads, beside those after the warm-up",
            f"<= +{MORE_THREADS}",
            f"{end.threads - warm.threads:+d} ({warm.threads} to {end.threads})",
            end.threads <= warm.threads + MORE_THREADS,
        ),
        (
            "memory, beside that after the warm-up",
            f"<= +{GROWTH:.0%}",
            f"{growth:+.1%} ({warm.megabytes:.0f} to {end.megabytes:.0f} MB)",
            growth <= GROWTH,
        ),
    ]
    print(f"\n{'':44}{'allowed':>10}  measured")
    for what, allowed, measured, good in lines:
        print(f"{'ok  ' if good else 'BAD '}{what:40}{allowed:>10}  {measured}")
    done = ", ".join(f"{n} {what}" for what, n in sorted(soak.done.items()))
    print(f"\n{sum(soak.done.values())} things were done: {done}")
    for sentence in [*soak.wrong[:20], *logged[:20]]:
        print(f"- {sentence}")
    return all(good for *_, good in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--tiny", action="store_true", help="two tiny models of random weights, without the starter")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path, help="where the app's words are kept")
    options = parser.parse_args()
    from tests import tiny

    with tempfile.TemporaryDirectory() as folder:
        models = [str(tiny.save(Path(folder) / "llama", "llama", context=4096))]
        models.insert(0, str(tiny.save(Path(folder) / "qwen2", "qwen2", context=4096)) if options.tiny else STARTER)
        log = options.log or Path(folder) / "log"
        with running(models, log) as (url, process):
            warm_up = Soak(url, models)
            let_them_in(warm_up, min(120, 60 * options.minutes), options.seed)
            warm = look(warm_up, process)
            print(f"after the warm-up: {warm}", flush=True)
            soak = Soak(url, models, wrong=warm_up.wrong)
            let_them_in(soak, 60 * options.minutes, options.seed + 1)
            end = look(soak, process)
        logged = [line for line in log.read_text("utf-8", "replace").splitlines() if LOGGED.search(line)]
    return 0 if judge(soak, warm, end, logged) else 1


if __name__ == "__main__":
    sys.exit(main())
