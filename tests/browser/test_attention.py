"""The journey of the Attention tab on the real starter: look, pick a token, open a head, BertViz, measures, files."""

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page, expect

from playground.labs import permalinks
from tests.browser.pictures import keep_for_readme

ROOT = Path(__file__).parents[2]


def open_tab(page: Page) -> None:
    page.get_by_role("tab", name="Attention", exact=True).click()
    expect(page.locator("#look")).to_be_visible()


def open_pane(page: Page, name: str) -> None:
    page.locator("#attention-panes").get_by_role("tab", name=name, exact=True).click()


def expect_drawn(page: Page, chart: str) -> Locator:
    """Waits until a chart is there, and returns the part of it that can be clicked."""
    area = page.locator(f"{chart} .draglayer .nsewdrag").first
    expect(area).to_be_visible(timeout=120_000)  # the first chart of a visit waits for Plotly's 4.6 MB
    return area


def click_at(page: Page, chart: str, x: float, y: float) -> None:
    """Clicks into a chart that listens for clicks, at a share of its width and of its height."""
    area = expect_drawn(page, chart)
    listens = "chart => document.querySelector(chart + ' .js-plotly-plot')?._ev?._events?.plotly_click !== undefined"
    page.wait_for_function(listens, arg=chart)  # the listener looks for new charts four times a second
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def expect_same_page_elsewhere(visit, word: str, accessible) -> None:
    """The link in another browser; and the same for a model that is not in memory, which is asked about."""
    other = visit(width=390, dark=True, after=f"#{word}")
    expect(other.locator("#permalink .said")).to_contain_text("A link has filled in Attention, Map")
    expect(other.locator("#map-layer input").first).to_have_value("11")
    expect(other.locator("#map-head input").first).to_have_value("5")
    expect(other.locator("#map-caption")).not_to_contain_text("layer 11")  # nothing has run
    link = replace(permalinks.read(word.removeprefix("link=")), model="starter:smollm2-135m-instruct#float16")
    other.evaluate("word => { location.hash = 'link=' + word }", permalinks.write(link))
    expect(other.locator("#permalink .agree")).to_have_text("Use and load this model")
    expect(other.locator("#model input")).to_have_value(re.compile(r"^SmolLM2 135M Instruct \(starter\) · chat"))
    accessible(other)


def take_the_tour(page: Page, shot) -> None:
    """By keyboard alone, on a phone, where most tabs are behind a button: it opens each, and shows its examples."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("button", name="Take the 2-minute tour").focus()
    page.keyboard.press("Enter")
    titles = ["Chat", "Chat", "Prompt lab", "Attention", "Internals", "Merge", "Bias", "Search"]
    for number, title in enumerate(titles, 1):
        expect(page.locator(".tour .count")).to_have_text(f"{number} / {len(titles)}")
        expect(page.locator("#tabs > .tab-wrapper [role=tab][aria-selected=true]")).to_have_text(title)
        expect(page.locator(".toured")).to_be_in_viewport()
        expect(page.locator(".tour h2").filter(visible=True)).to_be_focused()
        if number < len(titles):
            page.keyboard.press("Tab")  # Close; behind it, from the second step on, Back
            page.keyboard.press("Tab")
            if number > 1:
                page.keyboard.press("Tab")
            page.keyboard.press("Enter")
    shot(page, "learn-1-tour")
    page.keyboard.press("Escape")
    expect(page.locator(".tour")).to_be_hidden()
    expect(page.get_by_role("button", name="Tour", exact=True)).to_be_focused()
    expect(page.locator(".toured, .invitation").filter(visible=True)).to_have_count(0)
    page.set_viewport_size({"width": 1280, "height": 1300})


def guess(page: Page, shot, accessible) -> None:
    """An exercise in both languages; the chosen one is kept when the page is loaded anew."""
    open_tab(page)
    lesson = page.locator(".lesson").filter(visible=True)
    lesson.get_by_text("What am I looking at?").click()
    exercise = lesson.locator("[data-answer=it_looks_at]")
    exercise.get_by_role("button").click()
    expect(exercise.get_by_role("status")).to_have_text("Pick your guess first.", use_inner_text=True)
    exercise.get_by_label("the very first token").check()
    exercise.get_by_role("button").click()
    expect(exercise.locator(".note").filter(visible=True)).to_contain_text("Measured just now on SmolLM2")
    expect(exercise.get_by_role("status")).to_contain_text("✓ You guessed right.", use_inner_text=True)
    expect(exercise.get_by_role("status")).to_contain_text("Over 270 heads, The gets 4")
    expect(exercise.locator(".right")).to_have_text(re.compile("the very first token"))
    accessible(page)
    keep_for_readme(lesson, "learn")
    page.get_by_role("button", name="中文").click()
    expect(exercise.get_by_role("status")).to_contain_text("猜对了", use_inner_text=True)
    expect(lesson).not_to_contain_text("You guessed", use_inner_text=True)
    shot(page, "learn-2-chinese")
    accessible(page)
    page.reload()
    expect(page.locator(".lesson summary").filter(visible=True)).to_have_text("这是什么？", use_inner_text=True)
    page.get_by_role("button", name="English").click()


def test_from_the_whole_model_to_one_head_one_token_and_two_words(visit, shot, accessible):
    page = visit(height=1300)
    open_tab(page)
    assert page.locator("#attention-text textarea").input_value().startswith("The cat sat on the mat")
    page.locator("#look").click()
    expect_drawn(page, "#map-chart")
    expect(page.locator("#map-caption")).to_contain_text("layer 5, head 3")
    expect(page.locator("#map-caption")).to_contain_text(re.compile("(bf16|fp32) on cpu"))
    expect(page.locator("#map-token")).to_contain_text("From ·it")
    shot(page, "attention-1-map", full_page=True)
    accessible(page)

    open_pane(page, "All heads")
    expect_drawn(page, "#mosaic-chart")
    shot(page, "attention-2-mosaic", full_page=True)
    keep_for_readme(page.locator("#mosaic-chart"), "attention-heads")
    accessible(page)
    click_at(page, "#mosaic-chart", 11.5 / 30, 5.5 / 9)
    expect(page.locator("#map-caption")).to_contain_text("layer 11, head 5")
    click_at(page, "#map-chart", 0.5, 5.5 / 10)
    expect(page.locator("#map-token")).to_contain_text("From ·mat")
    page.locator("#permalink").get_by_role("button", name="Copy link").click()
    expect(page.locator("#permalink .done")).not_to_be_empty()
    address = page.locator("#permalink input").input_value()
    shot(page, "attention-3-link")
    page.locator("#permalink").get_by_role("button", name="Close").click()
    token = page.locator("#map-text button").nth(7)
    token.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#map-token")).to_contain_text("From ·it")
    expect(page.locator("#map-text button[aria-pressed=true]")).to_have_text("·it")
    shot(page, "attention-3-token", full_page=True)
    expect_same_page_elsewhere(visit, urlsplit(address).fragment, accessible)
    keep_for_readme(page, "attention")

    page.get_by_label("Without the first token").first.check()
    expect(page.locator("#map-caption")).to_contain_text("the rest was scaled up")
    layer = page.locator("#map-layer input[type=range]")
    layer.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#map-caption")).to_contain_text("layer 12, head 5")

    open_pane(page, "What heads do")
    expect_drawn(page, "#heads-chart")
    shot(page, "attention-8-heads", full_page=True)
    accessible(page)
    button = page.locator("#heads-ranking button").first
    layer, head = re.findall(r"\d+", button.inner_text())
    button.click()
    expect(page.locator("#map-caption")).to_contain_text(f"layer {layer}, head {head}")

    open_pane(page, "Who looks at whom")
    expect_drawn(page, "#pair-chart")
    expect(page.locator("#pair-caption")).to_contain_text("From it to mat")
    accessible(page)
    page.get_by_role("button", name="Benchmark").click()
    page.locator("#coreference-run").click()
    expect(page.locator("#attention-status progress")).to_be_visible()
    shot(page, "attention-9-pairs", full_page=True)
    page.locator("#look-stop").click()
    expect(page.locator("#attention-status")).to_contain_text("Stopped", timeout=15_000)

    page.set_viewport_size({"width": 390, "height": 900})
    open_pane(page, "Map")
    page.get_by_label("As it is").first.check()
    page.locator("#look").click()
    expect(page.locator("#map-caption")).not_to_contain_text("scaled up")
    expect_drawn(page, "#map-chart")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    accessible(page)
    shot(page, "attention-14-phone", full_page=True)


def test_bertviz_inside_its_frame_and_back(visit, shot, accessible):
    page = visit(height=1300, dark=True)
    open_tab(page)
    page.get_by_role("button", name="… because it was comfortable").click()
    expect_drawn(page, "#map-chart")
    open_pane(page, "BertViz")
    frame = page.frame_locator("#bertviz iframe")
    expect(frame.locator("#vis svg")).to_be_visible()
    expect(frame.locator("#layer")).to_have_value("5")
    frame.locator("#layer").select_option("9")
    expect(frame.locator("#vis svg text").first).to_have_text("The")
    accessible(page)
    shot(page, "attention-4-head-view", full_page=True)
    page.get_by_label("Model view").check()
    expect(frame.get_by_text("Layers", exact=True)).to_be_visible()
    accessible(page)
    shot(page, "attention-5-model-view", full_page=True)
    page.get_by_label("Neuron view").check()
    expect(frame.locator("#att_head")).to_be_visible()
    frame.locator("#collapsed #leftText .token").nth(5).hover(force=True)
    accessible(page)
    shot(page, "attention-6-neuron-view", full_page=True)
    open_pane(page, "Map")
    expect(page.locator("#map-chart .js-plotly-plot")).to_be_visible()
    shot(page, "attention-7-dark", full_page=True)


def test_a_tour_a_guess_answers_attributed_texts_compared_files_written(visit, shot, accessible):
    page = visit(height=1300, newcomer=True)
    take_the_tour(page, shot)
    guess(page, shot, accessible)
    open_tab(page)
    page.get_by_role("button", name="why Paris").click()
    expect(page.locator("#attribution-table table")).to_be_visible(timeout=120_000)
    expect(page.locator("#attribution-caption")).to_contain_text("Attention is not an explanation")
    expect(page.locator("#attribution-caption")).to_contain_text("rather than “·London”")
    expect(page.locator("#attribution-table tr", has_text="·France")).to_contain_text("+")
    accessible(page)
    shot(page, "attention-10-attribution", full_page=True)
    keep_for_readme(page.locator("#attention-panes"), "attention-attribution")

    open_pane(page, "Compare")
    expect_drawn(page, "#compare-right")
    accessible(page)
    shot(page, "attention-11-compare", full_page=True)
    page.locator("#compare-right .js-plotly-plot").hover()
    with page.expect_download() as download:
        page.locator("#compare-right .modebar-btn[data-title^='Download plot']").click()
    assert Path(download.value.path()).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"

    open_pane(page, "Export")
    with page.expect_download() as download:
        page.locator("#export-files a[download='attention.html']").click()
    written = Path(download.value.path()).read_text("utf-8")
    expect(page.locator("#export-code")).to_contain_text("from_pretrained")
    accessible(page)
    shot(page, "attention-12-export", full_page=True)
    alone = page.context.new_page()
    alone.set_content(written)
    alone.locator("#map canvas").hover(position={"x": 130 + 11, "y": 110 + 2 * 22 + 11})
    expect(alone.locator("#said")).to_contain_text("·of looks at The")
    shot(alone, "attention-13-offline", full_page=True)
