"""Chat with a model that runs elsewhere: the same `Reply` as of one that runs here, made from what its server tells.

It does not know the protocol. What a reply cannot have without the weights stays empty, and settings that the protocol
has no words for are named in the reply's notes.
"""

import dataclasses
import importlib.metadata
import platform
import secrets
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, fields
from typing import Any, Literal

from playground.engine.provenance import Provenance
from playground.engine.sampling import Sampling
from playground.engine.steps import StopReason
from playground.errors import PlaygroundError
from playground.labs.chat.replies import Message, Reply, asked
from playground.models.remote import ELSEWHERE, UNKNOWN, Piece, RemoteModel, RemoteToken, translated

_ALWAYS_NAMED = {"temperature", "seed"}  # whoever shows a reply asks for these
PATIENCE = 2.0  # seconds that a server has for its last words, when the model has ended
NEUTRAL = {field.name: field.default for field in fields(Sampling)} | {  # what changes nothing
    "max_new_tokens": None,
    "temperature": None,
    "top_p": None,
    "top_k": 0,
}


def reply(
    model: RemoteModel,
    messages: Sequence[Message],
    sampling: Sampling,
    system: str = "",
    stop: threading.Event | None = None,
) -> Generator[Reply, None, None]:
    """Answers the last message.

    Closing the iterator or setting `stop` ends the request, and with it the server's work. When the server fails after
    it has begun, what it wrote is kept: the last reply's reason is "cut", and a note says why.

    Raises:
        PlaygroundError: nothing was asked, more than this page allows, or the server gave no answer.
    """
    read = asked(messages, system)
    model.allowance.check_uncounted(*(message["content"] for message in read))
    yield from _follow(model, lambda settings: model.stream_chat(read, settings), sampling, stop)


def complete(
    model: RemoteModel, text: str, sampling: Sampling, stop: threading.Event | None = None
) -> Generator[Reply, None, None]:
    """Continues `text`; the reply's text is the continuation alone. Otherwise as `reply`."""
    if not text.strip():
        raise PlaygroundError("There is nothing to continue. Type some text first.")
    model.allowance.check_uncounted(text)
    yield from _follow(model, lambda settings: model.stream_complete(text, settings), sampling, stop)


def _follow(
    model: RemoteModel,
    ask: Callable[[Mapping[str, Any]], Generator[Piece, None, None]],
    sampling: Sampling,
    stop: threading.Event | None,
) -> Generator[Reply, None, None]:
    model.allowance.check_new(sampling.max_new_tokens)
    if sampling.seed is None:  # drawn here, so that the reply can say which it was
        sampling = dataclasses.replace(sampling, seed=secrets.randbelow(2**31))
    settings, not_used = translated(asdict(sampling), NEUTRAL)
    so_far = _SoFar(model, sampling, not_used)
    with closing(ask(settings)) as pieces:
        try:
            for piece in pieces:
                so_far.add(piece)
                if so_far.stop_reason is not None:
                    if so_far.since_its_end() > PATIENCE:
                        break
                    continue
                if stop is not None and stop.is_set():
                    so_far.stop_reason = "stopped"
                    break
                yield so_far.reply()
        except PlaygroundError as error:
            if not so_far.text:
                raise
            so_far.stop_reason, so_far.trouble = "cut", str(error)
    yield so_far.reply()


class _SoFar:
    """What has come of a reply."""

    def __init__(self, model: RemoteModel, sampling: Sampling, not_used: list[str]) -> None:
        self.model, self.sampling, self.not_used = model, sampling, not_used
        self.text = ""
        self.stop_reason: StopReason | Literal["cut"] | None = None
        self.trouble = ""
        self._tokens: list[RemoteToken] = []
        self._prompt_tokens: int | None = None  # as the server counts them
        self._new_tokens: int | None = None
        self._n_pieces = 0
        self._thinking = False
        self._stop_string: str | None = None
        self._served_as = ""
        self._refused: tuple[str, ...] = ()
        self._started = time.perf_counter()
        self._first = self._latest = self._ended = 0.0

    def add(self, piece: Piece) -> None:
        if piece.text or piece.thought:
            self._latest = time.perf_counter() - self._started
            self._first = self._first or self._latest
            self._n_pieces += 1
        if piece.thought:
            self.text += ("" if self._thinking else "<think>\n") + piece.thought
            self._thinking = True
        if piece.text:
            self.text += ("\n</think>\n\n" if self._thinking else "") + piece.text
            self._thinking = False
        self._tokens += piece.tokens
        self.stop_reason = piece.stop_reason or self.stop_reason
        if piece.stop_string in self.sampling.stop:
            self.stop_reason, self._stop_string = "stop string", piece.stop_string
        if piece.prompt_tokens is not None:
            self._prompt_tokens = piece.prompt_tokens
        if piece.new_tokens is not None:
            self._new_tokens = piece.new_tokens
        self._served_as = piece.served_as or self._served_as
        self._refused = piece.refused or self._refused

    def reply(self) -> Reply:
        counted = self._new_tokens if self._new_tokens is not None else len(self._tokens) or self._n_pieces
        seconds = self._latest - self._first
        return Reply(
            text=self.text,
            prompt_tokens=self._prompt_tokens or 0,
            new_tokens=counted,
            stop_reason=self.stop_reason,
            seconds_to_first_token=self._first or None,
            tokens_per_second=(counted - 1) / seconds if counted > 1 and seconds > 0 else None,
            ids=(),
            tokens=(),
            provenance=self._provenance(),
            stop_string=self._stop_string,
            notes=self._notes(),
            remote_tokens=tuple(self._tokens),
        )

    def since_its_end(self) -> float:
        """Seconds since the model said that it has ended, which its server may still count its tokens in."""
        now = time.perf_counter()
        self._ended = self._ended or now
        return now - self._ended

    def _notes(self) -> tuple[str, ...]:
        if self.stop_reason is None:
            return ()
        named = ", ".join(name.replace("_", "-") for name in self.not_used)
        refused = ", ".join(name.replace("_", "-") for name in self._refused)
        notes = [
            named and f"{named} {'is' if len(self.not_used) == 1 else 'are'} not part of this protocol: not used",
            refused and f"the server does not take {refused}: not used",
            "whether by itself or at a stop string, the server does not say"
            if self.sampling.stop and self.stop_reason == "eos"
            else "",
            "" if self._new_tokens is not None or self._tokens else "tokens counted by the pieces that came",
            self.trouble,
        ]
        return tuple(note for note in notes if note)

    def _provenance(self) -> Provenance:
        """What is known. In which precision and on which device it ran, only its server knows."""
        not_used = {*self.not_used, *self._refused}
        used = {name: value for name, value in asdict(self.sampling).items() if name not in not_used - _ALWAYS_NAMED}
        return Provenance(
            self.model.reference,
            UNKNOWN,
            ELSEWHERE,
            UNKNOWN,
            used | {"not_used": sorted(not_used), "served_as": self._served_as},
            {"python": platform.python_version(), "httpx2": importlib.metadata.version("httpx2")},
            time.perf_counter() - self._started,
        )
