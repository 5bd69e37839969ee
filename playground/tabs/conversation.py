"""The conversation pane of the Chat tab: messages, the box to type in, and what runs when they are sent.

It does not know which model is picked or how sampling is set: both come with the page and the controls.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import gradio as gr

from playground.errors import PlaygroundError
from playground.tabs import token_pane
from playground.tabs.kit import AT_ONCE, MAY_REFUSE, WAITING, Page, arriving, paced, title_of, user_errors
from playground.tabs.runs import Run, Runs
from playground.tabs.sampling import Controls
from playground.tabs.token_pane import Branch, Look, Written
from playground.views import messages as text_view
from playground.views import statistics

WORKED_EXAMPLE = "Explain in two sentences why the sky is blue."
WELCOME = "### Talk to a language model\nPress **Send** and watch the answer to the message below come word by word."

NOTHING_YET = "…"  # an empty bubble would have no text for a screen reader

AfterFailure = Callable[[gr.events.Dependency, gr.Textbox], None]  # connects what else follows when no reply came
Messages = list[dict]  # {"role", "content": [{"type": "text", "text"}, ...]}: what was said, then a note about it


def said(role: str, text: str, *notes: str) -> dict:
    """A message for the page. Blocks, not a plain string: Gradio would strip the indentation of a string."""
    parts = [text_view.shown(text) or NOTHING_YET, *map(text_view.literal, notes)]
    return {"role": role, "content": [{"type": "text", "text": part} for part in parts]}


def plain(messages: Messages) -> list[dict[str, str]]:
    """The messages for a lab: what was said, without the notes."""
    texts = [text_view.original(m["content"][0]["text"]) for m in messages]
    return [
        {"role": m["role"], "content": "" if text == NOTHING_YET else text}
        for m, text in zip(messages, texts, strict=True)
    ]


def waiting(news: str = WAITING) -> dict:
    """What stands where the reply will be."""
    return said("assistant", "", news)


@dataclass(frozen=True)
class Conversation:
    """The pane and what happens in it. Its methods are the handlers: components in, updates out."""

    page: Page
    controls: Controls
    system: gr.Textbox
    runs: Runs
    chatbot: gr.Chatbot
    message: gr.Textbox
    send: gr.Button
    stop: gr.Button
    again: gr.Button
    clear: gr.Button
    written: gr.State  # what made the last reply: a `Written`, or None
    after_failure: AfterFailure

    def show(self, messages: Messages, running: bool = False) -> dict:
        idle = bool(messages) and not running
        return {
            self.chatbot: messages,
            self.send: gr.update(interactive=not running),
            self.stop: gr.update(interactive=running),
            self.again: gr.update(interactive=idle),
            self.clear: gr.update(interactive=idle),
        }

    def begin(self, text: str, messages: Messages, request: gr.Request) -> dict:
        with user_errors():
            if not text.strip():
                raise PlaygroundError("The message is empty. Type one, then send it.")
            asked = [*messages, said("user", text)]
            self.runs.begin(request, asked, messages, text)
            return self.show([*asked, waiting()], running=True) | {self.message: ""}

    def begin_again(self, messages: Messages, request: gr.Request) -> dict:
        with user_errors():
            asked = list(messages)
            while asked and asked[-1]["role"] != "user":
                asked.pop()
            if not asked:
                raise PlaygroundError("There is no reply to write again. Send a message first.")
            self.runs.begin(request, asked, messages)
            return self.show([*asked, waiting()], running=True)

    def begin_branch(
        self, look: Look | None, latest: Written | None, messages: Messages, event: gr.SelectData, request: gr.Request
    ) -> dict:
        """Cuts the last reply at a token and lets it go on from another one."""
        with user_errors():
            branch = token_pane.branch_at(look, event)
            asked = list(messages)
            while asked and asked[-1]["role"] != "user":
                asked.pop()
            if branch is None or branch.written != latest or plain(asked) != branch.written.messages:
                raise PlaygroundError("That reply is not the last one any more. Look at the tokens of the new one.")
            self.runs.begin(request, asked, messages, branch=branch)
            return self.show([*asked, waiting()], running=True)

    def answer(self, values: dict, request: gr.Request) -> Iterator[dict]:
        run = self.runs.take_up(request)
        if run is None:
            return
        try:
            with user_errors():
                reference = run.branch.written.reference if run.branch else values[self.page.reference]
                for news in arriving(self.page.models, reference, run.stop):
                    yield {self.chatbot: [*run.asked, waiting(news)]}
                if run.start():
                    yield from self._write(run, reference, values)
        finally:
            run.end()

    def _write(self, run: Run, reference: str, values: dict) -> Iterator[dict]:
        from playground.labs import chat, tokens, writing  # imports torch

        title = title_of(reference)
        settings = self.controls.read(values)
        branch: Branch | None = run.branch
        system = branch.written.system if branch else values[self.system]
        lend = self.page.models.lease if branch else self.page.models.writer  # a branch needs the weights
        with lend(reference) as writer:
            if branch:
                prompt = chat.prompt_ids(writer, branch.written.messages, system)
                ids = branch.written.ids
                replies = tokens.branch(writer, prompt, ids, branch.at, branch.instead, settings, run.stop)
            else:
                replies = writing.reply(writer, plain(run.asked), settings, system, run.stop)
            with closing(replies):
                for reply in paced(replies):
                    messages = [*run.asked, said("assistant", reply.text, statistics.line(reply, title))]
                    if reply.stop_reason is None:
                        yield {self.chatbot: messages}
        if reply.text or reply.stop_reason != "stopped":
            run.fruitful = True
            asked = tuple((message["role"], message["content"]) for message in plain(run.asked))
            latest = Written(reference, system, asked, reply.ids, reply.remote_tokens)
            yield self.show(messages) | {self.written: latest}

    def halt(self, typed: str, request: gr.Request) -> dict:
        return self._put_back(self.runs.stop(request), typed)

    def settle(self, typed: str, request: gr.Request) -> dict:
        return self._put_back(self.runs.fruitless(request), typed)

    def settle_failure(self, typed: str, request: gr.Request) -> dict:
        return self._put_back(self.runs.fruitless(request, failed=True), typed)

    def _put_back(self, run: Run | None, typed: str) -> dict:
        """The page as it was before `run`; what the visitor has typed since then is kept too."""
        if run is None:
            return gr.skip()
        return self.show(run.before) | {self.message: "\n".join(text for text in (run.text, typed) if text)}

    @property
    def screen(self) -> list[gr.components.Component]:
        return [self.chatbot, self.message, self.send, self.stop, self.again, self.clear, self.written]

    def send_after(self, event: gr.events.Dependency) -> None:
        """Sends what is in the box once `event` has succeeded."""
        self._answer_after(event.success(self.begin, [self.message, self.chatbot], self.screen, **MAY_REFUSE))

    def _answer_after(self, begun: gr.events.Dependency) -> None:
        inputs = {self.page.reference, self.system} | self.controls.all
        # "multiple": one that was stopped while it waited must not block the next
        answered = begun.success(self.answer, inputs, self.screen, trigger_mode="multiple", **self.page.queued)
        answered.success(self.settle, self.message, self.screen, **AT_ONCE)
        failed = answered.failure(self.settle_failure, self.message, self.screen, **AT_ONCE)
        self.after_failure(failed, self.message)


def build(page: Page, controls: Controls, system: gr.Textbox, after_failure: AfterFailure) -> Conversation:
    """Lays out the pane and connects it."""
    chatbot = gr.Chatbot(
        label="Conversation",
        height=420,  # assets/style.css fits it to the window
        placeholder=WELCOME,
        buttons=["copy", "copy_all"],
        feedback_options=None,
        allow_tags=False,
        elem_id="conversation",
    )
    message = gr.Textbox(
        WORKED_EXAMPLE,
        label="Your message",
        placeholder="Enter sends it, Shift+Enter starts a new line.",
        max_lines=12,
        elem_id="message",
    )
    with gr.Row(elem_classes="buttons"):
        send = gr.Button("Send", variant="primary", elem_id="send")
        stop = gr.Button("Stop", variant="stop", interactive=False, elem_id="stop")
        again = gr.Button("Regenerate", interactive=False, elem_id="regenerate")
        clear = gr.Button("Clear", interactive=False, elem_id="clear")
    runs, written = Runs(page.blocks), gr.State()
    pane = Conversation(
        page, controls, system, runs, chatbot, message, send, stop, again, clear, written, after_failure
    )
    tokens = token_pane.build(page, written)
    branched = tokens.detail.select(pane.begin_branch, [tokens.look, written, chatbot], pane.screen, **MAY_REFUSE)
    pane._answer_after(branched)
    sent = gr.on([send.click, message.submit], pane.begin, [message, chatbot], pane.screen, **MAY_REFUSE)
    pane._answer_after(sent)
    pane._answer_after(again.click(pane.begin_again, chatbot, pane.screen, **MAY_REFUSE))
    stop.click(pane.halt, message, pane.screen, **AT_ONCE)
    clear.click(lambda: pane.show([]) | {written: None}, None, pane.screen, **AT_ONCE)
    return pane
