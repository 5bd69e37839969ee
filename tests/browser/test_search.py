"""A visitor adds three kinds of file, searches, opens the microscope, asks, and follows a citation."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.pictures import keep_for_readme
from tests.browser.tabs import open_tab
from tests.labs.retrieval import made

HTML = b"""<!doctype html><html><body><article><h1>Etna</h1><p>Mount Etna is an active volcano on the east coast of
Sicily, and its summit is about 3,400 metres high, which makes it one of the tallest volcanoes in Europe.</p>
<script>document.title='taken over'</script></article></body></html>"""


def opened(page: Page) -> None:
    open_tab(page, "Search")
    expect(page.locator("#search-go")).to_be_visible()


def test_the_first_click_shows_something(visit, shot, accessible):
    page = visit()
    opened(page)
    page.locator("#search-go").click()
    first = page.locator("#search-hits li").first
    expect(first).to_contain_text("Paris", timeout=180_000)  # what is left of the shipped collection is indexed first
    expect(page.locator("#search-answer .verdict")).to_be_visible(timeout=120_000)
    expect(page.locator("#search-answer .answer")).to_contain_text("Paris")
    page.locator("#search-answer .cite").first.click()
    expect(page.locator("#search-ranks .js-plotly-plot")).to_be_visible(timeout=60_000)
    shot(page, "search", full_page=True)
    accessible(page)
    page.locator("#search-examples").evaluate("place => place.scrollIntoView({block: 'start'})")
    keep_for_readme(page, "search")
    page.get_by_role("button", name="Not in there").click()
    expect(page.locator("#search-answer .refused")).to_contain_text("do not seem to answer", timeout=60_000)


def test_own_documents_from_files_to_citation(visit, shot, accessible, tmp_path: Path):
    page = visit()
    opened(page)
    page.locator("#search").get_by_role("tab", name="Documents", exact=True).click()
    (tmp_path / "etna.html").write_bytes(HTML)
    (tmp_path / "tower.pdf").write_bytes(made.pdf("The tower of Pisa leans by four degrees.", "It is 56 metres high."))
    (tmp_path / "cities.csv").write_text("city,country\nOslo,Norway\nLima,Peru\n")
    (tmp_path / "empty.txt").write_text("")
    names = ["etna.html", "tower.pdf", "cities.csv", "empty.txt"]
    page.locator("#search-files input[type=file]").set_input_files([tmp_path / name for name in names])
    expect(page.locator("#search-files")).to_contain_text("cities")
    page.locator("#search-add").click()
    told = page.locator("#search-outcomes")
    expect(told).to_contain_text("empty.txt: not added", timeout=120_000)
    expect(told).to_contain_text("0 bytes")
    expect(told.locator("li.good")).to_have_count(3)
    expect(page.locator("#search-documents")).to_contain_text("tower.pdf", timeout=60_000)
    expect(page.locator("#search-collection input")).to_have_value(re.compile("My documents"))
    expect(page.locator("#search-borders small").first).to_be_visible()
    shot(page, "search-documents")
    keep_for_readme(page.locator("#search"), "search-documents")
    accessible(page)

    page.locator("#search").get_by_role("tab", name="Ask", exact=True).click()
    page.locator("#search-question textarea").fill("How high is Mount Etna?")
    page.locator("#search-go").click()
    first = page.locator("#search-hits li").first
    expect(first).to_contain_text("etna.html", timeout=120_000)
    expect(page.locator("#search-answer .verdict")).to_be_visible(timeout=120_000)
    expect(page.locator("#search-answer details.prompt")).to_be_attached()
    page.locator("#search-hits button[data-at]").nth(1).click()
    expect(page.locator("#search-hits li").nth(1)).to_have_class("picked", timeout=60_000)
    scopes = page.locator("#search-scopes")
    for name, place in (("Words", "#search-terms table"), ("Tokens", "#search-tokens .js-plotly-plot"),
                        ("In its document", "#search-place .document"), ("Map", "#search-map .js-plotly-plot"),
                        ("Why not this one?", "#search-why li")):  # fmt: skip
        scopes.get_by_role("tab", name=name, exact=True).click()
        expect(page.locator(place).first).to_be_visible()
    assert page.title() == "Playground"

    page.get_by_role("button", name="Downloads and code").click()
    page.locator("#search-take").click()
    expect(page.locator("#search-code")).to_contain_text("SentenceTransformer", timeout=60_000)
    expect(page.locator("#search-taken-files")).to_contain_text(re.compile(r"search\s*\.csv"))
    shot(page, "search-downloads")

    stranger = visit()
    opened(stranger)
    stranger.locator("#search-collection input").click()
    expect(stranger.get_by_role("option", name=re.compile("How transformers work"))).to_be_visible()
    expect(stranger.get_by_role("option", name=re.compile("My documents"))).to_have_count(0)

    page.reload()
    opened(page)
    page.locator("#search-collection input").click()
    page.get_by_role("option", name=re.compile("My documents")).click()

    # taken along, deleted once it was confirmed, and brought back
    page.locator("#search").get_by_role("tab", name="Documents", exact=True).click()
    expect(page.locator("#search-documents")).to_contain_text("tower.pdf", timeout=60_000)
    page.locator("#search-export").click()
    with page.expect_download() as taken:
        page.locator("#search-taken a").first.click()
    taken.value.save_as(tmp_path / "mine.zip")
    page.locator("#search-delete").click()
    page.locator("#search-keep").click()
    expect(page.locator("#search-delete-sure")).to_be_hidden()
    page.locator("#search-delete").click()
    page.locator("#search-delete-sure").click()
    expect(page.locator("#search-add-status")).to_contain_text("is deleted", timeout=60_000)
    with page.expect_file_chooser() as chooser:
        page.locator("#search-import").click()
    chooser.value.set_files(tmp_path / "mine.zip")
    expect(page.locator("#search-add-status")).to_contain_text("is back", timeout=60_000)
    expect(page.locator("#search-documents")).to_contain_text("tower.pdf")
