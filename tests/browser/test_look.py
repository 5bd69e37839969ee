"""Every tab and sub-tab as it is found: light and dark, on a desk and on a phone.

What it is with results in it, the journeys of the tabs look at.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, TimeoutError

from tests.browser.tabs import choose

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
STRIPS = """() => [...document.querySelectorAll('.tabs')].filter(strip => strip.id && strip.checkVisibility())
    .map(strip => ({
        id: strip.id,
        inside: strip.parentElement.closest('.tabs')?.id ?? '',
        names: [...strip.querySelectorAll(':scope > .tab-wrapper [role=tablist] [role=tab]')]
            .map(tab => tab.textContent.trim()),
    }))"""
TWO_FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
STICKS_OUT = """width => [...document.querySelectorAll('body *')]
    .filter(part => part.checkVisibility() && part.getBoundingClientRect().right > width + 1)
    .map(part => part.outerHTML.slice(0, 100))"""


def places(page: Page, inside: str = "", path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Opens every tab, and every sub-tab in it, one after the other; says where the page is."""
    strips = [strip for strip in page.evaluate(STRIPS) if strip["inside"] == inside]
    if not strips:
        yield path
    for strip in strips:
        for name in strip["names"]:
            choose(page.locator(f"#{strip['id']}"), name)
            page.evaluate(TWO_FRAMES)
            page.wait_for_timeout(200)  # what is opened for the first time is made after that
            yield from places(page, strip["id"], (*path, name))


@pytest.mark.timeout(900)
def test_every_place_is_sound_in_both_themes_at_both_widths(visit, accessible):
    page, seen = visit(), []
    for place in places(page):
        for size, theme in ((DESK, "light"), (PHONE, "dark")):
            page.set_viewport_size(size)
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # colours change at once
            page.wait_for_function("dark => document.body.classList.contains('dark') === dark", arg=theme == "dark")
            accessible(page, "#tabs" if seen else None)  # the head of the page is the same in all of them
            try:
                page.wait_for_function("width => document.documentElement.scrollWidth <= width", arg=size["width"])
            except TimeoutError:
                pytest.fail(f"{place} sticks out of {size}: {page.evaluate(STICKS_OUT, size['width'])[-1]}")
        page.set_viewport_size(DESK)
        seen.append(place)
    assert len({place[0] for place in seen}) == 7
    assert len(seen) >= 37, seen
