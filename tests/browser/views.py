"""The same page in both themes and at both widths, one after the other: what is on it need not be made four times."""

from collections.abc import Iterator

from playwright.sync_api import Page

WIDE, PHONE = (1280, 900), (390, 844)


def show(page: Page, size: tuple[int, int], dark: bool) -> None:
    """Changes the window's size and the theme that the visitor's system prefers."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme="dark" if dark else "light", reduced_motion="reduce")  # colours change at once
    page.wait_for_function("dark => document.body.classList.contains('dark') === dark", arg=dark)


def views(page: Page, wide: tuple[int, int] = WIDE) -> Iterator[str]:
    """Shows each, by name; afterwards nothing may stick out of the window."""
    for name, size, dark in (
        ("wide-light", wide, False),
        ("wide-dark", wide, True),
        ("phone-dark", PHONE, True),
        ("phone-light", PHONE, False),
    ):
        show(page, size, dark)
        yield name
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], f"{name}: wider than the window"
