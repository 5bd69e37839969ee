"""The README's pictures: journeys draw them anew when `make screenshots` asks for it."""

import os
from pathlib import Path

from playwright.sync_api import Locator, Page

FOLDER = Path(__file__).parents[2] / "assets" / "screenshots"
WANTED = bool(os.environ.get("PLAYGROUND_TEST_UPDATE_SCREENSHOTS"))


def keep_for_readme(what: Page | Locator, name: str) -> None:
    """Writes the README's picture anew, when asked to."""
    if WANTED:
        what.screenshot(path=FOLDER / f"{name}.png", animations="disabled")


def keep_span_for_readme(page: Page, first: str, last: str, name: str) -> None:
    """The same for all that stands between two elements, if the page is high enough to show it at once."""
    if WANTED:
        above, below = (page.locator(place).bounding_box() for place in (first, last))
        height = below["y"] + below["height"] - above["y"]
        clip = {"x": above["x"], "y": above["y"], "width": max(above["width"], below["width"]), "height": height}
        page.screenshot(path=FOLDER / f"{name}.png", animations="disabled", clip=clip)
