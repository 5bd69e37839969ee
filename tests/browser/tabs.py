"""Opening the tabs of the page, at any width."""

from playwright.sync_api import Error, Locator, Page, expect


def open_tab(page: Page, name: str) -> None:
    """Opens one of the page's own tabs."""
    choose(page.locator("body"), name)


def open_pane(page: Page, name: str) -> None:
    """Opens the Internals tab and one of its panes."""
    open_tab(page, "Internals")
    choose(page.locator("#internals"), name)


def choose(where: Locator, name: str) -> None:
    """Opens a tab of the first row of tabs in a place; where there is no room for all, some are behind a button.

    Which, is settled a moment after the page's width has changed; so what was there may be gone when it is clicked.
    """
    tab = where.get_by_role("tab", name=name, exact=True).first
    more = where.locator(".overflow-menu > button").first
    for attempt in range(3):
        expect(tab.or_(more).filter(visible=True).first).to_be_visible()
        try:
            if tab.is_visible():
                return tab.click(timeout=10_000)
            more.click(timeout=10_000)
            return where.locator(".overflow-dropdown").first.get_by_role("button", name=name, exact=True).click()
        except Error:
            if attempt == 2:
                raise
