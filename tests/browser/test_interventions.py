"""The journeys of the interventions on the real starter: patch, click and steer; take out and watch."""

import re

from playwright.sync_api import Page, expect

from tests.browser.pictures import keep_for_readme
from tests.browser.tabs import open_pane
from tests.browser.test_attention import click_at, expect_drawn
from tests.browser.test_internals import close_notice, expect_to_fit


def expect_idle(page: Page, status: str) -> None:
    expect(page.locator(f"{status} p")).to_have_count(0, timeout=120_000)


def test_patch_the_example_click_a_cell_then_steer(visit, shot, accessible):
    page = visit(height=1300)
    open_pane(page, "Patching")
    expect(page.locator("#patching-clean textarea")).to_have_value("The capital of France is the city of")
    shot(page, "interventions-1-before", full_page=True)
    page.locator("#patch").click()
    expect(page.locator("#patching-status progress")).to_be_visible()
    expect(page.locator("#patching-aligned mark").first).to_have_text("·France")
    shot(page, "interventions-2-progress")
    expect_drawn(page, "#patching-chart")
    expect_idle(page, "#patching-status")
    expect(page.locator("#patching-verdict")).to_contain_text("carried mostly by “·France | ·Italy” (position 3)")
    expect(page.locator("#patching-origin")).to_contain_text(re.compile("bf16|fp32"))
    click_at(page, "#patching-chart", 25.5 / 30, 7.5 / 8)
    expect(page.locator("#patching-cell")).to_contain_text("layer 25, token “·of” (position 7)")
    expect(page.locator("#patching-cell table")).to_contain_text("Corrupted text")
    accessible(page)
    shot(page, "interventions-3-patched", full_page=True)
    keep_for_readme(page.locator("#patching-outcome"), "patching")

    page.locator("#patching-propose").click()
    first = page.locator("#patching-proposed button").first
    expect(first).to_contain_text("→", timeout=120_000)
    accessible(page)
    shot(page, "interventions-4-proposed", full_page=True)
    first.click()
    expect(page.locator("#patching-corrupted textarea")).not_to_have_value("The capital of Italy is the city of")

    page.locator("#patching-corrupted textarea").fill("The capital of Liechtenstein is the city of")
    page.locator("#patch").click()
    expect(page.get_by_text("must have equally many tokens").first).to_be_visible()
    expect(page.locator("#patching-corrupted textarea")).to_have_value("The capital of Liechtenstein is the city of")
    expect(page.locator("#patching-cell")).to_contain_text("layer 25")  # what was found is still there

    close_notice(page)
    page.set_viewport_size({"width": 390, "height": 900})
    expect_to_fit(page, 390)
    accessible(page)
    shot(page, "interventions-9-phone", full_page=True)
    page.set_viewport_size({"width": 1280, "height": 1300})

    open_pane(page, "Steering")
    page.locator("#steer").click()
    cards = page.locator("#steering-written li")
    expect(cards).to_have_count(3, timeout=120_000)
    expect_idle(page, "#steering-status")
    expect(cards.nth(1)).to_contain_text("strength -2")
    for number, said in enumerate(("amazing", "terrible", "amazing")):  # as the example's `look` says
        expect(cards.nth(number).locator(".text")).to_contain_text(f"the food was {said}")
    accessible(page)
    shot(page, "interventions-8-steered", full_page=True)
    keep_for_readme(page.locator("#steering-outcome"), "steering")

    slider = page.locator("#steering-strength input[type=range]")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(cards.nth(1)).to_contain_text("strength -1.5", timeout=120_000)
    page.locator("#steering-strength input[type=number]").fill("0")
    page.keyboard.press("Tab")
    expect(cards.nth(1)).to_contain_text("strength 0", timeout=120_000)
    expect(page.locator("#steering-same")).to_contain_text("Word for word the same", timeout=120_000)


def test_take_out_a_head_and_watch_both_texts(visit, shot, accessible):
    page = visit(height=1300, dark=True)
    open_pane(page, "Ablation")
    page.locator("#ablate").click()
    expect(page.locator("#ablation-written li")).to_have_count(2, timeout=120_000)
    expect_idle(page, "#ablation-status")
    expect(page.locator("#ablation-written mark").first).to_be_visible()
    expect_drawn(page, "#ablation-bars")
    accessible(page)
    shot(page, "interventions-5-ablated-dark", full_page=True)

    page.get_by_role("button", name="Which parts matter?").click()
    page.get_by_label("Every layer: attention, MLP, whole").check()
    page.locator("#sweep").click()
    expect_drawn(page, "#ablation-sweep-chart")
    expect_idle(page, "#ablation-status")
    shot(page, "interventions-6-sweep-dark", full_page=True)
    accessible(page)
    click_at(page, "#ablation-sweep-chart", 5.5 / 30, 1.5 / 3)
    expect(page.locator("#ablation-targets input, #ablation-targets textarea").first).to_have_value("mlp 5")
    expect(page.locator("#ablation-told")).to_contain_text("Layer 5's MLP set to zero", timeout=120_000)
    expect_idle(page, "#ablation-status")

    page.get_by_role("button", name="The cat is happy").click()
    expect(page.locator("#noise-told")).to_contain_text("8 times", timeout=120_000)
    expect_drawn(page, "#noise-bars")
    accessible(page)
    shot(page, "interventions-7-noise-dark", full_page=True)
