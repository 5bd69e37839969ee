"""Whoever clicks an example, or sends something, sees what comes of it without scrolling."""

from playwright.sync_api import Page, expect

from tests.browser.tabs import choose, open_pane, open_tab

LONG = 120_000


def at(page: Page) -> float:
    """How far down the page is, once it moves no more."""
    page.wait_for_function(
        """() => new Promise((done) => {
            const before = scrollY;
            setTimeout(() => done(before === scrollY), 400);
        })"""
    )
    return page.evaluate("scrollY")


def test_results_come_into_sight_unless_somebody_scrolls(visit):
    page = visit()
    open_pane(page, "Ablation")
    example = page.locator("#ablation-examples button").first
    expect(page.locator("#ablation-stop")).not_to_be_in_viewport()
    example.click()
    expect(page.locator("#ablation-told")).to_be_in_viewport(timeout=LONG)
    expect(page.locator("#ablation-stop")).to_be_in_viewport()
    assert at(page) > 300

    page.evaluate("scrollTo(0, 0)")
    at(page)
    example.focus()
    page.keyboard.press("Enter")
    page.mouse.wheel(0, -50)  # somebody wants to stay
    stays = at(page)
    page.wait_for_timeout(2_000)
    assert at(page) == stays < 300

    page.locator("#ablation-told").scroll_into_view_if_needed()
    page.locator(".sending button").filter(visible=True, has_text="Bias").click()
    expect(page.locator("#bias-generation-run, #bias-fill-run").filter(visible=True).first).to_be_in_viewport(
        timeout=LONG
    )

    open_tab(page, "Search")
    choose(page.locator("#search"), "Similarity")
    page.evaluate("scrollTo(0, 0)")
    page.locator("#similarity-examples button").first.click()
    expect(page.locator("#similarity-pair")).to_contain_text("cosine similarity", timeout=LONG)
    expect(page.locator("#similarity-pair")).to_be_in_viewport()
