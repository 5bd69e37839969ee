"""The journey of the Prompt lab on the real starter: an example in one click, edited, run, compared, taken along."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pictures import keep_for_readme

LONG = 240_000  # a run on two shared cores


def open_lab(page: Page) -> None:
    page.get_by_role("tab", name="Prompt lab", exact=True).click(timeout=LONG)
    expect(page.locator("#lab-run")).to_be_visible()
    expect(page.locator("#lab-preview .lab-tokens")).to_be_visible(timeout=LONG)


def detail(page: Page, name: str) -> None:
    page.locator("#lab-details").get_by_role("tab", name=name, exact=True).click()


@pytest.mark.timeout(600)
def test_few_shot_against_zero_shot_in_one_click(visit, shot, accessible):
    page = visit()
    open_lab(page)
    expect(page.locator("#lab-preview")).to_contain_text("104 tokens of 8,192 that fit")
    shot(page, "prompting-1-first", full_page=True)

    chips = page.locator("#lab-order [data-line]")
    movie, restaurant = (chips.nth(i).inner_text().removeprefix(f"{i + 1} ") for i in range(2))
    chips.nth(0).drag_to(chips.nth(2))
    expect(chips.nth(2)).to_have_text(f"3 {movie}")
    expect(chips.nth(0)).to_have_text(f"1 {restaurant}")
    expect(page.locator("#lab-preview")).to_contain_text(re.compile("restaurant.*movie", re.DOTALL))
    chips.nth(2).press("ArrowLeft")
    expect(chips.nth(1)).to_have_text(f"2 {movie}")
    expect(chips.nth(1)).to_be_focused()
    accessible(page)

    page.get_by_role("button", name="Sentiment: few-shot against zero-shot").click()
    expect(page.locator("#lab-status progress")).to_be_visible()
    verdict = page.locator("#lab-verdict .lab-verdict")
    expect(verdict).to_have_text(re.compile("few-shot is better than zero-shot on these rows: by"), timeout=LONG)
    expect(verdict).to_contain_text("McNemar's exact test")
    expect(page.locator("#lab-overview tbody tr")).to_have_count(2)
    expect(page.locator("#lab-chart .js-plotly-plot")).to_be_visible()
    expect(page.locator("#lab-disagreements tbody tr").first).to_contain_text("✓ right")
    accessible(page)
    page.locator("#lab-verdict").evaluate("place => place.scrollIntoView({block: 'start'})")
    keep_for_readme(page, "prompt-lab")
    page.evaluate("scrollTo(0, 0)")
    keep_for_readme(page, "prompt-lab-builder")
    shot(page, "prompting-2-compared", full_page=True)

    # what changed alone is computed: the same answers, scored otherwise
    detail(page, "Downloads and code")
    everything = page.locator("#lab-files a[download]").nth(2)  # results.json, whose address is a hash of what it holds
    before = everything.get_attribute("href", timeout=LONG)
    page.locator("#lab-scorer input").click()
    page.get_by_role("option", name="Contains it").click()
    page.locator("#lab-run").click()
    expect(everything).not_to_have_attribute("href", before, timeout=LONG)
    expect(page.locator("#lab-run")).to_be_enabled(timeout=LONG)
    expect(page.locator("#lab-status progress")).to_be_hidden()
    with page.expect_download() as download:
        everything.click()
    assert json.loads(download.value.path().read_text("utf-8"))["scorer"]["kind"] == "contains"

    with page.expect_download() as download:
        page.locator("#lab-files a[download]").first.click()
    assert download.value.path().read_text("utf-8").startswith("prompt,model,temperature,row,column text,")
    expect(page.locator("#lab-code")).to_contain_text("from transformers import")
    shot(page, "prompting-3-files", full_page=True)

    # an error loses nothing
    query = page.locator("#lab-query textarea")
    query.fill("{{text")
    query.press("End")
    query.press_sequentially(" ")
    expect(page.locator("#lab-preview")).to_contain_text("braces of the query")
    page.locator("#lab-run").click()
    expect(page.get_by_text("braces of the query do not match").last).to_be_visible()
    expect(query).to_have_value("{{text ")
    expect(verdict).to_be_visible()

    page.reload()
    expect(page.locator("[data-state=ready]")).to_be_visible(timeout=LONG)
    open_lab(page)
    expect(page.locator("#lab-verdict .lab-verdict")).to_contain_text("few-shot", timeout=LONG)
    expect(page.locator("#lab-look")).to_contain_text("as this browser has kept it")
    expect(query).to_have_value("{{text}}")


@pytest.mark.timeout(300)
def test_on_a_phone_in_the_dark(visit, shot, accessible):
    page = visit(width=390, height=844, dark=True)
    open_lab(page)
    page.locator("#lab-one").click()
    expect(page.locator("#lab-one-answer")).to_contain_text("tokens", timeout=LONG)
    shot(page, "prompting-4-phone", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    accessible(page)
