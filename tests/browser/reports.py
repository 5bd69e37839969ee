"""Opening a downloaded report from disk, as somebody without a network does."""

from pathlib import Path

from playwright.sync_api import Browser, Page


def open_report(browser: Browser, file: Path, width: int = 1280, dark: bool = False) -> tuple[Page, list[str]]:
    """The report in a browser of its own, and a list of what went wrong there: complaints, and requests but for itself.

    Close `page.context` when done. Scripts of the tests (axe) may run in it; that it brings none, the caller checks.
    """
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", bypass_csp=True
    )
    context.set_offline(True)
    page, wrong = context.new_page(), []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: wrong.append(request.url) if request.url[:5] not in ("file:", "data:") else None)
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    page.goto(file.as_uri())
    return page, wrong
