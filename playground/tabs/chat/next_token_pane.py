"""What could come next, and what each sampling setting makes of it: the chart follows the sliders.

It does not know how a distribution is computed or drawn.
"""

from collections.abc import Callable

import gradio as gr

from playground.tabs.chat.sampling import Controls
from playground.tabs.kit import AT_ONCE, ELSEWHERE, Page, title_of, user_errors
from playground.views import continuations as notes

N_TOKENS = 15
NOT_LOADED = "This model is not in memory. Press Load, then Look again."
INTRODUCTION = "Open this with a text or a message in the box: it shows what the model would say next, and why."


def build(page: Page, controls: Controls, sources: set[gr.components.Component], prompt: Callable) -> None:
    """Lays out the pane.

    Args:
        sources: components that `prompt` reads.
        prompt: (engine, values) -> ids of what is to be continued, (1, position).
    """
    is_open = gr.State(False)
    with gr.Accordion("What could come next", open=False, elem_id="next-tokens") as accordion:
        words = gr.HTML(notes.note(INTRODUCTION))
        again = gr.Button("Look again", size="sm", elem_id="look-again")
        chart = gr.Plot(show_label=False, visible=False, elem_id="next-tokens-chart")

    def look(values: dict) -> dict:
        if not values[is_open]:
            return {words: gr.skip(), chart: gr.skip()}
        state = page.models.status(values[page.reference] or "").state
        if state != "ready":
            return {words: notes.note(ELSEWHERE if state == "remote" else NOT_LOADED), chart: gr.update(visible=False)}
        with user_errors(), page.models.lease(values[page.reference]) as engine:
            from playground.labs.chat import next_tokens
            from playground.views import next_tokens as view  # imports Plotly

            seen = next_tokens.after(engine, prompt(engine, values), controls.read(values), N_TOKENS)
            title = title_of(values[page.reference])
            return {
                words: notes.note(view.sentence(seen, title)),
                chart: gr.update(value=view.figure(seen), visible=True),
            }

    arguments = {"inputs": {page.reference, is_open} | sources | controls.all, "outputs": [words, chart]}
    opened = accordion.expand(lambda: True, None, is_open, **AT_ONCE)
    opened.then(look, **arguments, **page.queued)
    accordion.collapse(lambda: False, None, is_open, **AT_ONCE)
    moved = [component.change for component in controls.all if isinstance(component, gr.Slider)]
    typed = [controls.word_bias.blur, controls.word_bias.submit]  # not while a line is half written
    changed = [again.click, page.reference.change, controls.greedy.change, *typed, *moved]
    gr.on(changed, look, **arguments, trigger_mode="always_last", **page.queued)
