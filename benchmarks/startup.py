"""Claim: the page is up almost as soon as an empty Gradio page, because torch is imported when it is first needed.

Starts `python app.py` (offline, models cached) and a one-textbox Gradio page in turn, and times each from the start of
the process until the page answers. Prints medians and the ratio pair by pair.

    python benchmarks/startup.py [--rounds 5]
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BARE = """
import os, gradio as gr
with gr.Blocks() as page:
    gr.Textbox()
page.launch(server_port=int(os.environ["GRADIO_SERVER_PORT"]))
"""


def seconds_until_up(command: list[str]) -> float:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "PLAYGROUND_OFFLINE": "true",
    }
    started = time.perf_counter()
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as it:
        try:
            while time.perf_counter() - started < 120:
                if it.poll() is not None:
                    raise SystemExit(f"{command[-1][:20]} ended with {it.returncode}")
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
                        answer.read()
                    return time.perf_counter() - started
                except OSError:
                    time.sleep(0.02)
            raise SystemExit("the page was not up within two minutes")
        finally:
            it.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    sides = {"bare": [sys.executable, "-c", BARE], "playground": [sys.executable, "app.py"]}
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(options.rounds + 1):
        for name, command in sides.items():
            seconds = seconds_until_up(command)
            if turn:  # the first fills the file cache
                times[name].append(seconds)
    for name, seconds in times.items():
        print(f"{name:10} median {statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})")
    ratios = [a / b for a, b in zip(times["playground"], times["bare"], strict=True)]
    print(f"playground / bare: median {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
