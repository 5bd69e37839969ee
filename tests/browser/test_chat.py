"""The journey of the Chat tab on the real starter: what a person does there, and what must not happen to them."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests import tiny
from tests.browser.pictures import keep_for_readme
from tests.browser.views import views

ROOT = Path(__file__).parents[2]
LONG = "Tell me a very long story about a fox and a lighthouse, with many chapters."
EXAMPLES = ("Who are you?", "Once upon a time", "The future of AI is … three samples")


def send(page: Page, text: str) -> None:
    page.locator("#message textarea").fill(text)
    page.locator("#send").click()


def reply(page: Page) -> str:
    """The last reply so far, without the line under it."""
    return page.locator("#conversation .bot .message").first.inner_text()


def expect_words(page: Page, at_least: int) -> str:
    """Waits until the last reply has so many words."""
    page.wait_for_function(
        "n => document.querySelector('#conversation .bot .message')?.innerText.trim().split(/\\s+/).length >= n",
        arg=at_least,
        timeout=60_000,
    )
    return reply(page)


def expect_end(page: Page) -> None:
    expect(page.locator("#stop")).to_be_disabled(timeout=120_000)
    expect(page.locator("#send")).to_be_enabled()


def set_up(page: Page, max_new_tokens: int, seed: str = "") -> None:
    page.get_by_label("number input for Max new tokens").fill(str(max_new_tokens))
    page.get_by_placeholder("random").fill(seed)


def test_send_stream_stop_regenerate_reload(visit, shot):
    page = visit()
    shot(page, "1-open")
    assert page.locator("#message textarea").input_value() == "Explain in two sentences why the sky is blue."

    page.locator("#send").click()
    first = expect_words(page, 3)
    expect(page.locator("#send")).to_be_disabled()
    expect(page.locator("#stop")).to_be_enabled()
    assert page.locator("#message textarea").input_value() == ""
    shot(page, "2-streaming")
    assert expect_words(page, len(first.split()) + 3).startswith(first.rstrip()[: len(first) // 2])
    expect_end(page)
    expect(page.locator("#conversation")).to_contain_text(
        re.compile(r"\d+ tokens · first after .* tokens/s · .*seed \d+")
    )
    shot(page, "3-answered")
    page.set_viewport_size({"width": 1280, "height": 1040})  # high enough for the question and its answer
    keep_for_readme(page, "chat")
    page.set_viewport_size({"width": 1280, "height": 900})

    page.locator("#clear").click()
    expect(page.locator("#conversation .bot")).to_have_count(0)
    send(page, LONG)
    expect_words(page, 5)
    page.locator("#stop").click()
    expect_end(page)
    expect(page.locator("#conversation")).to_contain_text("stopped by you")
    stopped = reply(page)
    shot(page, "4-stopped")
    page.wait_for_timeout(1500)
    assert reply(page) == stopped

    set_up(page, max_new_tokens=12, seed="7")
    page.locator("#regenerate").click()
    expect(page.locator("#conversation")).to_contain_text("seed 7 ·")
    once = reply(page)
    assert once != stopped
    expect(page.locator("#conversation .user")).to_have_count(1)
    page.locator("#regenerate").click()
    expect(page.locator("#stop")).to_be_enabled()
    expect_end(page)
    assert reply(page) == once, "the same seed gives the same text"
    shot(page, "5-regenerated")

    send(page, LONG)
    expect(page.locator("#stop")).to_be_enabled()
    page.reload()
    expect(page.locator("[data-state=ready]")).to_be_visible()
    page.get_by_role("button", name="Memory").click()
    expect(page.locator(".ledger tbody tr").first).to_contain_text("nobody")
    expect(page.locator("#conversation .user")).to_have_count(2)  # it is still there
    page.locator("#new").click()
    expect(page.locator("#conversation .user")).to_have_count(0)
    set_up(page, max_new_tokens=12)
    send(page, "What is the capital of France?")
    expect(page.locator("#conversation .bot")).to_contain_text(re.compile(r"seed \d+"))
    expect_end(page)
    shot(page, "6-reloaded")


def test_two_visitors_do_not_touch_each_other(visit):
    one, other = visit(), visit()
    set_up(one, max_new_tokens=400)
    set_up(other, max_new_tokens=60, seed="3")
    send(one, LONG)
    send(other, "Write a poem about the sea.")
    expect_words(one, 4)
    before = expect_words(other, 4)
    one.locator("#stop").click()
    expect_end(one)
    assert len(expect_words(other, len(before.split()) + 3)) > len(before), "one visitor's Stop ended the other's reply"
    expect(other.locator("#conversation")).to_contain_text("seed 3 ·", timeout=200_000)
    assert "fox" not in other.locator("#conversation").inner_text()
    assert "sea" not in one.locator("#conversation .user").inner_text()


def test_click_a_token_branch_from_it_and_see_what_the_model_was_given(visit, shot, accessible):
    page = visit(height=1250)
    set_up(page, max_new_tokens=24, seed="6")  # draws the same in float32 and in bfloat16
    page.get_by_role("button", name="Tokens of the last reply").click()
    expect(page.locator("#tokens")).to_contain_text("Send a message first")
    send(page, "What is the capital of France?")
    expect_end(page)
    tokens = page.locator("#tokens button.token")
    expect(tokens.first).to_be_visible()
    before = tokens.all_inner_texts()
    assert "·Paris" in before
    assert "".join(before).replace("·", " ").startswith(reply(page).splitlines()[0][:20])

    at = before.index("·capital")
    tokens.nth(at).click()
    detail = page.locator("#token-detail")
    expect(detail).to_contain_text(f"Token {at + 1}: ·capital")
    expect(detail).to_contain_text("drawn")
    expect(tokens.nth(at)).to_have_attribute("aria-pressed", "true")
    shot(page, "7-token")
    keep_for_readme(page.locator("#token-pane"), "tokens")
    accessible(page)

    instead = detail.locator("tbody tr", has=page.get_by_role("button")).first.locator("th").inner_text()
    detail.get_by_role("button", name="Branch here").first.click()
    expect(page.locator("#stop")).to_be_enabled()
    expect_end(page)
    expect(tokens.nth(at)).to_have_text(instead)
    assert tokens.all_inner_texts()[: at + 1] == [*before[:at], instead]
    expect(page.locator("#conversation .user")).to_have_count(1)
    shot(page, "8-branched")

    page.get_by_label("What the model was given").click()
    expect(page.locator("#tokens .special").first).to_have_text(re.compile(r"<\|im_start\|>\d+"))
    expect(page.locator("#tokens")).to_contain_text("of 8,192 that it holds")
    shot(page, "9-given")


def test_the_chart_of_next_tokens_follows_the_settings_which_can_all_be_read(visit, shot, accessible):
    page = visit(height=1400)
    page.get_by_role("button", name="What could come next").click()
    chart, words = page.locator("#next-tokens-chart"), page.locator("#next-tokens")
    expect(chart.locator(".xtick text").last).to_contain_text("top-p")
    expect(words).to_contain_text("after 40 tokens")
    page.get_by_label("number input for Temperature").fill("0.8")
    page.locator("#look-again").click()
    expect(chart).not_to_contain_text("0.00 nats")
    shot(page, "11-next-tokens")
    keep_for_readme(words, "next-tokens")
    page.get_by_label("Greedy").check()
    expect(chart.locator(".xtick text").last).to_contain_text("1 left")
    expect(words).to_contain_text("1 is left")
    accessible(page)
    page.locator("#message textarea").fill("Hello")
    page.locator("#look-again").click()
    expect(words).to_contain_text("after 31 tokens")

    page.get_by_role("button", name="What could come next").click()
    page.get_by_label("Greedy").uncheck()  # what is disabled is not looked at
    expect(page.get_by_label("number input for Temperature")).to_be_enabled()
    for name in ("More ways to choose", "Stop strings and logit bias", "Beam search"):
        page.get_by_role("button", name=name).click()
    page.get_by_label("Stop strings").fill(r"\n\n")
    page.get_by_label("Logit bias").fill("Paris: -5\nphotosynthesis: 100\nno: -100")
    expect(page.locator(".meant li")).to_have_count(3)
    for name in views(page, (1280, 1500)):
        accessible(page)
        shot(page, f"13-settings-{name}", full_page=True)


def test_words_are_pushed_a_stop_string_ends_and_beams_grey_what_they_do_not_use(visit, shot, accessible):
    page = visit(height=1500)
    settings = page.locator("#settings")
    page.get_by_role("button", name="What could come next").click()
    chart = page.locator("#next-tokens-chart")
    expect(chart.locator(".xtick text").last).to_contain_text("top-p")
    page.get_by_role("button", name="Stop strings and logit bias").click()
    bias = page.get_by_label("Logit bias")
    bias.fill("sky 4")
    expect(settings).to_contain_text("Line 1 of the logit bias is 'sky 4'")
    bias.fill("sky: 4\nRayleigh: -100")
    expect(settings.locator(".meant li").first).to_contain_text("+4: ·sky")
    expect(settings).to_contain_text("can only be pushed at its first")
    bias.blur()
    expect(chart.locator(".xtick text").nth(1)).to_contain_text("logit bias")
    page.get_by_label("Stop strings").fill(r"Paris\n" + "\nParis")
    bias.fill("")
    set_up(page, max_new_tokens=24)
    page.get_by_label("number input for Temperature").fill("0")  # the likeliest token: a drawn reply may be another
    page.get_by_label("number input for Temperature").press("Enter")
    send(page, "What is the capital of France?")
    expect(page.locator("#conversation")).to_contain_text("ended at the stop string 'Paris'")
    assert "Paris" not in reply(page)
    page.get_by_label("Stop strings").fill("")

    page.get_by_role("button", name="Beam search").click()
    expect(page.get_by_label("number input for Length penalty")).to_be_disabled()
    page.wait_for_timeout(1000)  # for a moment, what has just been shown goes back to what it was
    page.get_by_label("number input for Beams").fill("3")
    page.get_by_label("number input for Beams").press("Enter")
    expect(page.get_by_label("number input for Temperature")).to_be_disabled()
    expect(page.get_by_role("checkbox", name="Greedy")).to_be_disabled()
    expect(page.get_by_label("number input for Length penalty")).to_be_enabled()
    expect(page.get_by_label("number input for Repetition penalty")).to_be_hidden()
    send(page, "What is the capital of France?")
    expect(page.locator("#conversation")).to_contain_text("best of 3 beams ·")
    expect(page.locator("#conversation .bot").last).to_contain_text("Paris")
    shot(page, "12-beams")
    accessible(page)


def test_int8_is_chosen_in_the_bar_and_said_under_the_reply(visit, shot):
    page = visit()
    page.get_by_label("Precision").click()
    page.get_by_role("option", name="int8").click()
    expect(page.locator("[data-state='on disk']")).to_be_visible()
    set_up(page, max_new_tokens=16, seed="1")
    send(page, "What is the capital of France?")
    expect_end(page)
    expect(page.locator("#conversation .bot").first).to_contain_text("Paris")
    expect(page.locator("#conversation")).to_contain_text("SmolLM2 135M Instruct (starter), int8")
    expect(page.locator("#status")).to_contain_text("int8")
    page.locator("#unload").click()
    expect(page.locator("[data-state='on disk']")).to_be_visible()
    shot(page, "10-int8")


def test_closing_the_page_gives_the_model_back(visit):
    watcher, leaver = visit(), visit()
    watcher.get_by_role("button", name="Memory").click()
    row = watcher.locator(".ledger tbody tr").first
    send(leaver, LONG)
    expect_words(leaver, 3)
    expect(row).to_contain_text("now")
    leaver.close()
    expect(row).to_contain_text("nobody", timeout=10_000)


def test_what_cannot_be_sent_stays_and_what_is_sent_is_shown_and_never_run(visit, shot):
    page = visit()
    for text, seed, sentence in (
        ("   ", "", "The message is empty."),
        ("word " * 20_000, "", "tokens long"),
        ("Hello", "seven", "whole number"),
    ):
        set_up(page, max_new_tokens=5, seed=seed)
        send(page, text)
        expect(page.get_by_test_id("toast-body").last).to_contain_text(sentence)
        expect(page.locator("#message textarea")).to_have_value(text)
        expect_end(page)
        expect(page.locator("#conversation .user")).to_have_count(0)
        shot(page, f"error-{sentence.split()[0].lower()}")
    page.get_by_placeholder("random").fill("7")
    page.locator("#send").click()
    expect(page.locator("#conversation")).to_contain_text("5 tokens")
    expect(page.locator("#conversation")).to_contain_text("seed 7 ·")
    expect_end(page)
    send(page, "")
    expect(page.get_by_test_id("toast-body").last).to_contain_text("The message is empty.")
    expect(page.locator("#conversation > .wrap .error")).to_have_count(1)  # it would lie over what was said
    expect(page.locator("#conversation > .wrap .error")).to_be_hidden()
    page.locator("#new").click()
    send(page, "<img src=x onerror=alert(1)> <think>hm</think> a < b, `<i>` 你好 🙂")
    expect(page.locator("#conversation .user")).to_contain_text("<think>hm</think>".replace("<", "<\u2060"))
    expect(page.locator("#conversation .user")).to_contain_text("你好 🙂")
    assert page.locator("#conversation .user img").count() == 0
    expect_end(page)
    the_keyboard_is_enough(page)


def the_keyboard_is_enough(page: Page) -> None:
    page.locator("#new").click()
    expect(page.locator("#conversation .bot")).to_have_count(0)
    page.locator("#message textarea").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("Hello")
    page.keyboard.press("Enter")
    expect(page.locator("#conversation .bot")).to_contain_text(re.compile(r"seed \d+"))
    expect_end(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "send"


def pick(page: Page, reference: str) -> None:
    page.locator("#model input").fill(reference)
    page.locator("#model input").press("Enter")


def test_an_unknown_model_is_said_to_be_unknown_and_a_base_model_turns_the_tab_to_completion(visit, shot, tmp_path):
    folder = tiny.save(tmp_path, "gpt2")
    page = visit()
    pick(page, "nobody/nothing <b>here</b>")
    expect(page.locator("[data-state=failed]")).to_be_visible()
    send(page, "Hello")
    expect(page.get_by_test_id("toast-body")).to_be_visible()
    expect(page.locator("#message textarea")).to_have_value("Hello")
    assert page.locator("#status b").count() == 0, "what was typed came back as HTML"
    shot(page, "unknown-model")

    pick(page, str(folder))
    expect(page.locator("[data-state='on disk']")).to_be_visible()
    page.locator("#load").click()
    expect(page.locator("#why")).to_contain_text("no chat template")
    text = page.locator("#text textarea")
    expect(text).to_be_visible()
    expect(page.locator("#send")).to_be_hidden()
    given = text.input_value()
    set_up(page, max_new_tokens=20)
    page.locator("#continue").click()
    expect(page.locator("#text-notes")).to_contain_text("seed")
    assert text.input_value().startswith(given)
    assert len(text.input_value()) > len(given)
    shot(page, "base-model")
    page.get_by_role("button", name="Take back").click()
    expect(text).to_have_value(given)
    page.locator("#unload").click()
    expect(page.locator("[data-state='on disk']")).to_be_visible()


def test_a_message_to_an_unloaded_base_model_becomes_a_text_to_continue(visit, tmp_path):
    folder = tiny.save(tmp_path, "gpt2")
    page = visit()
    pick(page, str(folder))
    send(page, "The cat sat")
    expect(page.locator("#text textarea")).to_have_value("The cat sat")
    expect(page.locator("#why")).to_contain_text("no chat template")


def test_examples_run_at_one_click(visit, shot):
    page = visit()
    for number in (3, 1, 2):  # to completion and back: the first fills in what the page has not shown yet
        page.get_by_role("button", name=EXAMPLES[number - 1]).click()
        if number == 1:
            expect(page.locator("#conversation")).to_contain_text(re.compile(r"seed \d+"), timeout=200_000)
        elif number == 2:
            expect(page.locator("#text-notes")).to_contain_text(re.compile(r"seed \d+"), timeout=200_000)
            assert page.locator("#text textarea").input_value().startswith("Once upon a time")
        else:
            expect(page.locator(".continuations li")).to_have_count(3, timeout=200_000)
            expect(page.locator(".continuations li").last).to_contain_text(re.compile(r"seed \d+"), timeout=200_000)
        shot(page, f"example-{number}")


def test_everyone_can_read_it(visit, shot, accessible):
    page = visit()
    page.get_by_role("button", name="Memory").click()
    page.locator(".checks summary").click()
    expect(page.locator(".ledger tbody tr").first).to_be_visible()
    set_up(page, max_new_tokens=30)
    page.locator("#send").click()
    expect(page.locator("#conversation")).to_contain_text(re.compile(r"seed \d+"), timeout=200_000)
    expect_end(page)
    for name in views(page):
        accessible(page)
        shot(page, name, full_page=True)
    page.get_by_label("Plain completion").check()
    expect(page.locator("#text textarea")).to_be_visible()
    for _ in views(page):
        accessible(page, "#tabs")
