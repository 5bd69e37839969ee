"""Pictures of the README that no journey passes by. `make screenshots` alone runs them: see conftest.py."""

from tests.browser.pictures import keep_for_readme, keep_span_for_readme
from tests.browser.test_attention import expect_drawn
from tests.browser.test_bias import expect_done, open_pane


def test_a_grid_and_a_change(visit):
    page = visit(height=1200)
    open_pane(page, "Fill the blank")
    page.locator("#bias-grid-examples button").first.click()
    expect_done(page, "bias-grid")
    expect_drawn(page, "#bias-grid-chart")
    keep_for_readme(page.locator("#bias-grid-chart"), "bias")

    open_pane(page, "Change & measure again")
    page.locator("#bias-change-examples button").first.click()
    expect_done(page, "bias-change")
    expect_drawn(page, "#bias-change-chart")
    page.set_viewport_size({"width": 1280, "height": 3000})
    page.wait_for_timeout(1_000)
    keep_span_for_readme(page, "#bias-change-says", "#bias-change-more", "bias-change")
