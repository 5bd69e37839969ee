"""How a reply comes to the page: made to fit if need be, shown as it grows, and kept by the browser meanwhile.

It does not know when it is asked for: the conversation pane does.
"""

import json
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import gradio as gr

from playground.labs.chat import conversations
from playground.labs.chat.conversations import Conversation, Made, Source
from playground.tabs.chat import bubbles, full_context, saved
from playground.tabs.chat.bubbles import said, waiting
from playground.tabs.chat.runs import Run
from playground.tabs.kit import paced, title_of
from playground.views import statistics

if TYPE_CHECKING:
    from playground.tabs.chat.conversation import Pane

DRAFT_SECONDS = 1.0  # how often the browser is given what has come of a reply


def write(pane: "Pane", run: Run, reference: str, values: dict) -> Iterator[dict]:
    """Updates of the pane while a model answers, under a lease. Nothing is added when nothing came."""
    from playground.labs import tokens
    from playground.labs.chat import replies as chat
    from playground.labs.chat import writing

    settings = pane.controls.read(values)
    lend = pane.page.models.lease if run.branch else pane.page.models.writer  # a branch needs the weights
    with lend(reference) as writer:
        if run.branch:
            now, of = run.asked.now, run.branch.written
            system, prompt = of.system, chat.prompt_ids(writer, of.messages, of.system)
            replies = tokens.branch(writer, prompt, of.ids, run.branch.at, run.branch.instead, settings, run.stop)
        else:
            now = yield from _made_to_fit(pane, run, writer, title_of(reference), settings.max_new_tokens)
            if now is None:
                return
            if now is not run.asked.now:
                yield {pane.chatbot: [*bubbles.messages(now), waiting("")], pane.drawer: saved.keep(now)}
            messages, system = to_send(now)
            replies = writing.reply(writer, messages, settings, system, run.stop)
        done = yield from _follow(pane, run, now, replies, system, context_length(writer), title_of(reference))
    if done is not None:  # while its visitor reads the reply, so that the next turn begins sooner
        said_so_far, system = to_send(done)
        pane.page.models.in_spare_time(
            reference, lambda engine, stopped: chat.read_ahead(engine, said_so_far, system, stopped)
        )


def _made_to_fit(pane: "Pane", run: Run, engine, title: str, wanted: int) -> Generator[dict, None, Conversation | None]:
    """The conversation that is sent, shortened if that was asked for; None: it does not fit, or was stopped."""
    from playground.labs.chat import context

    now = run.asked.now
    if context_length(engine) is None:  # nobody knows, or it has no end
        return now
    messages, system = to_send(now)
    overflow = context.overflow(engine, messages, system, wanted)
    if overflow is None:
        return now
    refused = full_context.refuse(run.asked, run.text, overflow, title)
    if not run.how:
        run.refused = refused
        yield gr.skip()
        return None
    summary, n_oldest = now.given()[1], overflow.n_oldest  # that of messages before those stays, if there is one
    if run.how == full_context.SUM_UP:
        asked = bubbles.messages(now)
        with closing(context.summarise(engine, messages[:n_oldest], summary, run.stop)) as replies:
            for reply in paced(replies):
                yield {pane.chatbot: [*asked, said("assistant", reply.text, full_context.SUMMING_UP)]}
        if reply.stop_reason == "stopped":
            return None
        summary = context.cut(engine, reply.text.strip(), context.summary_tokens(overflow.limit))
    return full_context.shortened(now, n_oldest, summary)


def _follow(
    pane: "Pane", run: Run, now: Conversation, replies: Iterator, system: str, holds: int | None, title: str
) -> Generator[dict, None, Conversation | None]:
    """Shows a reply to `now` as it comes, and lets the browser keep it. Returns the conversation with it.

    What had come when something went wrong is kept, before the error goes on its way.
    """
    asked, due = bubbles.messages(now), time.monotonic() + DRAFT_SECONDS
    reply, failure = None, None
    with closing(replies):
        try:
            for reply in paced(replies):
                update = {pane.chatbot: [*asked, said("assistant", reply.text, statistics.line(reply, title))]}
                if reply.text and time.monotonic() >= due:
                    update[pane.drawer] = saved.keep_draft(now, reply.text, made_by(reply, system, holds))
                    due = time.monotonic() + DRAFT_SECONDS
                if reply.stop_reason is None:
                    yield update
        except Exception as error:
            if reply is None or not reply.text:
                raise
            reply, failure = replace(reply, stop_reason="cut"), error
    if not reply.text and reply.stop_reason == "stopped":
        return None
    run.fruitful = True
    done = now.add("assistant", reply.text, made=made_by(reply, system, holds))
    yield pane.show(run.asked.amended(done))
    if failure is not None:
        raise failure
    return done


def to_send(conversation: Conversation) -> tuple[list[dict[str, str]], str]:
    """The messages and the system prompt that a model is given for the path of a conversation."""
    nodes, summary = conversation.given()
    return [{"role": node.role, "content": node.content} for node in nodes], conversations.with_summary(
        conversation.system, summary
    )


def context_length(writer) -> int | None:
    """Tokens that an Engine holds; None: as many as there are, or it runs elsewhere and nobody has said."""
    anatomy = getattr(writer, "anatomy", None)
    return anatomy and anatomy.context_length


def made_by(reply, system: str, holds: int | None) -> Made:
    """How a `labs.chat.Reply` was made, to be kept beside it as JSON."""
    of = reply.provenance
    return Made(
        provenance=Source(of.reference, of.revision, of.device, of.dtype, json.loads(json.dumps(of.settings))),
        system=system,
        ids=tuple(reply.ids),
        stop_reason=reply.stop_reason,
        prompt_tokens=reply.prompt_tokens,
        new_tokens=reply.new_tokens,
        seconds_to_first_token=reply.seconds_to_first_token,
        tokens_per_second=reply.tokens_per_second,
        context_length=holds,
        stop_string=reply.stop_string,
        notes=tuple(reply.notes),
        remote_tokens=tuple(reply.remote_tokens),
    )
