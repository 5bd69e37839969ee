"""The journeys of the Probing pane on the real starter: one click, a file of one's own, every layer of it looked at."""

import csv
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from playground.labs.internals.probing import tasks
from tests.browser.pictures import keep_for_readme
from tests.browser.tabs import open_pane
from tests.browser.test_attention import expect_drawn
from tests.browser.test_internals import close_notice, expect_to_fit


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Path:
    """A file of 48 sentences about one or many, half and half: small, so that every layer is probed in seconds."""
    path = tmp_path_factory.mktemp("own") / "number.csv"
    write(path, some())
    return path


def some() -> list[tuple[str, str]]:
    examples = tasks.examples(tasks.named("subject_number"))
    rows = list(zip(examples.texts, examples.labels, strict=True))
    return [row for label in examples.classes for row in [row for row in rows if row[1] == label][:24]]


def write(path: Path, rows: list[tuple]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])


# Notes, at the moment when the first points of the curve are drawn, whether what belongs to the end was there already.
WATCH = """() => {
  window.growing = null;
  const look = () => {
    const rest = document.querySelector('#probing-rest');
    const [trace, progress] = ['#probing-curve .scatterlayer .trace', '#probing-status progress'];
    if (document.querySelector(trace) && document.querySelector(progress))
      window.growing = rest && rest.offsetParent ? 'with the rest' : 'alone';
    else requestAnimationFrame(look);
  };
  look();
}"""


def pick(page: Page, task: str) -> None:
    page.locator("#probing-task input").click()
    page.get_by_role("option", name=task, exact=True).click()


def upload(page: Page, path: Path) -> None:
    page.locator("#probing-file [type=file]").set_input_files(path)


def probe(page: Page) -> None:
    page.locator("#probe").click()
    expect_done(page)


def expect_done(page: Page) -> None:
    expect(page.locator("#probing-origin")).to_contain_text("folds", timeout=240_000)
    expect(page.locator("#probing-status p")).to_have_count(0, timeout=240_000)
    expect(page.locator("#probe")).to_be_enabled()


def expect_pictures(page: Page) -> None:
    for chart in ("#probing-curve", "#probing-confusion", "#probing-points"):
        expect_drawn(page, chart)


def points(page: Page) -> str:
    """Where the first of the texts stands."""
    return page.locator("#probing-points .scatterlayer .trace path.point").first.get_attribute("transform")


def expect_moved(page: Page, before: str) -> None:
    point = page.locator("#probing-points .scatterlayer .trace path.point").first
    expect(point).not_to_have_attribute("transform", before)


def test_one_click_then_a_file_of_ones_own_layer_by_layer(visit, shot, accessible, own, tmp_path):
    page = visit(height=1300)
    open_pane(page, "Probing")
    expect(page.locator("#probing-samples .chip")).to_have_count(6)
    shot(page, "probing-1-before", full_page=True)
    page.get_by_role("button", name="Sentence length from layer 6's first token").click()
    expect_done(page)
    expect(page.locator("#probing-verdict")).to_contain_text("its first token has seen nothing of what follows")
    expect(page.locator("#probing-verdict")).to_contain_text("so nothing here needs the model")
    expect(page.locator("#probing-slider")).to_be_hidden()  # there is one layer
    expect_pictures(page)
    accessible(page)
    shot(page, "probing-2-one-layer", full_page=True)

    pick(page, "My own file (CSV)")
    bad = tmp_path / "bad.csv"
    write(bad, [*some()[:3], ("A sentence without its label.", ""), *some()[3:]])
    upload(page, bad)
    expect(page.locator("#probing-samples")).to_contain_text("Row 5 has no label. Fill it in or remove the row.")
    page.get_by_label("Last token").check()
    page.get_by_label("Every layer").check()
    page.locator("#probe").click()
    expect(page.locator(".toast-body")).to_contain_text("Row 5 has no label")
    expect(page.locator("#probe")).to_be_enabled()
    expect(page.locator("#probing-verdict")).to_contain_text("Layer 6")  # what was found is still there
    close_notice(page)
    page.locator("#probing-file").get_by_label("Clear").click()
    ragged = tmp_path / "ragged.csv"
    ragged.write_text("text,label\nA cat, a dog,many\n")
    upload(page, ragged)
    expect(page.locator(".toast-body")).to_contain_text("Row 2 has 3 values, the first line 2")
    close_notice(page)
    upload(page, own)
    expect(page.locator("#probing-samples")).to_contain_text("48 texts with 2 labels")
    probe(page)
    expect(page.locator("#probing-verdict")).to_contain_text("Best is layer")
    expect(page.locator("#probing-curve .scatterlayer .trace")).to_have_count(5)
    expect(page.locator("#probing-curve")).to_contain_text("Words alone")
    expect_pictures(page)
    accessible(page)
    shot(page, "probing-3-own", full_page=True)
    keep_for_readme(page.locator("#probing-outcome"), "probing")

    before = points(page)
    slider = page.locator("#probing-slider input[type=range]")
    page.locator("#probing-slider input[type=number]").fill("0")
    page.keyboard.press("Tab")
    expect_moved(page, before)
    at_first = points(page)
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect_moved(page, at_first)
    page.get_by_role("button", name="All numbers").click()
    expect(page.locator("#probing-numbers tbody tr")).to_have_count(31 + 2)
    accessible(page)
    page.get_by_role("button", name="Downloads and code").click()
    with page.expect_download() as download:
        page.locator("#probing-export a[download='probing-layers.csv']").first.click()
    assert len(Path(download.value.path()).read_text("utf-8").splitlines()) >= 1 + 31
    shot(page, "probing-4-slider", full_page=True)


def test_in_the_dark_the_curve_grows_and_stops_when_told_and_fits_a_phone(visit, shot, accessible):
    page = visit(height=1300, dark=True)
    open_pane(page, "Probing")
    page.evaluate(WATCH)
    page.get_by_role("button", name="Part of speech").click()
    expect(page.locator("#probing-samples mark").first).to_be_visible()
    page.wait_for_function("window.growing", timeout=240_000)
    assert page.evaluate("window.growing") == "alone"
    shot(page, "probing-5-growing-dark", full_page=True)
    page.locator("#probe-stop").click()
    expect_done(page)
    expect_pictures(page)
    accessible(page)
    shot(page, "probing-6-dark", full_page=True)

    page.set_viewport_size({"width": 390, "height": 900})
    expect_to_fit(page, 390)
    expect_pictures(page)
    accessible(page)
    shot(page, "probing-7-phone-dark", full_page=True)
