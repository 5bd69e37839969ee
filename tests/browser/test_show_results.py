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
    page.locator(".sending button").filter(visible=True, has_text="Patching").click()  # a pane of the same tab
    expect(page.locator("#patching-stop")).to_be_in_viewport(timeout=LONG)
    expect(page.locator("#patching-introduction")).not_to_be_in_viewport()
    page.locator(".sending button").filter(visible=True, has_text="Bias").click()
    run = page.locator("#bias-generation-run, #bias-fill-run").filter(visible=True)
    expect(run.first).to_be_in_viewport(timeout=LONG)
    page.locator(".sending button").filter(visible=True, has_text="Prompt lab").click()
    expect(page.locator("#lab-write .sent-begins")).to_be_in_viewport(ratio=0.5, timeout=LONG)


def test_the_place_may_be_one_that_only_opens(visit):
    page = visit(height=700)
    page.locator("#chat-examples button", has_text="Two models").click()
    expect(page.locator("#arena-look")).to_be_in_viewport(ratio=1, timeout=LONG)
    expect(page.locator("#arena-verdict")).to_contain_text("tokens", timeout=LONG)

    open_tab(page, "Search")
    choose(page.locator("#search"), "Similarity")
    page.evaluate("scrollTo(0, 0)")
    page.locator("#similarity-examples button", has_text="Feedback in groups").click()
    expect(page.locator("#similarity-many")).not_to_be_empty(timeout=LONG)
    expect(page.locator("#similarity-many")).to_be_in_viewport()

    open_tab(page, "Merge")
    choose(page.locator("#merge-blend"), "Sweep")
    page.evaluate("scrollTo(0, 0)")
    page.locator("#merge-examples button").first.click()
    expect(page.locator("#merge-answers li")).to_have_count(3, timeout=LONG)
    expect(page.locator("#merge-answers")).to_be_in_viewport()
