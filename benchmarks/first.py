"""Claim: in every place with examples, the first answers within 15 seconds of a click, and what comes begins in sight.

A new visitor opens each tab and sub-tab in Chromium, with the starters in memory, and clicks its first example. Printed
are the seconds until the last change of what the page shows, and what did not come up to it: a notice, an error of the
page's script, or nothing new to read within the window. Ends with 1 if any did not, or took longer. Needs Chromium and
what `requirements-test.txt` names.

    python benchmarks/first.py [--rounds 3]
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
ALLOWED = 15.0  # seconds
QUIET = 3.0  # seconds in which nothing changes any more
NEW_LETTERS = 40  # that are in sight at least
EXAMPLE = ".examples button"

# The rows of tabs that can be seen, the outer ones first, with their names.
STRIPS = """inside => [...document.querySelectorAll('.tabs')]
    .filter(strip => strip.id && strip.checkVisibility())
    .filter(strip => (strip.parentElement.closest('.tabs')?.id ?? '') === inside)
    .map(strip => [strip.id, [...strip.querySelectorAll(':scope > .tab-wrapper [role=tablist] [role=tab]')]
        .map(tab => tab.textContent.trim())])"""
# Notes when the tabs last changed. A bar that counts seconds is a change too, so work under way is never quiet.
WATCH = """() => {
    window.lastChange = performance.now();
    new MutationObserver(() => { window.lastChange = performance.now(); })
        .observe(document.querySelector('#tabs'), {childList: true, characterData: true, subtree: true});
}"""
# The texts that can be seen by scrolling at most, and whether each is seen without.
READ = """() => {
    const texts = [], walk = document.createTreeWalker(document.querySelector('#tabs'), NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const text = walk.currentNode.textContent.trim();
        if (!text || !walk.currentNode.parentElement.checkVisibility()) continue;
        const range = document.createRange();
        range.selectNodeContents(walk.currentNode);
        const place = range.getBoundingClientRect();
        texts.push([text, place.top >= 0 && place.bottom <= innerHeight]);
    }
    return texts;
}"""
ROW = f"() => [...document.querySelectorAll('{EXAMPLE}')].find(button => button.checkVisibility())?.parentElement.id"


def places(page, inside: str = "", path: tuple[tuple[str, str], ...] = ()) -> Iterator[tuple[tuple[str, str], ...]]:
    """Opens every tab and sub-tab one after the other, and yields the way to it, by row and name."""
    strips = page.evaluate(STRIPS, inside)
    if not strips:
        yield path
    for strip, names in strips:
        for name in names:
            way = (*path, (strip, name))
            go(page, way[-1:])
            yield from places(page, strip, way)


def go(page, way: tuple[tuple[str, str], ...]) -> None:
    for strip, name in way:
        page.locator(f"#{strip}").get_by_role("tab", name=name, exact=True).first.click()
        page.wait_for_timeout(400)  # what is opened for the first time is made now


def click(page) -> tuple[float, int]:
    """Seconds from the click on the first example to the last change, and how many letters are new and in sight."""
    before = {text for text, _ in page.evaluate(READ)}
    page.evaluate(WATCH)
    clicked = page.evaluate("performance.now()")
    page.locator(EXAMPLE).filter(visible=True).first.click()
    page.wait_for_function(
        "([clicked, quiet]) => lastChange > clicked && performance.now() - lastChange > 1000 * quiet",
        arg=[clicked, QUIET],
        timeout=300_000,
    )
    letters = sum(len(text) for text, seen in page.evaluate(READ) if seen and text not in before)
    return (page.evaluate("lastChange") - clicked) / 1000, letters


def measure(browser, url: str, rounds: int) -> dict[str, tuple[list[float], list[str]]]:
    """By place: the seconds of each round, and what was wrong."""
    wrong: list[str] = []

    def visitor():
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.set_default_timeout(120_000)
        page.on("pageerror", lambda error: wrong.append(f"an error of the page's script: {error}"))
        page.goto(url)
        page.locator("[data-state=ready]").wait_for()
        page.locator("#send").wait_for()
        return page

    page = visitor()
    ways: dict[str, tuple[tuple[str, str], ...]] = {}  # by row of examples: several sub-tabs may share one
    for way in places(page):
        if row := page.evaluate(ROW):
            ways.setdefault(row, way)
    page.context.close()
    found = {}
    for way in ways.values():
        name = " › ".join(name for _, name in way)
        seconds: list[float] = []
        wrong.clear()
        for _ in range(rounds + 1):
            page = visitor()
            go(page, way)
            took, letters = click(page)
            seconds.append(took)
            wrong.extend(f"a notice: {text}" for text in page.get_by_test_id("toast-body").all_inner_texts())
            if letters < NEW_LETTERS:
                wrong.append(f"{letters} new letters in sight are no result")
            page.context.close()
        found[name] = seconds[1:], sorted(set(wrong))  # in the first round what the place needs was loaded
        print(f"{name:40} {statistics.median(seconds[1:]):5.1f} s  {'; '.join(found[name][1])}", flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    from playwright.sync_api import sync_playwright

    from benchmarks.crowd import free_port, running, starters
    from benchmarks.together.people import launch

    with tempfile.TemporaryDirectory() as folder:
        cache, log = Path(folder) / "cache", Path(folder) / "log"
        cache.mkdir()
        (cache / "starters").symlink_to(starters())
        with running(free_port(), cache, log) as (url, _), sync_playwright() as play:
            found = measure(launch(play), url, rounds)
        failed = "Traceback" in log.read_text("utf-8")
    longest = {name: max(seconds) for name, (seconds, _) in found.items()}
    slow = [name for name, seconds in longest.items() if seconds > ALLOWED]
    slowest = max(longest, key=longest.get)
    print(f"\n{len(found)} places; the slowest was {slowest}: {longest[slowest]:.1f} s at most.")
    if failed:
        print("The app's log has a traceback.")
    return int(failed or bool(slow) or any(wrong for _, wrong in found.values()))


if __name__ == "__main__":
    sys.exit(main())
