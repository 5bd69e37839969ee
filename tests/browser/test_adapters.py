"""The journey through the Adapters and Ensembles panes on the real starter: mix, move, route, one batch, a vote."""

from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

from tests.browser.pictures import keep_for_readme
from tests.browser.tabs import open_tab

LONG = 240_000  # ms; two shared cores may be busy with something else


def open_pane(page: Page, pane: str, bench: str) -> None:
    open_tab(page, "Merge")
    page.locator("#merge").get_by_role("tab", name=pane, exact=True).click()
    page.get_by_role("tab", name=bench, exact=True).click()


def expect_written(page: Page, name: str, cards: int) -> None:
    expect(page.locator(f"#merge-{name}-written li")).to_have_count(cards, timeout=LONG)
    expect(page.locator(f"#merge-{name}-status p")).to_have_count(0, timeout=LONG)


def test_adapters_are_mixed_routed_and_batched(visit, shot, accessible):
    page = visit(height=1500)
    open_pane(page, "Adapters", "Mix")
    page.get_by_role("button", name="Pirate 0.7 and JSON 0.3").click()
    expect_written(page, "adapters", 2)
    first = page.locator("#merge-adapters-written li").nth(1).locator(".text").inner_text()
    plain = page.locator("#merge-adapters-written li").nth(0).locator(".text").inner_text()
    assert first != plain
    shot(page, "adapters-1-mix", full_page=True)
    keep_for_readme(page.locator("#merge-adapters-written"), "adapters")
    accessible(page)

    page.locator("#merge-adapters-weight-pirate input[type=number]").fill("0")
    page.locator("#merge-adapters-weight-json input[type=number]").fill("0")
    page.locator("#merge-adapters-run").click()
    expect(page.locator("#merge-adapters-same")).to_contain_text("Word for word the same", timeout=LONG)

    page.get_by_role("tab", name="Route", exact=True).click()
    page.get_by_role("button", name="An equation").click()
    expect(page.locator("#merge-route-told")).to_contain_text("To math", timeout=LONG)
    expect_written(page, "route", 2)
    shot(page, "adapters-2-route", full_page=True)

    page.get_by_role("tab", name="One batch", exact=True).click()
    page.locator("#merge-batch-run").click()
    expect_written(page, "batch", 5)
    expect(page.locator("#merge-batch-written")).to_contain_text("forward passes")
    shot(page, "adapters-3-batch", full_page=True)
    accessible(page)

    page.locator("#merge-batch-tokens input[type=number]").fill("15")
    page.locator("#permalink").get_by_role("button", name="Copy link").click()
    expect(page.locator("#permalink .done")).not_to_be_empty()
    address = urlsplit(page.locator("#permalink input").input_value())
    elsewhere = visit(width=390, after=f"#{address.fragment}")
    expect(elsewhere.locator("#merge-batch-tokens input[type=number]")).to_have_value("15")
    expect(elsewhere.locator("#merge-batch-run")).to_be_visible()
    expect(elsewhere.locator("#merge-batch-table")).to_contain_text("Greta works as a tailor")
    elsewhere.locator("#permalink").get_by_role("button", name="Copy link").click()  # some tabs have no room there
    expect(elsewhere.locator("#permalink .done")).not_to_be_empty()
    again = urlsplit(elsewhere.locator("#permalink input").input_value())
    assert again.fragment == address.fragment
    shot(elsewhere, "adapters-4-link-phone")


def test_an_ensemble_votes_on_a_phone(visit, shot, accessible):
    page = visit(width=390, dark=True)
    open_pane(page, "Ensembles", "Classifiers")
    page.locator("#merge-ensembles-run").click()
    expect(page.locator("#merge-ensembles-one")).to_contain_text("stacking", timeout=LONG)
    expect(page.locator("#merge-ensembles-told")).to_contain_text("merge")
    expect(page.locator("#merge-ensembles-chart .scatterlayer .trace").first).to_be_visible(timeout=LONG)
    shot(page, "ensembles-1-vote", full_page=True)
    accessible(page)
