"""A visitor measures a search on the shipped questions, moves the threshold, then compares texts."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pictures import keep_for_readme
from tests.browser.tabs import open_tab

LONG = 240_000  # the shipped documents are embedded first, on two shared cores


def opened(page: Page, name: str) -> None:
    open_tab(page, "Search")
    page.locator("#search").get_by_role("tab", name=name, exact=True).click()


@pytest.mark.timeout(600)
def test_a_search_is_measured(visit, shot, accessible, tmp_path: Path):
    page = visit()
    opened(page, "Evaluate")
    page.locator("#evaluate-run").click()
    verdict = page.locator("#evaluate-verdict")
    expect(verdict).to_contain_text("has the highest nDCG@10 of 5 settings on 50 questions", timeout=LONG)
    expect(verdict).to_contain_text(re.compile(r"turns away \d+ of 10 questions that nothing answers"))
    expect(page.locator("#evaluate-figure .js-plotly-plot")).to_be_visible()
    expect(page.locator("#evaluate-refusals .js-plotly-plot")).to_be_visible()
    expect(page.locator("#evaluate-tables tbody tr")).to_have_count(10)
    shot(page, "search-evaluate", full_page=True)
    accessible(page)
    page.locator("#evaluate-verdict").evaluate("place => place.scrollIntoView({block: 'start'})")
    keep_for_readme(page, "search-evaluate")

    # answers too: one in four questions, under the settings that are picked
    page.get_by_role("button", name="Answers too: accuracy and citations").click()
    for name in ("Dense", "Hybrid, RRF"):
        page.get_by_label(name, exact=True).uncheck()
    page.locator("#evaluate-answers input[type=number]").fill("4")
    page.locator("#evaluate-answers input[type=number]").press("Tab")
    page.locator("#evaluate-answer").click()
    graded = page.locator("#evaluate-graded")
    expect(graded).to_contain_text("4 of 4 questions are answered", timeout=LONG)
    expect(graded.locator("table").first.locator("tbody tr")).to_have_count(3)
    expect(page.locator("#evaluate-answer-figure .js-plotly-plot")).to_be_visible(timeout=60_000)
    shot(page, "search-answers", full_page=True)

    # questions of one's own that are on another collection
    page.get_by_label("My own (JSONL)").check()
    file = tmp_path / "own.jsonl"
    file.write_text(json.dumps({"question": "?", "document": "elsewhere.md"}))
    page.locator("#evaluate-file input[type=file]").set_input_files(file)
    expect(page.locator("#evaluate-file")).to_contain_text("own")
    page.locator("#evaluate-run").click()
    expect(page.get_by_text("Pick the collection that they were written for").first).to_be_visible(timeout=LONG)
    expect(verdict).to_contain_text("has the highest")


@pytest.mark.timeout(600)
def test_texts_are_compared(visit, shot, accessible):
    page = visit(width=390, height=844, dark=True)
    opened(page, "Similarity")
    page.locator("#similarity-compare").click()
    expect(page.locator("#similarity-pair .cosine")).to_contain_text("cosine similarity", timeout=LONG)
    page.get_by_role("button", name="Three capitals").click()
    lines = page.locator("#similarity-many li")
    expect(lines).to_have_count(2, timeout=LONG)
    expect(lines.first).to_contain_text("Paris")
    expect(lines.nth(1)).to_contain_text(re.compile("Berlin|Madrid"))
    page.get_by_role("button", name="Feedback in groups").click()
    expect(page.locator("#similarity-many h4").first).to_contain_text("Group 1", timeout=LONG)
    expect(page.locator("#similarity-chart .js-plotly-plot")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shot(page, "search-similarity", full_page=True)
    accessible(page)
    page.locator("#similarity-matrix").click()
    expect(page.locator("#similarity-many table")).to_be_visible(timeout=LONG)
