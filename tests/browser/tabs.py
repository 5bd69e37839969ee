"""Opening the tabs of the page, at any width."""

from playwright.sync_api import Page, expect


def open_tab(page: Page, name: str) -> None:
    """Opens one of the page's own tabs; on a phone the last of them are behind a button."""
    expect(page.get_by_role("tab").first).to_be_visible()
    tab = page.get_by_role("tab", name=name, exact=True)
    if tab.count() and tab.first.is_visible():
        tab.first.click()
    else:
        page.locator(".overflow-menu > button").first.click()
        page.locator(".overflow-dropdown").first.get_by_role("button", name=name, exact=True).click()
