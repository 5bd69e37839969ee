"""The journeys of the Internals tab on the real starter: a cell of the lens, a neuron found, seen and taken out."""

from pathlib import Path
from urllib.parse import unquote

from playwright.sync_api import Page, expect

from tests.browser.pictures import keep_for_readme
from tests.browser.reports import open_report
from tests.browser.tabs import open_pane

ROOT = Path(__file__).parents[2]


def expect_to_fit(page: Page, width: int) -> None:
    """Nothing sticks out to the side; charts take a moment to follow a window that was made narrower."""
    page.wait_for_function("width => document.documentElement.scrollWidth <= width", arg=width)


def close_notice(page: Page) -> None:
    """Closes what says that something was refused, if it has not gone by itself."""
    page.evaluate("document.querySelectorAll('.toast-close').forEach(button => button.click())")
    expect(page.locator(".toast-body")).to_have_count(0)


def expect_curves(page: Page) -> None:
    expect(page.locator("#lens-chart .scatterlayer .trace").first).to_be_visible(timeout=120_000)


def test_from_the_lens_to_one_cell(visit, shot, accessible):
    page = visit(height=1300)
    open_pane(page, "Logit lens")
    assert page.locator("#lens-text textarea").input_value() == "The capital of France is"
    page.locator("#lens-look").click()
    expect(page.locator("#lens-caption")).to_contain_text("the answer, ·Paris", timeout=120_000)
    expect(page.locator("#lens-caption")).to_contain_text("the model's own logits")  # nearly, in fp32
    expect(page.locator("#lens-grid button")).to_have_count(31 * 5)
    expect(page.locator("#lens-detail h4")).to_contain_text("Layer 29")
    expect_curves(page)
    shot(page, "internals-1-lens", full_page=True)
    keep_for_readme(page.locator("#lens-row"), "lens")
    accessible(page)

    cell = page.locator("#lens-grid button[data-at='24,4']")  # layer 23, since the embedding is row 0
    cell.click()
    expect(page.locator("#lens-detail h4")).to_contain_text("Layer 23")
    expect(page.locator("#lens-detail tbody tr")).to_have_count(10)
    expect(page.locator("#lens-detail")).to_contain_text("·Paris")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page.locator("#lens-detail h4")).to_contain_text("Layer 24 at ·France")
    expect(page.locator("#lens-grid button[aria-pressed=true]")).to_have_attribute("data-at", "25,3")
    page.locator("#lens-colour").get_by_label("Entropy").check()
    expect(page.locator("#lens-caption")).to_contain_text("narrowed it down")
    page.locator("#lens-curve").get_by_label("Probability").check()
    expect(page.locator("#lens-curve-note")).to_contain_text("suddenly believed")
    with page.expect_download() as download:
        page.get_by_role("button", name="Downloads").click()
        page.locator("#lens-export a[download='logit-lens.csv']").click()
    assert len(Path(download.value.path()).read_text("utf-8").splitlines()) == 1 + 31 * 5

    page.locator("#lens-text textarea").fill("The cat sat on the mat. " * 12)
    page.keyboard.press("Enter")
    expect(page.locator("#lens-caption")).to_contain_text("all were read")
    expect(page.locator("#lens-first")).to_be_visible()
    expect(page.locator("#lens-grid thead th")).to_have_count(41)
    expect(page.locator("#lens-grid button[aria-pressed=true]")).to_be_in_viewport()
    shot(page, "internals-2-lens-long", full_page=True)


def test_on_a_phone_in_the_dark_a_reply_is_read_by_the_lens_and_a_neuron_and_reported(
    visit, shot, accessible, browser, tmp_path
):
    page = visit(width=390, dark=True)
    page.locator("#message textarea").fill("Say hello.")
    page.locator("#send").click()
    expect(page.locator("#regenerate")).to_be_enabled(timeout=120_000)  # the reply is there
    page.locator("#chat-send-to").get_by_role("button", name="Logit lens").filter(visible=True).click()
    expect(page.locator("#lens-caption")).to_contain_text("the answer", timeout=120_000)
    assert page.locator("#lens-text textarea").input_value().startswith("<|im_start|>system")
    expect(page.get_by_label("Special tokens are in the text already").filter(visible=True)).to_be_checked()
    expect_curves(page)
    expect_to_fit(page, 390)
    accessible(page)
    shot(page, "internals-3-lens-phone", full_page=True)
    cells = page.locator("#lens-grid button").all_text_contents()
    titles = page.locator("#lens-chart").locator(".xtitle, .ytitle").all_text_contents()
    said = page.locator("#lens-caption").inner_text()

    open_pane(page, "Neurons")
    page.get_by_role("button", name="One for a place that comes next").click()
    expect(page.locator("#neuron-caption")).to_contain_text("MLP neuron 1005", timeout=120_000)
    expect_to_fit(page, 390)
    accessible(page)
    shot(page, "internals-6-neurons-phone", full_page=True)

    expect(page.locator(".report .count")).to_have_text("3", timeout=60_000)
    page.locator(".report-open").click()
    places = page.locator(".report .entries b")
    expect(places).to_have_text(["Chat", "Internals · Logit lens", "Internals · Neurons"])
    expect_to_fit(page, 390)
    accessible(page)
    shot(page, "report-1-phone")
    page.locator(".report .entries").get_by_role("button", name="Remove Internals · Neurons").click()
    expect(page.locator(".report .count")).to_have_text("2")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download report").click()
    download.value.save_as(tmp_path / "report.html")
    report, wrong = open_report(browser, tmp_path / "report.html", 390, dark=True)
    assert report.locator("script").count() == 0
    assert "Say hello." in report.locator(".said-by.user").inner_text()
    assert report.locator("#result-2 .id-lens-grid .was-button").all_text_contents() == cells
    assert report.locator("#result-2 .id-lens-caption").inner_text().split() == said.split()
    drawn = unquote(report.locator("#result-2 .chart img").get_attribute("src"))
    assert len(titles) == 2
    assert all(title in drawn for title in titles)
    assert report.evaluate("document.querySelector('.chart img').naturalWidth") > 0
    expect_to_fit(report, 390)
    shot(report, "report-2-from-disk", full_page=True)
    assert not wrong
    report.context.close()

    page.reload()
    expect(page.locator(".report .count")).to_have_text("2", timeout=60_000)
    page.locator(".report-open").click()
    expect(places).to_have_text(["Chat", "Internals · Logit lens"])
    with page.expect_download() as download:
        page.get_by_role("button", name="Download report").click()
    download.value.save_as(tmp_path / "again.html")
    report, wrong = open_report(browser, tmp_path / "again.html", 390, dark=True)
    assert report.locator("#result-2 .id-lens-grid .was-button").all_text_contents() == cells
    drawn = unquote(report.locator("#result-2 .chart img").get_attribute("src"))
    assert all(title in drawn for title in titles)
    assert not wrong
    report.context.close()
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.locator(".report-open")).to_be_visible()
    expect(other.locator(".report .count")).to_have_text("")  # another window is another visit
    other.locator(".report-open").click()
    expect(other.locator(".report .entries li")).to_have_count(0)


def test_a_neuron_is_found_seen_and_taken_out(visit, shot, accessible):
    page = visit(height=1300)
    open_pane(page, "Neurons")
    page.get_by_role("button", name="Praise against complaint").click()
    expect(page.locator("#group-caption")).to_contain_text(
        "46,080 neurons compared over 12 against 12", timeout=120_000
    )
    expect(page.locator("#group-ranking button")).to_have_count(20)
    page.locator("#group-ranking button", has_text="Layer 12, neuron 778").click()
    expect(page.locator("#neuron-heat")).to_contain_text("Second group", timeout=120_000)
    expect(page.locator("#neuron-caption")).to_contain_text("layer 12, MLP neuron 778. Strongest at ·worst -4")
    assert page.locator("#neuron-index input").input_value() == "778"
    accessible(page)
    shot(page, "internals-4-neurons", full_page=True)
    keep_for_readme(page.locator("#neuron-heat"), "neurons")

    page.get_by_role("button", name="Where in a corpus").click()
    page.locator("#neuron-search").click()
    expect(page.locator("#neuron-active")).to_contain_text("50 texts", timeout=120_000)
    expect(page.locator("#neuron-active")).to_contain_text("terrible")

    page.locator("#group-1 textarea").fill("Only one sentence.")
    page.locator("#group-compare").click()
    expect(page.get_by_text("The first group has 1 sentence, and at least two are needed")).to_be_visible()
    assert page.locator("#group-1 textarea").input_value() == "Only one sentence."
    close_notice(page)

    page.get_by_role("button", name="A little girl, or a town").click()
    expect(page.locator("#out-chart .barlayer .trace").first).to_be_visible(timeout=120_000)
    expect(page.locator("#out-caption")).to_contain_text("·girl")
    expect(page.locator("#out-written")).to_contain_text("little town", timeout=120_000)
    expect(page.locator("#out-status p")).to_have_count(0, timeout=120_000)
    accessible(page)
    shot(page, "internals-5-neuron-out", full_page=True)
