"""Every tab and sub-tab as it is found: light and dark, on a desk and on a phone.

What it is with results in it, the journeys of the tabs look at.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, TimeoutError

from playground.tabs import TABS
from tests.browser.tabs import choose
from tests.browser.views import PHONE, WIDE, show

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
    seen = []
    for title in (tab.TITLE for tab in TABS):
        page = visit()  # one for each tab: what axe takes grows with all that was opened before
        choose(page.locator("#tabs"), title)
        page.evaluate(TWO_FRAMES)
        for place in places(page, "tabs", (title,)):
            for size, dark in ((WIDE, False), (PHONE, True)):
                show(page, size, dark)
                accessible(page, "#tabs" if seen else None)  # the head is the same in all
                try:
                    page.wait_for_function("width => document.documentElement.scrollWidth <= width", arg=size[0])
                except TimeoutError:
                    pytest.fail(f"{place} sticks out of {size}: {page.evaluate(STICKS_OUT, size[0])[-1]}")
            show(page, WIDE, dark=False)
            seen.append(place)
        page.context.close()
    assert len({place[0] for place in seen}) == 7
    assert len(seen) >= 37, seen
