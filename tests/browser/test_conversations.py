"""What a person does to a conversation besides talking: edit, step between versions, undo, keep, find again."""

import json
import re

from playwright.sync_api import Page, expect

from tests import tiny
from tests.browser.test_chat import LONG, expect_end, expect_words, pick, send, set_up

# Leaves room for about a hundred characters more in what the browser keeps for the page.
FILL = """() => {
  for (let n = 5_300_000; n > 100; n -= n > 2000 ? 1000 : 50)
    try { localStorage.setItem('fill', 'x'.repeat(n)); return } catch {}
}"""


def say(page: Page, text: str) -> None:
    send(page, text)
    expect(page.locator("#stop")).to_be_enabled()
    expect_end(page)
    expect(page.locator("#conversation .bot .message").last).to_contain_text(re.compile(r"seed \d+"))


def replies(page: Page) -> list[str]:
    return [row.inner_text() for row in page.locator("#conversation .bot-row .message:not(.thought):not(.bot)").all()]


def user_texts(page: Page) -> list[str]:
    return page.locator("#conversation .user-row .message:not(.thought):not(.user)").all_inner_texts()


def edit(page: Page, nth: int, text: str) -> None:
    page.locator("#conversation").get_by_role("button", name="Edit", exact=True).nth(nth).click()
    page.locator("#conversation textarea").first.fill(text)
    page.locator("#conversation").get_by_role("button", name="Submit").click()


def test_edit_step_undo_delete(visit, shot, accessible):
    page = visit()
    set_up(page, max_new_tokens=8, seed="1")
    say(page, "Say one.")
    first = replies(page)
    edit(page, 0, "Say two, in capitals.")
    expect(page.locator("#stop")).to_be_enabled()
    expect_end(page)
    expect(page.locator(".versions").first).to_contain_text("2 of 2")
    assert user_texts(page) == ["Say two, in capitals."]
    shot(page, "versions-1-edited")
    accessible(page)
    second = replies(page)

    before = page.get_by_label("Version before").first
    before.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".versions").first).to_contain_text("1 of 2")
    assert (user_texts(page), replies(page)) == (["Say one."], first)
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Version after", "focus stays there"
    page.keyboard.press("Enter")
    expect(page.locator(".versions").first).to_contain_text("2 of 2")
    assert replies(page) == second

    edit(page, 1, "Changed by hand.")
    expect(page.locator("#conversation .bot-row")).to_contain_text("edited by you")
    assert replies(page) == ["Changed by hand."]
    assert page.locator("#stop").is_disabled(), "a reply that is edited is not asked for again"
    expect(page.locator(".versions").last).to_contain_text("2 of 2")
    page.locator("#undo").click()
    expect(page.locator(".versions").last).to_contain_text("1 of 2")
    assert replies(page) == second
    page.locator("#redo").click()
    expect(page.locator("#conversation .bot-row")).to_contain_text("Changed by hand.")
    page.get_by_label("Delete this message").last.click()
    expect(page.locator("#conversation .bot-row")).not_to_contain_text("Changed by hand.")
    assert replies(page) == second
    page.locator("#clear").click()
    expect(page.locator("#conversation .user-row")).to_have_count(0)
    page.locator("#undo").click()
    expect(page.locator("#conversation .user-row")).to_have_count(1)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_label("Version before").first.scroll_into_view_if_needed()
    page.get_by_label("Version before").first.click()
    expect(page.locator(".versions").first).to_contain_text("1 of 2")
    shot(page, "versions-2-phone", full_page=True)


def test_a_reload_in_mid_reply_keeps_what_came_and_what_is_typed(visit, shot):
    page = visit()
    set_up(page, max_new_tokens=400, seed="1")
    send(page, LONG)
    expect_words(page, 12)
    page.wait_for_function("Object.keys(localStorage).some((key) => key.startsWith('playground.draft.'))")
    page.locator("#message textarea").fill("Typed, not sent.")
    page.reload()
    expect(page.locator("[data-state=ready]")).to_be_visible()
    expect(page.locator("#conversation .bot-row")).to_contain_text("stopped: the page was reloaded")
    assert user_texts(page) == [LONG]
    assert len(replies(page)[0].split()) >= 3
    expect(page.locator("#message textarea")).to_have_value("Typed, not sent.")
    shot(page, "saved-1-reloaded")
    kept = replies(page)
    page.reload()
    expect(page.locator("#conversation .bot-row")).to_contain_text("stopped: the page was reloaded")
    assert replies(page) == kept
    set_up(page, max_new_tokens=8, seed="2")
    page.locator("#regenerate").click()
    expect(page.locator("#stop")).to_be_enabled()
    expect_end(page)
    expect(page.locator(".versions").last).to_contain_text("2 of 2")


def test_conversations_are_kept_found_named_exported_imported_and_deleted(visit, shot, accessible, tmp_path):
    page = visit()
    set_up(page, max_new_tokens=6, seed="1")
    say(page, "What do foxes eat?")
    page.locator("#new").click()
    expect(page.locator("#conversation .user-row")).to_have_count(0)
    say(page, "Where is the lighthouse?")
    page.locator(".saved summary").click()
    rows = page.locator(".saved .list li")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("Where is the lighthouse?")
    shot(page, "saved-2-drawer")
    accessible(page)

    page.locator(".saved .search").fill("FOX")
    expect(rows).to_have_count(1)
    rows.locator(".open").click()
    expect(page.locator("#conversation .user-row")).to_contain_text("foxes")
    page.locator(".saved .name").fill("On <b>foxes</b>")
    page.locator(".saved .name").press("Tab")
    expect(rows).to_contain_text("On <b>foxes</b>")
    page.locator(".saved .search").fill("")
    expect(rows).to_have_count(2)

    with page.expect_download() as download:
        page.get_by_role("button", name="Export as JSON").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    exported = json.loads(file.read_text("utf-8"))
    assert exported["messages"][0] == {"role": "user", "content": "What do foxes eat?"}
    reply = exported["playground"]["nodes"][1]["made"]
    assert (reply["provenance"]["reference"], reply["new_tokens"]) == ("starter:smollm2-135m-instruct", 6)
    assert len(reply["ids"]) == 6

    page.locator(".saved [type=file]").set_input_files(file)
    expect(rows).to_have_count(3)
    plain = tmp_path / "plain.json"
    plain.write_text(
        json.dumps({"messages": [{"role": "user", "content": "Plain?"}, {"role": "assistant", "content": "Yes."}]})
    )
    page.locator(".saved [type=file]").set_input_files(plain)
    expect(rows).to_have_count(4)
    expect(page.locator("#conversation .bot-row")).to_contain_text("Yes.")
    bad = tmp_path / "bad.json"
    bad.write_text('{"messages": [{"role": "robot", "content": "x"}]}')
    page.locator(".saved [type=file]").set_input_files(bad)
    expect(page.get_by_test_id("toast-body")).to_contain_text("Message 1 of this file has the role 'robot'")
    expect(rows).to_have_count(4)
    expect(page.locator("#conversation .bot-row")).to_contain_text("Yes.")

    page.get_by_label("Delete Plain?").click()
    expect(rows).to_have_count(3)
    expect(page.locator("#conversation .user-row")).to_have_count(0)
    page.get_by_role("button", name="Bring it back").click()
    expect(rows).to_have_count(4)

    other = page.context.new_page()
    other.goto(page.url)
    other.locator(".saved summary").click()
    expect(other.locator(".saved .list li")).to_have_count(4)
    expect(other.locator("#conversation .user-row")).to_have_count(0)
    other.locator(".saved .search").fill("lighthouse")
    other.locator(".saved .open").first.click()
    expect(other.locator("#conversation .user-row")).to_contain_text("lighthouse")
    set_up(other, max_new_tokens=4)
    say(other, "And now?")
    say(page, "Meanwhile here.")
    expect(rows).to_have_count(5)
    kept = page.evaluate("Object.values(localStorage).join()")
    assert "And now?" in kept
    assert "Meanwhile here." in kept


def test_what_two_windows_say_in_one_conversation_is_all_kept(visit):
    page = visit()
    set_up(page, max_new_tokens=3)
    say(page, "Both know this.")
    other = page.context.new_page()
    other.goto(page.url)
    other.locator(".saved summary").click()
    other.locator(".saved .open").first.click()
    expect(other.locator("#conversation .user-row")).to_contain_text("Both know this.")
    set_up(other, max_new_tokens=3)
    say(other, "Said in the other window.")
    say(page, "Said in this one.")
    page.get_by_label("Delete this message").last.click()
    expect(page.locator("#conversation .bot-row")).to_have_count(1)
    kept = page.evaluate("Object.values(localStorage).join()")
    for text in ("Both know this.", "Said in the other window.", "Said in this one."):
        assert text in kept
    page.reload()
    expect(page.locator("#conversation .user-row").last).to_contain_text("Said in this one.")
    page.get_by_label("Version after").last.click()
    expect(page.locator("#conversation .user-row").last).to_contain_text("Said in the other window.")


PICTURES = [
    "![a](http://192.0.2.1/1.png) ![b][x]\n\n[x]: http://192.0.2.1/2.png",
    "a ` tick\n\n<img src=http://192.0.2.1/3.png onerror=alert(1)>\n\nand ` another",
    "    ```\n<img src=http://192.0.2.1/4.png>",
    "`x | <b>`\n\n<script>document.title = 'mine'</script><a href='javascript:alert(1)'>x</a>",
]


def test_a_conversation_from_elsewhere_fetches_nothing_and_runs_nothing(visit, tmp_path):
    """That nobody asked another machine is looked at when the page is left."""
    file = tmp_path / "bad.json"
    roles = ("user", "assistant")
    file.write_text(json.dumps([{"role": roles[n % 2], "content": text} for n, text in enumerate(PICTURES)]))
    page = visit()
    title = page.title()
    page.locator(".saved summary").click()
    page.locator(".saved [type=file]").set_input_files(file)
    expect(page.locator("#conversation .bot-row")).to_have_count(2)
    expect(page.locator("#conversation")).to_contain_text("img src=http://192.0.2.1/3.png onerror=alert(1)>")
    assert page.locator("#conversation .message img").count() == 0
    assert page.title() == title
    blocked = page.evaluate("""() => new Promise((resolve) => {
      document.addEventListener('securitypolicyviolation', (event) => resolve(event.effectiveDirective), {once: true});
      setTimeout(() => resolve('nothing'), 5000);
      new Image().src = 'http://127.0.0.1:9/picture.png';
    })""")
    assert blocked == "img-src", "what is not of this page is not fetched, whatever is drawn"


def test_a_full_browser_says_so_and_deletes_only_when_told(visit, shot):
    page = visit()
    set_up(page, max_new_tokens=3)
    say(page, "The old one. " + "word " * 600)
    page.locator("#new").click()
    page.evaluate(FILL)
    page.locator(".saved summary").click()
    page.locator("#message textarea").fill("The new one. " + "word " * 200)
    page.locator("#send").click()
    expect(page.locator(".saved .notice")).to_contain_text("is not saved")
    expect(page.get_by_test_id("toast-body").first).to_contain_text("room for conversations is full")
    expect_end(page)
    assert "The old one." in page.evaluate("Object.values(localStorage).join()")
    page.locator(".saved summary").scroll_into_view_if_needed()
    shot(page, "saved-3-full")
    page.locator(".saved .notice button", has_text="The old one.").click()
    expect(page.locator(".saved .list li")).to_have_count(1)
    kept = page.evaluate("Object.values(localStorage).join()")
    assert "The new one." in kept
    assert "The old one." not in kept


def test_a_full_context_offers_three_ways_on(visit, shot, accessible, tmp_path):
    folder = tiny.save(tmp_path / "small", "llama", context=256)
    long = tmp_path / "long.json"
    roles = ("user", "assistant")
    long.write_text(json.dumps([{"role": roles[n % 2], "content": f"Message {n} " + "cat " * 6} for n in range(16)]))
    page = visit()
    set_up(page, max_new_tokens=20, seed="1")
    pick(page, str(folder))
    page.locator(".saved [type=file]").set_input_files(long)
    expect(page.locator("#conversation .user-row")).to_have_count(8)
    offer = page.locator("#full-context")
    send(page, "And now?")
    expect(offer).to_contain_text("The context is full.")
    expect(offer).to_contain_text("from “Message 0 cat")
    expect(page.locator("#message textarea")).to_have_value("And now?")
    expect(page.locator("#conversation .user-row")).to_have_count(8)
    shot(page, "full-1-offer")
    accessible(page)
    page.locator("#stop-here").click()
    expect(offer).to_be_hidden()
    expect(page.locator("#message textarea")).to_have_value("And now?")

    page.locator("#send").click()
    page.locator("#leave-out").click()
    note = page.locator("#conversation .user-row").last
    expect(note).to_contain_text(re.compile(r"not given the \d+ oldest messages\."))
    expect_end(page)
    expect(page.locator("#conversation .user-row")).to_have_count(9)
    expect(offer).to_be_hidden()
    expect(page.locator("#context")).to_contain_text(re.compile(r"Context \d+ % full: \d+ of 256 tokens"))
    page.locator("#undo").click()
    expect(page.locator("#conversation .user-row")).to_have_count(8)

    send(page, "And now?")
    page.locator("#sum-up").click()
    expect(page.locator("#conversation .user-row").last).to_contain_text("but its summary of them")
    expect_end(page)
    expect(page.locator("#message textarea")).to_have_value("")
    shot(page, "full-2-summed-up")
