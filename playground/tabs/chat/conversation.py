"""The conversation pane of the Chat tab: messages, the box to type in, and what runs when they are sent.

It does not know which model is picked or how sampling is set: both come with the page and the controls.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import gradio as gr

from playground.errors import PlaygroundError
from playground.labs.chat import conversations
from playground.labs.chat.conversations import Thread
from playground.tabs import results
from playground.tabs.chat import answering, bubbles, changes, full_context, saved, sends, token_pane
from playground.tabs.chat.asking import Asking
from playground.tabs.chat.bubbles import plain, said, waiting
from playground.tabs.chat.runs import Run, Runs
from playground.tabs.chat.sampling import Controls
from playground.tabs.chat.token_pane import Look, Written
from playground.tabs.kit import AT_ONCE, MAY_REFUSE, RESULTS_BEGIN, Page, arriving, user_errors

__all__ = ["Pane", "build", "plain", "said", "waiting"]

ASSETS = saved.ASSETS
WORKED_EXAMPLE = "Explain in two sentences why the sky is blue."
WELCOME = "### Talk to a language model\nType a message, press **Send** and watch the answer come word by word."

AfterFailure = Callable[[gr.events.Dependency, gr.Textbox], None]  # connects what else follows when no reply came


@dataclass(frozen=True)
class Pane(Asking):
    """The pane and what happens in it. Its methods are the handlers: components in, updates out."""

    page: Page
    controls: Controls
    system: gr.Textbox
    drawer: gr.HTML  # the conversations that this browser keeps
    runs: Runs
    chatbot: gr.Chatbot
    versions: gr.HTML  # the buttons under the messages
    message: gr.Textbox
    send: gr.Button
    stop: gr.Button
    again: gr.Button
    undo: gr.Button
    redo: gr.Button
    clear: gr.Button
    new: gr.Button
    meter: gr.HTML  # how full the context is
    offer: full_context.Offer  # what to do when it is full
    thread: gr.State  # the conversation: a `Thread`
    written: gr.State  # what made the last reply: a `Written`, or None
    after_failure: AfterFailure

    def show(self, thread: Thread, running: bool = False) -> dict:
        """The page on which `thread` stands, and the browser told to keep it."""
        idle, now = not running, thread.now
        return {
            self.thread: thread,
            self.chatbot: bubbles.messages(now),
            self.versions: [] if running else bubbles.versions(now),
            self.drawer: saved.keep(now),
            self.written: bubbles.written(now),
            self.send: gr.update(interactive=idle),
            self.stop: gr.update(interactive=running),
            self.again: gr.update(interactive=idle and bool(now.path)),
            self.undo: gr.update(interactive=idle and bool(thread.past)),
            self.redo: gr.update(interactive=idle and bool(thread.future)),
            self.clear: gr.update(interactive=idle and bool(now.path)),
            self.new: gr.update(interactive=idle),
            self.meter: bubbles.meter(now),
        } | self.offer.show(None)

    def begin(self, text: str, system: str, thread: Thread, request: gr.Request, how: str = "") -> dict:
        with user_errors():
            if not text.strip():
                raise PlaygroundError("The message is empty. Type one, then send it.")
            thread = thread.with_id()
            now = replace(thread.now, system=system)
            if now.leaf and now.leaf.role == "user":  # it was never answered: this is another version of it
                now = now.up_to(now.leaf.parent)
            asked = thread.changed(now.add("user", text))
            return self.ask(asked, thread, request, text, how=how) | {self.message: ""}

    def begin_again(self, system: str, thread: Thread, request: gr.Request) -> dict:
        with user_errors():
            now = replace(thread.now, system=system)
            if now.leaf and now.leaf.role == "assistant":
                now = now.up_to(now.leaf.parent)
            if now.leaf is None:
                raise PlaygroundError("There is no reply to write again. Send a message first.")
            return self.ask(thread.changed(now), thread, request)

    def begin_branch(
        self, look: Look | None, latest: Written | None, thread: Thread, event: gr.SelectData, request: gr.Request
    ) -> dict:
        """Cuts the last reply at a token and lets it go on from another one: a new version of it."""
        with user_errors():
            branch = token_pane.branch_at(look, event)
            if branch is None or branch.written != latest or latest != bubbles.written(thread.now):
                raise PlaygroundError("That reply is not the last one any more. Look at the tokens of the new one.")
            asked = thread.changed(thread.now.up_to(thread.now.leaf.parent))
            return self.ask(asked, thread, request, branch=branch)

    def begin_left_out(self, text: str, system: str, thread: Thread, refused, request: gr.Request) -> dict:
        """Tries again what did not fit, without the oldest messages."""
        return self._begin_shortened(full_context.LEAVE_OUT, text, system, thread, refused, request)

    def begin_summed_up(self, text: str, system: str, thread: Thread, refused, request: gr.Request) -> dict:
        """Tries again what did not fit, with a summary in place of the oldest messages."""
        return self._begin_shortened(full_context.SUM_UP, text, system, thread, refused, request)

    def _begin_shortened(self, how: str, text: str, system: str, thread: Thread, refused, request) -> dict:
        with user_errors():
            if refused is None:
                raise PlaygroundError("There is nothing to try again. Send the message once more.")
            if refused.text:
                return self.begin(text, system, thread, request, how)
            return self.ask(refused.asked, thread, request, how=how)

    def ask(
        self, asked: Thread, before: Thread, request: gr.Request, text: str = "", branch=None, how: str = ""
    ) -> dict:
        """Begins a reply to the last message of `asked`; `before` and `text` are put back if none comes."""
        self.runs.begin(request, asked, before, text, branch, how)
        shown = self.show(asked, running=True)
        return shown | {self.chatbot: [*shown[self.chatbot], waiting()]}

    def work(self, run: Run, values: dict) -> Iterator[dict]:
        asked = bubbles.messages(run.asked.now)
        reference = run.branch.written.reference if run.branch else values[self.page.reference]
        for news in arriving(self.page.models, reference, run.stop):
            yield {self.chatbot: [*asked, waiting(news)]}
        if run.start():
            yield from answering.write(self, run, reference, values)

    def before(self, run: Run) -> dict:
        return self.show(run.before) | self.offer.show(run.refused)

    @property
    def inputs(self) -> set[gr.components.Component]:
        return {self.page.reference, self.system} | self.controls.all

    @property
    def screen(self) -> list[gr.components.Component]:
        changing = [self.system, self.drawer, self.chatbot, self.versions, self.message, self.thread, self.written]
        buttons = [self.send, self.stop, self.again, self.undo, self.redo, self.clear, self.new]
        return [*changing, *buttons, self.meter, *self.offer.screen]

    def send_after(self, event: gr.events.Dependency) -> None:
        """Sends what is in the box once `event` has succeeded."""
        inputs = [self.message, self.system, self.thread]
        self.answer_after(event.success(self.begin, inputs, self.screen, **MAY_REFUSE))

    def answer_after(self, begun: gr.events.Dependency) -> None:
        """Lets the model answer once `begun`, which has called `ask`, has succeeded."""
        self.after_failure(super().answer_after(begun), self.message)


def build(page: Page, controls: Controls, system: gr.Textbox, drawer: gr.HTML, after_failure: AfterFailure) -> Pane:
    """Lays out the pane and connects it."""
    chatbot = gr.Chatbot(
        label="Conversation",
        height=420,  # assets/style.css fits it to the window
        placeholder=WELCOME,
        buttons=["copy", "copy_all"],
        editable="all",
        feedback_options=None,
        allow_tags=False,
        elem_id="conversation",
        elem_classes=RESULTS_BEGIN,
    )
    versions = gr.HTML(
        [],
        html_template="",
        js_on_load=(ASSETS / "versions.js").read_text("utf-8"),
        visible="hidden",
        elem_id="versions",
    )
    message = gr.Textbox(
        WORKED_EXAMPLE,
        label="Your message",
        placeholder="Enter sends it, Shift+Enter starts a new line.",
        max_lines=12,
        elem_id="message",
    )
    offer = full_context.build()
    with gr.Row(elem_classes="buttons"):
        send = gr.Button("Send", variant="primary", elem_id="send")
        stop = gr.Button("Stop", variant="stop", interactive=False, elem_id="stop")
        again = gr.Button("Regenerate", interactive=False, elem_id="regenerate")
    with gr.Row(elem_classes="lesser"):
        undo = gr.Button("Undo", size="sm", min_width=0, interactive=False, elem_id="undo")
        redo = gr.Button("Redo", size="sm", min_width=0, interactive=False, elem_id="redo")
        clear = gr.Button("Clear", size="sm", min_width=0, interactive=False, elem_id="clear")
        new = gr.Button("New conversation", size="sm", min_width=0, elem_id="new")
        meter = gr.HTML(elem_id="context", elem_classes=results.NO_RESULT)
    thread, written = gr.State(conversations.NOT_BEGUN), gr.State()
    pane = Pane(
        page=page, controls=controls, system=system, drawer=drawer, runs=Runs(page.blocks), chatbot=chatbot,
        versions=versions, message=message, send=send, stop=stop, again=again, undo=undo, redo=redo, clear=clear,
        new=new, meter=meter, offer=offer, thread=thread, written=written, after_failure=after_failure,
    )  # fmt: skip
    sends.of_conversation(page, written)
    tokens = token_pane.build(page, written)
    with tokens.sending_place:
        sends.of_token(page, written, tokens.picked)
    branched = tokens.detail.select(pane.begin_branch, [tokens.look, written, thread], pane.screen, **MAY_REFUSE)
    pane.answer_after(branched)
    said_it = [message, system, thread]
    pane.answer_after(gr.on([send.click, message.submit], pane.begin, said_it, pane.screen, **MAY_REFUSE))
    pane.answer_after(again.click(pane.begin_again, [system, thread], pane.screen, **MAY_REFUSE))
    stop.click(pane.halt, message, pane.screen, **AT_ONCE)
    for button, begin in ((offer.leave_out, pane.begin_left_out), (offer.sum_up, pane.begin_summed_up)):
        pane.answer_after(button.click(begin, [*said_it, offer.refused], pane.screen, **MAY_REFUSE))
    offer.dismiss.click(lambda: offer.show(None), None, offer.screen, **AT_ONCE)
    changes.connect(pane)
    return pane
