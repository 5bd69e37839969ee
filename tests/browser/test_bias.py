"""The journeys of the Bias tab on the real starter: a blank, pairs, and the same pairs before and after a change."""

from playwright.sync_api import Page, expect

from tests.browser.tabs import open_tab
from tests.browser.test_attention import expect_drawn


def open_pane(page: Page, name: str) -> None:
    open_tab(page, "Bias")
    tabs = page.locator("#bias")
    expect(tabs.get_by_role("tab").first).to_be_visible()
    tab = tabs.get_by_role("tab", name=name, exact=True)
    if tab.is_visible():
        tab.click()
    else:  # on a phone there is no room for all of them
        tabs.locator(".overflow-menu > button").first.click()
        tabs.locator(".overflow-dropdown").get_by_role("button", name=name).click()


def run(page: Page, name: str) -> None:
    page.locator(f"#{name}-run").click()
    expect_done(page, name)


def expect_done(page: Page, name: str) -> None:
    expect(page.locator(f"#{name}-says .lab-verdict")).to_be_visible(timeout=240_000)
    expect(page.locator(f"#{name}-status p")).to_have_count(0, timeout=240_000)


def test_a_blank_in_one_click_then_pairs(visit, shot, accessible):
    page = visit(height=1200)
    open_pane(page, "Fill the blank")
    page.get_by_role("button", name="The programmer's day").click()
    expect_done(page, "bias-fill")
    expect(page.locator("#bias-fill-more tbody tr")).to_have_count(4)
    accessible(page)
    shot(page, "bias-1-fill", full_page=True)
    page.locator("#bias-fill-text textarea").fill("Nothing is missing here.")
    page.locator("#bias-fill-run").click()
    expect(page.locator(".toast-body")).to_contain_text("There is no blank in this text")
    expect(page.locator("#bias-fill-more tbody tr")).to_have_count(4)  # what was found is still there
    page.locator(".toast-close").click()

    open_pane(page, "Pairs")
    page.get_by_role("button", name="He or she is a …").click()
    expect_done(page, "bias-pairs")
    expect(page.locator("#bias-pairs-says")).to_contain_text("of 8 pairs (95 % interval")
    expect(page.locator("#bias-pairs-chart")).to_contain_text("50 %: the ideal")
    expect_drawn(page, "#bias-pairs-chart")
    expect(page.locator(".bias-pairs li")).to_have_count(8)
    page.locator("#bias-pairs-python").get_by_role("button").first.click()
    expect(page.locator("#bias-pairs-code")).to_contain_text("AutoModelForCausalLM")
    page.locator("#bias-pairs-data").get_by_label("Winogender").click()
    expect(page.get_by_text("120 pairs that come with the page")).to_be_visible()
    expect(page.locator("#bias-pairs-first")).to_be_hidden()
    accessible(page)
    shot(page, "bias-2-pairs", full_page=True)

    open_pane(page, "Report")
    page.locator("#bias-report-make").click()
    expect(page.locator("#bias-report-shown")).to_contain_text(
        "Scores of different dialects or tokenizers do not compare."
    )
    expect(page.locator("#bias-report-shown h3")).to_have_count(2)
    expect(page.locator("#bias-report-files a[download]").first).to_be_visible()
    accessible(page)


def test_before_and_after_on_a_phone_in_the_dark(visit, shot, accessible):
    page = visit(width=390, dark=True)
    open_pane(page, "Change & measure again")
    page.locator("#bias-change-words textarea").fill("nurse, engineer, teacher, mechanic")
    run(page, "bias-change")
    expect(page.locator("#bias-change-more")).to_contain_text("A random direction of the same size")
    expect(page.locator("#bias-change-more tbody tr").filter(has_text="As it is")).to_be_visible()
    expect_drawn(page, "#bias-change-chart")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    accessible(page)
    shot(page, "bias-3-change-phone-dark", full_page=True)
