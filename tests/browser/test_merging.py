"""The journey of the Merge tab on real parents: blend in one click, slide, sweep, pick, save, talk to what is saved."""

import re
import secrets
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pictures import keep_for_readme, keep_span_for_readme
from tests.browser.tabs import open_tab
from tests.browser.test_chat import expect_end, expect_words

LONG = 240_000  # models are loaded and texts written on two shared cores
NAME = f"browser-test-merge-{secrets.token_hex(4)}"  # what a killed run has left does not stand in the way


def open_merge(page: Page) -> None:
    open_tab(page, "Merge")
    expect(page.locator("#merge-run")).to_be_visible(timeout=LONG)


def pane(page: Page, name: str) -> None:
    page.locator("#merge-blend").get_by_role("tab", name=name, exact=True).click()


def slide(page: Page, place: str, value: float) -> None:
    """Moves a slider and lets go."""
    page.locator(f"{place} input[type=range]").evaluate(
        """(slider, value) => {
            slider.value = value;
            slider.dispatchEvent(new Event('input', {bubbles: true}));
            slider.dispatchEvent(new PointerEvent('pointerup', {bubbles: true}));
        }""",
        value,
    )


def answered(page: Page) -> list[str]:
    """The three answers, when all have ended."""
    cards = page.locator("#merge-answers li")
    expect(cards).to_have_count(3, timeout=LONG)
    for i in range(3):
        expect(cards.nth(i).locator(".note")).to_contain_text(
            re.compile("ended by itself|cut at the token limit"), timeout=LONG
        )
    expect(page.locator("#merge-status")).to_be_empty(timeout=LONG)
    return [card.locator(".text").inner_text() for card in cards.all()]


@pytest.mark.timeout(600)
def test_blend_slide_sweep_pick_save_and_talk(visit, shot, accessible):
    page = visit()
    open_merge(page)
    shot(page, "merge-1-first", full_page=True)
    page.locator("#merge-examples button").first.click()
    told = page.locator("#merge-told")
    expect(told).to_contain_text("merge:slerp-", timeout=LONG)
    a, merged, b = answered(page)
    assert a != b and merged.strip()
    first = told.locator("code").inner_text()
    shot(page, "merge-2-answers", full_page=True)
    accessible(page)
    expect(page.locator("#merge-answers")).to_be_in_viewport()  # the example led there
    page.set_viewport_size({"width": 1280, "height": 1600})
    keep_span_for_readme(page, "#merge-examples", "#merge-answers", "merge")
    page.set_viewport_size({"width": 1280, "height": 900})

    page.locator("#merge-use").click()
    expect(page.locator("#model input")).to_have_value(re.compile("slerp"))
    slide(page, "#merge-t", 0.0)
    expect(told).to_contain_text("filled in place", timeout=LONG)
    expect(page.locator("#merge-answers li .text").nth(1)).to_have_text(a, timeout=LONG)  # t = 0 is A
    assert answered(page) == [a, a, b]
    second = told.locator("code").inner_text()
    assert second != first
    expect(page.locator("#model input")).to_have_value(re.compile(second.removeprefix("merge:")))
    page.locator("#memory button").first.click()
    expect(page.locator("#memory")).to_contain_text(second.removeprefix("merge:"), timeout=LONG)

    page.locator("#merge-layers > button").click()  # a share of its own for one part, and a curve for the others
    page.wait_for_timeout(1000)  # for a moment, a slider that has just been shown goes back to where it was
    slide(page, "#merge-share-attention", 1.0)
    expect(page.locator("#merge-own").get_by_label("attention")).to_be_checked(timeout=LONG)
    expect(page.locator("#merge-answers li .text").nth(1)).to_have_text(
        b, timeout=LONG
    )  # adapters change attention alone
    assert answered(page) == [a, b, b]
    shot(page, "merge-2-parts", full_page=True)
    page.locator("#merge-own").get_by_label("attention").uncheck()
    expect(page.locator("#merge-answers li .text").nth(1)).to_have_text(a, timeout=LONG)
    page.locator("#merge-layers > button").click()

    pane(page, "Sweep")
    slide(page, "#merge-sweep-steps", 3)
    page.locator("#merge-sweep-run").click()
    expect(page.locator("#merge-sweep-told")).to_contain_text("surprises least", timeout=LONG)
    expect(page.locator("#merge-sweep-chart .js-plotly-plot")).to_be_visible()
    shot(page, "merge-3-sweep", full_page=True)
    accessible(page)
    heard = "document.querySelector('#merge-sweep-chart .js-plotly-plot')?._ev?._events?.plotly_click !== undefined"
    page.wait_for_function(heard)
    point = page.locator("#merge-sweep-chart .scatterlayer .trace .point").nth(1)  # t = 0.5
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(told.locator("code")).to_have_text(first, timeout=LONG)  # the same recipe has the same name
    answered(page)

    pane(page, "Inspect")
    page.locator("#merge-inspect-run").click()
    expect(page.locator("#merge-inspect-told")).to_contain_text("SLERP takes the straight line in", timeout=LONG)
    expect(page.locator("#merge-inspect-chart .js-plotly-plot")).to_be_visible()
    shot(page, "merge-4-inspect", full_page=True)
    keep_for_readme(page.locator("#merge-inspect-outcome"), "merge-inspector")

    pane(page, "Recipe and save")
    page.locator("#merge-recipe-show").click()
    expect(page.locator("#merge-recipe")).to_contain_text("merge_method: slerp")
    page.locator("#merge-name textarea, #merge-name input").fill(NAME)
    page.locator("#merge-save").click()
    saved = page.locator("#merge-saved code")
    expect(saved).to_contain_text(NAME, timeout=LONG)
    folder = Path(saved.inner_text())
    try:
        shot(page, "merge-5-saved", full_page=True)
        page.get_by_role("tab", name="Chat", exact=True).click()
        expect(page.locator("#model input")).to_have_value(re.compile(NAME))
        page.locator("#message textarea").fill("What is the capital of France?")
        page.locator("#send").click()
        expect_words(page, 3)
        expect_end(page)
    finally:
        shutil.rmtree(folder)
