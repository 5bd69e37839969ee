"""People at the page: they go through the tabs and press the first example of each."""

import random
import shutil
import threading
from collections.abc import Callable

# By tab: the button that runs a first example.
FIRST = {
    "Chat": ".choices .examples button",
    "Prompt lab": "#lab-worked button",
    "Attention": "#attention-examples button",
    "Internals": "#lens-examples button",
    "Merge": "#merge-examples button",
    "Bias": "#bias-fill-examples button",
    "Search": "#search-examples button",
}
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NEW_LETTERS = 40  # that a result has at least


def launch(play):
    path = next(filter(None, map(shutil.which, NAMES)), None)
    return play.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])


def walk(
    url: str,
    n: int,
    seed: int,
    over: threading.Event,
    did: Callable[[str], None],
    complain: Callable[[str, object], None],
) -> None:
    """So many people with a browser context each, until it is over."""
    from playwright.sync_api import sync_playwright

    dice = random.Random(seed)
    with sync_playwright() as play:
        browser = launch(play)
        pages = []
        for _ in range(n):
            page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            page.set_default_timeout(120_000)
            page.on("pageerror", lambda error: complain("script of the page", error))
            page.goto(url)
            page.locator("[data-state=ready]").wait_for()
            pages.append(page)
        while not over.is_set():
            page, tab = dice.choice(pages), dice.choice(list(FIRST))
            try:
                press(page, tab)
                for notice in page.get_by_test_id("toast-body").all_inner_texts():
                    complain(f"a person in {tab}", notice)
                did(f"person {tab}")
            except Exception as error:
                complain(f"a person in {tab}", error)
                page.goto(url)
        browser.close()


def press(page, tab: str) -> None:
    """Opens a tab of a fresh page, runs its first example, and waits until it says more and nothing is under way."""
    page.goto(page.url)
    page.locator("[data-state=ready]").wait_for()
    page.get_by_role("tab", name=tab, exact=True).first.click()
    button = page.locator(FIRST[tab]).filter(visible=True).first
    button.wait_for()
    panel = page.locator("[role=tabpanel]").filter(has=page.locator(FIRST[tab])).first
    before = panel.inner_text()
    button.click()
    page.wait_for_function(
        """([panel, before, more]) => panel.innerText.length > before + more
            && ![...panel.querySelectorAll('.doing, [id$=status]')].some((each) => each.innerText.includes('…'))""",
        arg=[panel.element_handle(), len(before), NEW_LETTERS],
        timeout=240_000,
    )
    page.wait_for_timeout(1_000)
