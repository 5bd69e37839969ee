"""The arena's layout: where each side is chosen, where both replies stand, the ballot, the box and the score.

It does not know what its buttons do: `arena.py` does.
"""

import gradio as gr

from playground.labs.chat.votes import Choice
from playground.tabs.chat import arena_sides
from playground.tabs.chat.arena import Arena
from playground.tabs.chat.arena_sides import EXAMPLES
from playground.tabs.chat.arena_turn import SIDES, Turns
from playground.tabs.chat.runs import Runs
from playground.tabs.kit import AT_ONCE, MAY_REFUSE, RESULTS_BEGIN, Page, title_of
from playground.views import votes as votes_view
from playground.views.continuations import note

BALLOT = (("Reply 1 is better", 0), ("Reply 2 is better", 1), ("Tie", "tie"), ("Both bad", "both bad"))
TO_THE_MESSAGE = "() => document.querySelector('#arena-message textarea')?.focus()"


def build(page: Page) -> Arena:
    """Lays out the pane and connects it."""
    first = EXAMPLES[0]
    with gr.Row():
        sides = tuple(
            arena_sides.build(page, name, settings) for name, settings in zip(SIDES, (first.a, first.b), strict=True)
        )
    with gr.Row(elem_classes="choices"):
        blind = gr.Checkbox(False, label="Blind: vote before you are told whose reply is whose", container=False)
        with gr.Row(elem_classes="examples"):
            gr.HTML("Examples:")
            buttons = [gr.Button(example.caption, size="sm", min_width=0) for example in EXAMPLES]
    look = gr.HTML(note(first.look), elem_id="arena-look", elem_classes=RESULTS_BEGIN)
    with gr.Row():
        names, places = zip(*(_place(n) for n in (1, 2)), strict=True)
    verdict = gr.HTML(elem_id="arena-verdict")
    with gr.Row(visible=False, elem_id="arena-ballot", elem_classes="buttons") as ballot:
        cards = [gr.Button(caption, min_width=120) for caption, _ in BALLOT]
    with gr.Row():
        message = gr.Textbox(
            first.text,
            label="One message to both",
            placeholder="Enter sends it, Shift+Enter starts a new line.",
            max_lines=8,
            scale=5,
            min_width=260,
            elem_id="arena-message",
        )
        seed = gr.Textbox(label="Seed of both", placeholder="random", scale=1, min_width=110, elem_id="arena-seed")
    with gr.Row(elem_classes="buttons"):
        send = gr.Button("Send to both", variant="primary", elem_id="arena-send")
        stop = gr.Button("Stop", variant="stop", interactive=False, elem_id="arena-stop")
        clear = gr.Button("Clear", interactive=False, elem_id="arena-clear")
    with gr.Accordion("Score of your votes", open=False, elem_id="arena-score") as accordion:
        score = gr.HTML(votes_view.html([], title_of), elem_classes="ledger")
        forget = gr.Button("Forget all votes", size="sm", elem_id="arena-forget")

    runs, turns = Runs(page.blocks), gr.State(())
    followed = gr.State(page.settings.default_models[0])
    pane = Arena(
        page,
        runs,
        sides,
        blind,
        look,
        names,
        places,
        verdict,
        ballot,
        message,
        seed,
        send,
        stop,
        clear,
        turns,
        page.votes,
        score,
        followed,
    )
    inputs = [message, blind, turns]
    pane.answer_after(gr.on([send.click, message.submit], pane.begin, inputs, pane.screen, **MAY_REFUSE))
    stop.click(pane.halt, message, pane.screen, **AT_ONCE)
    clear.click(lambda: pane.show(()) | {turns: ()}, None, pane.screen, **AT_ONCE)
    blind.input(pane.explain, blind, look, **AT_ONCE)
    for card, (_, place) in zip(cards, BALLOT, strict=True):

        def vote(shown: Turns, kept: list, request: gr.Request, place: int | Choice = place) -> dict:
            return pane.vote(place, shown, kept, request)

        voted = card.click(vote, [turns, page.votes], pane.screen, **MAY_REFUSE)
        voted.success(lambda: gr.update(open=True), None, accordion, **AT_ONCE).then(js=TO_THE_MESSAGE, fn=None)
    forget.click(lambda: pane.draw([]) | {pane.kept: []}, None, pane.screen, **AT_ONCE)
    page.blocks.load(pane.draw, page.votes, [score], **AT_ONCE)
    for button, example in zip(buttons, EXAMPLES, strict=True):
        pane.start_with(button, example)
    arena_sides.follow_the_bar(page, sides, followed)
    return pane


def _place(n: int) -> tuple[gr.HTML, gr.Chatbot]:
    """Lays out where one of the replies stands, the first or the second."""
    with gr.Column(min_width=300, elem_classes="arena-column"):
        name = gr.HTML(f"<b>{SIDES[n - 1]}</b>", elem_classes="arena-name")
        place = gr.Chatbot(
            label=f"Reply {n}",
            show_label=False,
            height=300,  # assets/style.css fits it to the window
            buttons=["copy"],
            feedback_options=None,
            allow_tags=False,
            elem_id=f"arena-{n}",
            elem_classes="arena-place",
        )
    return name, place
