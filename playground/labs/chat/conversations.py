"""A conversation as a tree: every message may have several versions, and each version goes on in its own way.

Values only: each change gives a new conversation. It does not know models, pages or files.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from playground.errors import PlaygroundError
from playground.models.remote import RemoteToken

NAME_LENGTH = 48  # characters of a name that is taken from the first message
UNDO_STEPS = 100

Role = Literal["user", "assistant"]


@dataclass(frozen=True)
class Source:
    """Where a reply came from: the part of the engine's provenance that travels with a message."""

    reference: str
    revision: str = ""
    device: str = ""
    dtype: str = ""
    settings: dict[str, Any] = field(default_factory=dict)  # of sampling, the seed among them


@dataclass(frozen=True)
class Made:
    """How a model made a reply. The names are those of `labs.chat.Reply`."""

    provenance: Source
    system: str  # the system prompt that it was given
    ids: tuple[int, ...]  # the reply's tokens, (n,)
    stop_reason: str | None  # as `engine.generate.StopReason`, or "reloaded"; None: not known
    prompt_tokens: int
    new_tokens: int
    seconds_to_first_token: float | None = None
    tokens_per_second: float | None = None
    context_length: int | None = None  # tokens that the model holds
    stop_string: str | None = None
    notes: tuple[str, ...] = ()
    remote_tokens: tuple[RemoteToken, ...] = ()


@dataclass(frozen=True)
class Shortened:
    """From this message on, the model is no longer given the whole conversation."""

    since: str  # id of the first message that it is still given
    summary: str = ""  # what it wrote about those before


@dataclass(frozen=True)
class Node:
    """One version of one message."""

    id: str
    parent: str | None
    role: Role
    content: str
    made: Made | None = None
    edited: bool = False  # by hand
    shortened: Shortened | None = None


@dataclass(frozen=True)
class Conversation:
    """A tree of messages and the path through it that is looked at, which ends at `active`."""

    id: str  # empty: nobody has begun it yet
    name: str = ""  # empty: none was given and nothing was said yet
    created: str = ""  # ISO 8601, UTC
    updated: str = ""
    system: str = ""
    nodes: Mapping[str, Node] = field(default_factory=dict)  # parents before children
    active: str | None = None  # None: nothing is looked at

    @property
    def path(self) -> tuple[Node, ...]:
        """The messages that are looked at, oldest first."""
        found, at = [], self.active
        while at is not None:
            found.append(self.nodes[at])
            at = self.nodes[at].parent
        return tuple(reversed(found))

    @property
    def leaf(self) -> Node | None:
        """The last message that is looked at."""
        return None if self.active is None else self.nodes[self.active]

    @property
    def shortened(self) -> Shortened | None:
        """How much of the path a model is given; None: all of it."""
        return next((node.shortened for node in reversed(self.path) if node.shortened), None)

    def given(self) -> tuple[tuple[Node, ...], str]:
        """What a model is given of the path, and the summary of the rest."""
        path, cut = self.path, self.shortened
        if cut is None:
            return path, ""
        start = next((n for n, node in enumerate(path) if node.id == cut.since), 0)
        return path[start:], cut.summary

    def versions(self, id: str) -> tuple[Node, ...]:
        """All versions of a message, this one among them, in the order in which they came."""
        parent = self._node(id).parent
        return tuple(node for node in self.nodes.values() if node.parent == parent)

    def add(self, role: Role, content: str, **rest: Any) -> Conversation:
        """`content` said after the path. `rest`: fields of the Node."""
        return self._with(Node(new_id(), self.active, role, content, **rest))

    def edit(self, id: str, content: str) -> Conversation:
        """Another version of a message, with which the path now ends. What followed stays with the old version."""
        old, new = self._node(id), new_id()
        cut = old.shortened
        if cut is not None and cut.since == old.id:  # it is itself the first that a model is given
            cut = replace(cut, since=new)
        return self._with(replace(old, id=new, content=content, made=None, edited=True, shortened=cut))

    def shorten(self, since: str, summary: str = "") -> Conversation:
        """From the last message on, a model is given only what was said since the message `since`.

        Replies that were written before were given more: a message that has some stays, and gets another version.
        """
        leaf, cut = self.path[-1], Shortened(self._node(since).id, summary)
        if not any(node.parent == leaf.id for node in self.nodes.values()):
            return replace(self, nodes={**self.nodes, leaf.id: replace(leaf, shortened=cut)}, updated=now())
        id = new_id()
        return self._with(replace(leaf, id=id, shortened=replace(cut, since=id) if since == leaf.id else cut))

    def up_to(self, id: str | None) -> Conversation:
        """The same tree, looked at no further than this message; None: nothing is looked at."""
        return replace(self, active=None if id is None else self._node(id).id)

    def go_to(self, id: str) -> Conversation:
        """The path through this message, and on along the newest messages."""
        at = self._node(id).id
        newest = {node.parent: node.id for node in self.nodes.values()}  # of several, the last stays
        while at in newest:
            at = newest[at]
        return replace(self, active=at)

    def step(self, id: str, by: int) -> Conversation:
        """The path through the version that stands `by` places further, as far as there are any."""
        versions = self.versions(id)
        here = [node.id for node in versions].index(id)
        return self.go_to(versions[min(max(here + by, 0), len(versions) - 1)].id)

    def delete(self, id: str) -> Conversation:
        """Without this version and all that follows it. The path goes on in the version beside it, if there is one."""
        gone, versions = self._node(id), self.versions(id)
        below = {id}
        for node in self.nodes.values():
            if node.parent in below:
                below.add(node.id)
        kept = {node.id: node for node in self.nodes.values() if node.id not in below}
        left = replace(self, nodes=kept, updated=now())
        if self.active not in below:
            return left
        at = [node.id for node in versions].index(id)
        beside = [*versions[:at][-1:], *versions[at + 1 :][:1]]
        return left.go_to(beside[0].id) if beside else replace(left, active=gone.parent)

    def cleared(self) -> Conversation:
        """Without any message."""
        return replace(self, nodes={}, active=None, updated=now())

    def renamed(self, name: str) -> Conversation:
        """Raises PlaygroundError for a name without letters."""
        if not name.strip():
            raise PlaygroundError("A conversation needs a name. Type one.")
        return replace(self, name=one_line(name, 200), updated=now())

    def _with(self, node: Node) -> Conversation:
        name = self.name or (one_line(node.content) if node.role == "user" else "")
        nodes = {**self.nodes, node.id: node}
        return replace(self, nodes=nodes, active=node.id, name=name, updated=now())

    def _node(self, id: str) -> Node:
        if id not in self.nodes:
            raise PlaygroundError("That message is not in this conversation any more. Look at it again.")
        return self.nodes[id]


@dataclass(frozen=True, eq=False)
class Thread:
    """A conversation and what can be undone in it. Undoing an addition only looks away from it: nothing is lost."""

    now: Conversation
    past: tuple[Conversation, ...] = ()
    future: tuple[Conversation, ...] = ()

    def with_id(self) -> Thread:
        """The same; a conversation that had no id yet has one."""
        return self if self.now.id else replace(self, now=replace(self.now, id=new_id(), created=now()))

    def changed(self, conversation: Conversation) -> Thread:
        """A change that can be undone."""
        return Thread(conversation, (*self.past, self.now)[-UNDO_STEPS:])

    def amended(self, conversation: Conversation) -> Thread:
        """A change that belongs to the last one, or that is none: a reply has come, another version is looked at."""
        return replace(self, now=conversation)

    def undo(self) -> Thread:
        """Raises PlaygroundError when there is nothing to undo."""
        if not self.past:
            raise PlaygroundError("There is nothing to undo.")
        before = self.past[-1]
        nodes = {**before.nodes, **self.now.nodes}  # parents come first in both
        back = replace(self.now, nodes=nodes, active=before.active, updated=now())
        return Thread(back, self.past[:-1], (*self.future, self.now))

    def redo(self) -> Thread:
        """Raises PlaygroundError when nothing was undone since the last change."""
        if not self.future:
            raise PlaygroundError("There is nothing to do again.")
        after = replace(self.future[-1], name=self.now.name, system=self.now.system, updated=now())
        return Thread(after, (*self.past, self.now), self.future[:-1])


NOT_BEGUN = Thread(Conversation(""))


def start(system: str = "") -> Thread:
    """A new conversation in which nothing was said."""
    return Thread(Conversation("", system=system)).with_id()


def new_id() -> str:
    """An id for a conversation or a message."""
    return secrets.token_hex(6)


def now() -> str:
    """This moment, as it is written in a conversation."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def one_line(text: str, length: int = NAME_LENGTH) -> str:
    """The beginning of a text as one line."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def with_summary(system: str, summary: str) -> str:
    """The system prompt that a model is given when it is not given the whole conversation."""
    told = f"What was said earlier in this conversation, in short: {summary}" if summary else ""
    return "\n\n".join(part for part in (system, told) if part.strip())
