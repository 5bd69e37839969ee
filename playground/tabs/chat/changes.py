"""What a person does to a conversation besides talking: edit, step between versions, undo, begin anew, open another.

It does not know how a reply is written: the conversation pane does that.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import gradio as gr

from playground.errors import PlaygroundError
from playground.labs.chat import conversations, files
from playground.labs.chat.conversations import Node, Thread
from playground.tabs.chat import bubbles, saved
from playground.tabs.kit import MAY_REFUSE, user_errors
from playground.views import messages as text_view

if TYPE_CHECKING:
    from playground.tabs.chat.conversation import Pane


def connect(pane: "Pane") -> None:
    """Connects the buttons, the bubbles and the drawer. Each refuses while a reply is being written."""
    handlers = Changes(pane)

    def on(event, handler, *inputs) -> gr.events.Dependency:
        done = event(handler, list(inputs), pane.screen, **MAY_REFUSE)
        done.failure(handlers.show_again, pane.thread, [pane.chatbot], **MAY_REFUSE)
        return done

    on(pane.undo.click, handlers.undo, pane.thread)
    on(pane.redo.click, handlers.redo, pane.thread)
    on(pane.clear.click, handlers.clear, pane.thread)
    on(pane.new.click, handlers.new, pane.system)
    on(pane.versions.step, handlers.step, pane.thread)
    on(pane.versions.remove, handlers.remove, pane.thread)
    on(pane.drawer.opened, handlers.open, pane.message)
    on(pane.drawer.imported, handlers.take_in)
    on(pane.drawer.left, handlers.new, pane.system)
    on(pane.drawer.renamed, handlers.rename, pane.thread)
    on(pane.drawer.exported, handlers.export, pane.thread)
    # "multiple": the chat component tells of each part of a message on its own, the notes too
    edited = pane.chatbot.edit(
        handlers.edit, [pane.system, pane.thread], pane.screen, trigger_mode="multiple", **MAY_REFUSE
    )
    edited.failure(handlers.show_again, pane.thread, [pane.chatbot], **MAY_REFUSE)
    pane.answer_after(edited)


class Changes:
    """The handlers. They know the pane, and hold nothing of their own."""

    def __init__(self, pane: "Pane"):
        self.pane = pane

    def undo(self, thread: Thread, request: gr.Request) -> dict:
        return self._change(request, thread.undo)

    def redo(self, thread: Thread, request: gr.Request) -> dict:
        return self._change(request, thread.redo)

    def clear(self, thread: Thread, request: gr.Request) -> dict:
        return self._change(request, lambda: thread.changed(thread.now.cleared()))

    def step(self, thread: Thread, event: gr.EventData, request: gr.Request) -> dict:
        """Another version of a message, and what followed it."""
        return self._change(request, lambda: thread.amended(thread.now.step(at(thread, event).id, event.by)))

    def remove(self, thread: Thread, event: gr.EventData, request: gr.Request) -> dict:
        return self._change(request, lambda: thread.changed(thread.now.delete(at(thread, event).id)))

    def rename(self, thread: Thread, event: gr.EventData, request: gr.Request) -> dict:
        return self._change(request, lambda: thread.amended(thread.now.renamed(event.name)))

    def take_in(self, event: gr.EventData, request: gr.Request) -> dict:
        """A file becomes a conversation of its own."""
        return self._open(request, lambda: Thread(files.imported(event.text)))

    def new(self, system: str, request: gr.Request) -> dict:
        shown = self._change(request, lambda: conversations.start(system))
        return shown | {self.pane.drawer: saved.open_new(shown[self.pane.thread].now)}

    def open(self, message: str, event: gr.EventData, request: gr.Request) -> dict:
        """One that the browser has kept, and what was typed before the page was reloaded."""
        box = {} if event.typed is None or event.typed == message else {self.pane.message: event.typed}
        if event.conversation is None:
            return box or gr.skip()
        return self._open(request, lambda: Thread(saved.restored(event.conversation, event.draft))) | box

    def export(self, thread: Thread) -> dict:
        with user_errors():
            if not thread.now.path:
                raise PlaygroundError("There is nothing to export. Say something first.")
            return {self.pane.drawer: saved.download(thread.now)}

    def edit(self, system: str, thread: Thread, event: gr.EditData, request: gr.Request) -> dict:
        """A user's message is asked again as another version; a reply is just made to say something else."""
        with user_errors():
            node = at(thread, event)
            if event.previous_value != (text_view.shown(node.content) or bubbles.NOTHING_YET):
                return gr.skip()  # a note under the message
            self.pane.runs.expect_idle(request)
            text = text_view.original(event.value)
            if text == node.content or not text.strip():
                return self.pane.show(thread)  # the component has already drawn it in its own way
            asked = thread.changed(replace(thread.now, system=system).edit(node.id, text))
            return self.pane.ask(asked, thread, request) if node.role == "user" else self.pane.show(asked)

    def show_again(self, thread: Thread) -> dict:
        """What stands in the conversation, after the page has drawn something that was then refused."""
        return {self.pane.chatbot: bubbles.messages(thread.now)}

    def _change(self, request: gr.Request, change) -> dict:
        with user_errors():
            self.pane.runs.expect_idle(request)
            return self.pane.show(change())

    def _open(self, request: gr.Request, change) -> dict:
        shown = self._change(request, change)
        return shown | {self.pane.system: shown[self.pane.thread].now.system}


def at(thread: Thread, event: gr.EventData) -> Node:
    """The message that an event is about. Raises PlaygroundError when it is not there any more."""
    path = thread.now.path
    if not isinstance(event.index, int) or not 0 <= event.index < len(path):
        raise PlaygroundError("That message is not in this conversation any more. Look at it again.")
    return path[event.index]
