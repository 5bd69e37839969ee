"""Claim: the quicker script opens the page at least 4 times sooner than Gradio's own does.

One running page is opened in turn with the script as Playground serves it and as Gradio has it, each time by a new
visitor. Printed are seconds until the first tab can be used, and how much of the time the browser's main thread is busy
while a reply streams. Needs Chromium and what `requirements-test.txt` names.

    python benchmarks/page.py [--rounds 5]
"""

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
STREAMED = 5.0  # seconds of a reply that are watched


def visit(browser, url: str, own: dict[str, str]) -> tuple[float, float]:
    """Seconds until the first tab can be used, and the share of time the page is busy while a reply comes.

    own: files by name, served in place of the quicker ones.
    """
    context = browser.new_context()
    page = context.new_page()
    for name, text in own.items():
        page.route(
            f"**/assets/{name}", lambda route, *, text=text: route.fulfill(body=text, content_type="text/javascript")
        )
    protocol = context.new_cdp_session(page)
    protocol.send("Performance.enable")

    def busy() -> float:
        metrics = protocol.send("Performance.getMetrics")["metrics"]
        return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")

    started = time.perf_counter()
    page.goto(url)
    page.locator("#send").wait_for(timeout=120_000)
    opened = time.perf_counter() - started
    page.locator("[data-state=ready]").wait_for(timeout=300_000)
    page.get_by_role("textbox").filter(visible=True).first.fill("Tell me a very long story about a fox.")
    page.locator("#send").click()
    page.locator("#conversation .bot .message").last.wait_for(timeout=60_000)
    page.wait_for_timeout(1_000)
    before, began = busy(), time.perf_counter()
    page.wait_for_timeout(STREAMED * 1_000)
    share = (busy() - before) / (time.perf_counter() - began)
    context.close()
    return opened, share


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds

    from playwright.sync_api import sync_playwright

    from playground.tabs import page_script

    own = {name: (page_script.SCRIPTS / name).read_text("utf-8") for name in page_script.quicker()}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "app.py", "--port", str(port), "--host", "127.0.0.1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    ours = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "PLAYGROUND_OFFLINE": "true"}
    with subprocess.Popen(command, cwd=ROOT, env=ours, **quiet) as app:
        try:
            until = time.monotonic() + 120
            while time.monotonic() < until:
                try:
                    urllib.request.urlopen(url, timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.5)
            with sync_playwright() as playwright:
                path = next(filter(None, map(shutil.which, NAMES)))
                browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
                visit(browser, url, {})  # the model is loaded, all files were read once
                pairs = []
                for i in range(rounds):
                    quicker, gradios = visit(browser, url, {}), visit(browser, url, own)
                    pairs.append((quicker, gradios))
                    print(
                        f"{i + 1}: opened after {quicker[0]:.1f} s and not {gradios[0]:.1f}; "
                        f"busy {quicker[1]:.0%} and not {gradios[1]:.0%} of a reply",
                        flush=True,
                    )
        finally:
            app.terminate()
    ratios = [gradios[0] / quicker[0] for quicker, gradios in pairs]
    print(
        f"Opened {statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f}) times sooner; while a reply "
        f"streams the page is busy {statistics.median(q[1] for q, _ in pairs):.0%} of the time and not "
        f"{statistics.median(g[1] for _, g in pairs):.0%}."
    )


if __name__ == "__main__":
    main()
