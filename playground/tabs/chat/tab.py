"""Talk to a model and watch it answer word by word, or let it continue a text.

It does not know how a model generates: that is `labs/chat/`.
"""

from dataclasses import dataclass, field, replace

import gradio as gr

from playground.labs.chat import conversations
from playground.tabs.ability import what_it_can
from playground.tabs.chat import (
    answering,
    arena_layout,
    completion,
    conversation,
    linked,
    next_token_pane,
    sampling,
    saved,
)
from playground.tabs.kit import AT_ONCE, MAY_REFUSE, Page, Parcel, user_errors

TITLE = "Chat"
TAKES_TEXTS = True  # from other tabs, by post: they are sent as a message, or continued by a model that has no chat
CONVERSATION, COMPLETION, DUEL = "Conversation", "Plain completion", "Two models"
BASE = "This is a base model: it has no chat template, so it continues a text instead of answering."
SEQ2SEQ = "This model turns one text into another, with no roles: what it writes is put after yours."
MUTE = "This model reads text but writes none. Pick one for chat, or one that continues text."


@dataclass(frozen=True)
class Example:
    caption: str
    mode: str
    text: str
    settings: dict = field(default_factory=dict)  # what differs from the defaults
    samples: int = 1


EXAMPLES = (
    Example("Who are you?", CONVERSATION, "Who are you?", {"max_new_tokens": 40}),
    Example("Once upon a time", COMPLETION, "Once upon a time", {"max_new_tokens": 120}),
    Example(
        "The future of AI is … three samples",
        COMPLETION,
        "The future of AI is",
        {"temperature": 0.7, "top_p": 0.9, "no_repeat_ngram": 2, "max_new_tokens": 40},
        samples=3,
    ),
)


def build(page: Page) -> None:
    with gr.Row():
        with gr.Column(scale=5, min_width=320, elem_classes="stays") as stays:
            with gr.Row(elem_classes="choices"):
                mode = gr.Radio(
                    [CONVERSATION, COMPLETION, DUEL], value=CONVERSATION, label="How to use the model", container=False
                )
                with gr.Row(elem_id="chat-examples", elem_classes="examples") as strip:
                    gr.HTML("Examples:")
                    small: dict = {"size": "sm", "min_width": 0}
                    buttons = [gr.Button(example.caption, **small) for example in EXAMPLES]
                    duel = gr.Button("Two models: cool and hot", elem_classes="shows-arena-look", **small)
            why = gr.HTML(visible=False, elem_id="why")
            conversation_place = gr.Column(min_width=0)
            completion_place = gr.Column(min_width=0, visible=False)
            duel_place = gr.Column(min_width=0, visible=False, elem_id="arena")
        with gr.Column(scale=2, min_width=300) as beside:
            drawer = saved.build()
            with gr.Accordion("Settings", elem_id="settings"):
                system = gr.Textbox(
                    label="System prompt", info="How the model should behave. Empty: its own.", lines=2, max_lines=8
                )
                controls = sampling.build(page)
    with completion_place:
        text = completion.build(page, controls)

    def adapt(reference: str | None, chosen: str) -> list[dict]:
        """Offers what the picked model can do, and says why not all of it. A duel goes on: it has models of its own."""
        ability = what_it_can(page, reference or "")
        reason = {"base": BASE, "seq2seq": SEQ2SEQ, "none": MUTE}.get(ability, "")
        alone = ability in ("base", "seq2seq")
        told = alone and chosen != DUEL
        choice = gr.update(value=COMPLETION, interactive=False) if told else gr.update(interactive=True)
        return [choice, gr.update(value=reason, visible=bool(reason))]

    def adapt_with_message(reference: str | None, chosen: str, message: str, present: str) -> list:
        """As `adapt`; a message to a model that turned out to have no chat template becomes a text to continue."""
        nothing_of_theirs = present in ("", completion.WORKED_EXAMPLE)
        carry = message.strip() and nothing_of_theirs and what_it_can(page, reference or "") in ("base", "seq2seq")
        return [*adapt(reference, chosen), *(["", message] if carry else [gr.skip(), gr.skip()])]

    def after_failure(event: gr.events.Dependency, message: gr.Textbox) -> None:
        asking, shown = [page.reference, mode, message, text.text], [mode, why, message, text.text]
        event.then(adapt_with_message, asking, shown, **AT_ONCE)

    with conversation_place:
        talk = conversation.build(page, controls, system, drawer, after_failure)

    def prompt(engine, values: dict):
        """What the picked way of using the model would have it continue, as ids."""
        from playground.labs.chat import replies as chat

        if values[mode] == COMPLETION or not chat.has_chat_template(engine):
            return engine.encode(values[text.text])
        messages, given_system = answering.to_send(replace(values[talk.thread].now, system=values[system]))
        if values[talk.message].strip():
            messages.append({"role": "user", "content": values[talk.message]})
        elif messages and messages[-1]["role"] == "assistant":
            messages.pop()  # nothing new is typed: what was answered last
        return chat.prompt_ids(engine, messages, given_system)

    with duel_place:
        two = arena_layout.build(page)
        two.start_with(duel, arena_layout.EXAMPLES[0], also={mode: DUEL})

    with stays, gr.Column(min_width=0) as below:
        sources = {mode, text.text, talk.thread, talk.message, system}
        next_token_pane.build(page, controls, sources, prompt)

    mode.change(
        lambda chosen: [
            *(gr.update(visible=chosen == way) for way in (CONVERSATION, COMPLETION, DUEL)),
            *[gr.update(visible=chosen != DUEL)] * 3,  # both sides have settings of their own, and other examples
        ],
        mode,
        [conversation_place, completion_place, duel_place, beside, below, strip],
        **AT_ONCE,
    )
    gr.on([page.blocks.load, page.reference.change, mode.change], adapt, [page.reference, mode], [mode, why], **AT_ONCE)
    page.made_ready.success(adapt, [page.reference, mode], [mode, why], **AT_ONCE)

    _receive(page, mode, talk, text)

    def duels(values: dict) -> bool:
        return values[mode] == DUEL

    boxes = {"mode": mode, "message": talk.message, "text": text.text, "samples": text.samples, "system": system}
    boxes |= vars(controls) | linked.boxes_of(two, duels)
    page.forms.offer(TITLE, boxes=boxes, more=linked.of(talk, two, duels), talks=True)
    for button, example in zip(buttons, EXAMPLES, strict=True):

        def fill(request: gr.Request, example: Example = example) -> dict:
            with user_errors():
                (talk if example.mode == CONVERSATION else text).runs.expect_idle(request)
            box = talk.message if example.mode == CONVERSATION else text.text
            return {mode: example.mode, box: example.text, text.samples: example.samples} | controls.set(
                example.settings
            )

        filled = button.click(fill, None, [mode, talk.message, text.text, text.samples, *controls.all], **MAY_REFUSE)
        (talk.send_after if example.mode == CONVERSATION else text.go_after)(filled)


def _receive(page: Page, mode: gr.Radio, talk: conversation.Pane, text: completion.Completion) -> None:
    """Lets a new conversation begin with what comes, or where the model has no chat, has it continued."""
    if TITLE not in page.post:
        return
    to_talk, to_text = gr.State(), gr.State()

    def receive(parcel: Parcel, picked: str | None, request: gr.Request) -> dict:
        alone = what_it_can(page, parcel.reference or picked or "") in ("base", "seq2seq")
        (text if alone else talk).runs.expect_idle(request)
        if alone:
            return {mode: COMPLETION, text.text: parcel.text, text.samples: 1, to_text: parcel}
        begun = talk.show(conversations.start(parcel.system))
        new = {talk.system: parcel.system, talk.drawer: saved.open_new(begun[talk.thread].now)}
        return begun | new | {mode: CONVERSATION, talk.message: parcel.text, to_talk: parcel}

    def received(parcel: Parcel | None, picked: str | None, request: gr.Request) -> dict:
        with user_errors():
            return {mode: gr.skip()} if parcel is None else receive(parcel, picked, request)

    outputs = [mode, text.text, text.samples, to_talk, to_text, *talk.screen]
    page.post[TITLE].change(received, [page.post[TITLE], page.reference], outputs, **MAY_REFUSE)
    talk.answer_after(to_talk.change(talk.begin, [talk.message, talk.system, talk.thread], talk.screen, **MAY_REFUSE))
    text.answer_after(to_text.change(text.begin, text.text, text.screen, **MAY_REFUSE))
