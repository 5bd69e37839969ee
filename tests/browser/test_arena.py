"""The journey of two models side by side on the real starter: both stream, blind votes tell nothing and are counted."""

import json
import re

from playwright.sync_api import Page, expect

from tests.browser.pictures import keep_for_readme
from tests.browser.views import views

PLACES = ("#arena-1", "#arena-2")
TELLING = ("SmolLM2", "tokens/s", "first after", "seed", "greedy", "temperature")
LISTEN = """() => {
  window.received = '';
  const original = window.fetch;
  window.fetch = async (...request) => {
    const response = await original(...request);
    if (response.url.includes('/queue/data')) (async () => {
      const reader = response.clone().body.getReader(), decoder = new TextDecoder();
      try { for (let got; !(got = await reader.read()).done;) window.received += decoder.decode(got.value); } catch {}
    })();
    return response;
  };
}"""

WATCH_BOTH = """places => {
  window.bothWrote = false;
  new MutationObserver(() => {
    const last = (place) => [...document.querySelectorAll(`${place} .bot .message:not(.thought)`)].at(-1);
    const words = (place) => (last(place)?.innerText ?? '').trim().split(/\\s+/);
    const writing = document.querySelector('#arena-stop')?.disabled === false;
    window.bothWrote ||= writing && places.every((place) => words(place).length > 2);
  }).observe(document.body, {subtree: true, childList: true, characterData: true, attributes: true});
}"""


def open_arena(page: Page) -> None:
    page.get_by_label("Two models").check()
    expect(page.locator("#arena-send")).to_be_visible()


def limit(page: Page, a: int, b: int) -> None:
    for side, most in (("a", a), ("b", b)):
        page.get_by_role("button", name=f"Settings of {side.upper()}").click()
        number = page.locator(f"#settings-{side}").get_by_label("number input for Max new tokens")
        number.wait_for()
        page.wait_for_timeout(500)  # what is shown for the first time is set once more a moment later
        number.fill(str(most))
        page.get_by_role("button", name=f"Settings of {side.upper()}").click()


def send(page: Page, text: str) -> None:
    page.locator("#arena-message textarea").fill(text)
    page.locator("#arena-send").click()


def replies(page: Page) -> list[str]:
    """What stands in both places, without the lines under it."""
    return [page.locator(f"{place} .bot .message:not(.thought)").last.inner_text() for place in PLACES]


def expect_both_to_write(page: Page) -> None:
    page.wait_for_function(
        """places => places.every(place => [...document.querySelectorAll(`${place} .bot .message:not(.thought)`)]
            .at(-1)?.innerText.trim().split(/\\s+/).length > 2)""",
        arg=list(PLACES),
        timeout=120_000,
    )


def expect_end(page: Page) -> None:
    expect(page.locator("#arena-stop")).to_be_disabled(timeout=200_000)
    expect(page.locator("#arena-send")).to_be_enabled()


def test_the_example_streams_both_and_compares_them(visit, shot, accessible):
    page = visit()
    page.evaluate(WATCH_BOTH, list(PLACES))  # the example is short: it may have ended before a look from here
    page.get_by_role("button", name="Two models: cool and hot").click()
    expect(page.locator("#settings")).to_be_hidden()
    page.wait_for_function("window.bothWrote", timeout=120_000)
    expect_end(page)
    for place in PLACES:
        expect(page.locator(place)).to_contain_text(re.compile(r"\d+ tokens · first after .* tokens/s · .*seed \d+"))
    expect(page.locator(".arena-name").first).to_contain_text("A · SmolLM2 135M Instruct (starter) · temperature 0.2")
    expect(page.locator(".arena-name").last).to_contain_text("temperature 1.2")
    expect(page.locator("#arena-verdict")).to_contain_text("both shared this machine")
    assert len(set(replies(page))) == 2
    shot(page, "arena-2-ended", full_page=True)
    keep_for_readme(page.locator("#arena"), "arena")
    accessible(page)

    before = replies(page)
    limit(page, 300, 300)
    send(page, "Tell me a very long story about a fox.")
    for place in PLACES:
        expect(page.locator(f"{place} .user")).to_have_count(2)
    expect_both_to_write(page)
    shot(page, "arena-1-streaming")
    page.locator("#arena-stop").click()
    expect_end(page)
    for place in PLACES:
        expect(page.locator(place)).to_contain_text("stopped by you")
    stopped = replies(page)
    assert before != stopped
    page.wait_for_timeout(1000)
    assert replies(page) == stopped
    shot(page, "arena-3-stopped")
    page.locator("#arena-clear").click()
    expect(page.locator("#arena-1 .bot")).to_have_count(0)


def test_a_blind_vote_tells_nothing_before_and_is_counted_once(visit, shot, accessible):
    page = visit(height=1100)
    open_arena(page)
    limit(page, 12, 17)
    page.locator("#arena-seed input, #arena-seed textarea").fill("3")
    page.get_by_label("Blind").check()
    expect(page.locator("#arena-look")).to_contain_text("change places by chance")
    page.evaluate(LISTEN)
    send(page, "What is the capital of France?")
    expect(page.locator("#arena-ballot")).to_be_visible(timeout=200_000)
    expect_end(page)
    shot(page, "arena-4-blind")
    accessible(page)
    stage = [page.locator(place).evaluate("e => e.outerHTML") for place in (".arena-name >> nth=0", *PLACES)]
    received = page.evaluate("window.received")
    assert "capital of France" in received, "what the browser received was not looked at"
    for text in (*stage, received):
        assert not [word for word in TELLING if word in text]
        assert not re.search(r"<b>[AB]|was [AB]\b", text)
    blind = replies(page)

    page.get_by_role("button", name="Reply 2 is better").click()
    expect(page.locator("#arena-verdict")).to_contain_text(re.compile("You preferred [AB]"))
    expect(page.locator(".arena-name").first).to_contain_text(re.compile(r"Reply 1 was [AB] · SmolLM2.*temperature"))
    expect(page.locator("#arena-1")).to_contain_text("seed 3")
    expect(page.locator("#arena-ballot")).to_be_hidden()
    assert [text.strip() for text in replies(page)] == [text.strip() for text in blind], "the replies stay in place"
    score = page.locator("#arena-score")
    expect(score.locator("tbody tr")).to_have_count(1)
    expect(score).to_contain_text("Not enough votes to tell")
    assert page.evaluate("document.activeElement.closest('#arena-message') !== null"), "the next message can be typed"
    shot(page, "arena-5-revealed", full_page=True)
    accessible(page)
    with page.expect_download() as download:
        score.get_by_role("link", name="JSON").click()
    (vote,) = json.loads(download.value.path().read_text("utf-8"))
    preferred = "A" if "preferred A" in page.locator("#arena-verdict").inner_text() else "B"
    assert vote["choice"] == preferred.lower() != vote["first"]

    page.reload()
    expect(page.locator("[data-state=ready]")).to_be_visible()
    open_arena(page)
    page.get_by_role("button", name="Score of your votes").click()
    expect(score.locator("tbody tr")).to_have_count(1)
    page.locator("#arena-forget").click()
    expect(score).to_contain_text("No votes yet")


def test_a_vote_and_the_next_message_from_the_keyboard(visit):
    page = visit()
    open_arena(page)
    limit(page, 5, 5)
    page.get_by_label("Blind").focus()
    page.keyboard.press("Space")
    page.locator("#arena-message textarea").focus()
    for message in ("Hello", "And?"):
        page.keyboard.press("Control+A")
        page.keyboard.type(message)
        page.keyboard.press("Enter")
        expect(page.locator("#arena-ballot")).to_be_visible(timeout=200_000)
        expect_end(page)
        assert page.evaluate("document.activeElement.closest('#arena-message') !== null")
        page.keyboard.press("Shift+Tab")
        assert page.evaluate("document.activeElement.innerText.trim()") == "Both bad"
        page.keyboard.press("Enter")
        expect(page.locator("#arena-verdict")).to_contain_text("You found both bad")
        page.wait_for_function("() => document.activeElement.closest('#arena-message') !== null")
    expect(page.locator("#arena-1 .user")).to_have_count(2)
    expect(page.locator("#arena-score tbody td").nth(3)).to_have_text("2")


def test_a_side_that_fails_says_so_and_the_other_answers(visit, shot):
    page = visit()
    open_arena(page)
    limit(page, 5, 5)
    page.locator("#model-b input").fill("nobody/nothing <b>here</b>")
    page.locator("#model-b input").press("Enter")
    send(page, "Hello")
    expect(page.locator("#arena-1")).to_contain_text("5 tokens", timeout=200_000)
    expect_end(page)
    expect(page.locator("#arena-2")).to_contain_text("nobody/nothing")
    assert page.locator("#arena-2 b").count() == 0
    shot(page, "arena-6-failed")


def test_everyone_can_read_it(visit, shot, accessible):
    page = visit()
    open_arena(page)
    limit(page, 9, 9)
    page.get_by_label("Blind").check()
    send(page, "Hello")
    expect(page.locator("#arena-ballot")).to_be_visible(timeout=200_000)
    for _ in views(page):
        accessible(page, "#tabs")
    page.get_by_role("button", name="Tie", exact=True).click()
    expect(page.locator("#arena-score tbody tr")).to_be_visible()
    for name in views(page):
        accessible(page, "#tabs")
        first, second = (page.locator(place).bounding_box() for place in PLACES)
        assert (first["y"] < second["y"]) == name.startswith("phone"), "side by side, or below each other on a phone"
        shot(page, f"arena-{name}", full_page=True)
