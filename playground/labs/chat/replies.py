"""Chat: messages in, a reply that grows token by token out; or plain text continued.

It does not know the page: each value it yields is the whole reply so far.
"""

import dataclasses
import secrets
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import jinja2
import torch
from torch import Tensor

from playground.engine import generate, provenance
from playground.engine.decoding import Decoder, TextStream
from playground.engine.engine import Engine
from playground.engine.provenance import Provenance
from playground.engine.sampling import Sampling
from playground.engine.steps import StopReason, Token
from playground.engine.tap import Tap
from playground.errors import PlaygroundError
from playground.models.remote import RemoteToken

Message = Mapping[str, str]  # {"role": "user" or "assistant" or "system", "content": text}
ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Reply:
    """A reply so far; `stop_reason` is set on the last one. With beams, the best so far: it may change until then.

    Of a model that runs elsewhere, `ids` and `tokens` stay empty: `remote.py` says what there is instead.
    """

    text: str  # without the stop string that ended it, and what follows that
    prompt_tokens: int
    new_tokens: int
    stop_reason: StopReason | Literal["cut"] | None  # "cut": the server that wrote it failed; a note says how
    seconds_to_first_token: float | None
    tokens_per_second: float | None  # of the tokens after the first
    ids: tuple[int, ...]  # all that is written, (n,): kept tokens, an end token and those of a stop string included
    tokens: tuple[Token, ...]  # the new ones
    provenance: Provenance
    stop_string: str | None = None  # which one ended it
    notes: tuple[str, ...] = ()  # what a person must know beside: settings that were not used, and why it broke off
    remote_tokens: tuple[RemoteToken, ...] = ()  # the new ones, where a server gives their probabilities


def has_chat_template(engine: Engine) -> bool:
    """Whether the model was made for conversations. A base model without a template only continues text."""
    return bool(getattr(engine.tokenizer, "chat_template", None))


def reply(
    engine: Engine,
    messages: Sequence[Message],
    sampling: Sampling,
    system: str = "",
    stop: threading.Event | None = None,
) -> Generator[Reply, None, None]:
    """Answers the last message.

    Closing the iterator or setting `stop` ends the computation within one token.

    Raises:
        PlaygroundError: nothing was asked, the model has no chat template, or the conversation does not fit.
    """
    ids = prompt_ids(engine, messages, system)
    yield from _follow(engine, ids, sampling, stop)


def complete(
    engine: Engine, text: str, sampling: Sampling, stop: threading.Event | None = None
) -> Generator[Reply, None, None]:
    """Continues `text`; the reply's text is the continuation alone. Otherwise as `reply`."""
    yield from _follow(engine, _tokenize(engine, text, add_special_tokens=True), sampling, stop)


def as_messages(value: object) -> list[Message]:
    """Messages from outside, checked. Content may be a text or a list of text blocks, as OpenAI's format allows.

    Raises:
        PlaygroundError: says which message is wrong.
    """
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise PlaygroundError('messages must be a list, like [{"role": "user", "content": "Hello"}].')
    messages: list[Message] = []
    for position, item in enumerate(value, start=1):
        role, content = (item.get("role"), item.get("content")) if isinstance(item, Mapping) else (None, None)
        if isinstance(content, Sequence) and not isinstance(content, str):
            blocks = [block.get("text") if isinstance(block, Mapping) else None for block in content]
            texts = [text for text in blocks if isinstance(text, str)]
            content = "".join(texts) if len(texts) == len(blocks) else None
        if role not in ROLES or not isinstance(content, str):
            raise PlaygroundError(
                f"Message {position} cannot be read. Each needs a role ({', '.join(ROLES)}) and a text as content."
            )
        messages.append({"role": role, "content": content})
    return messages


def prompt_ids(engine: Engine, messages: Sequence[Message], system: str = "") -> Tensor:
    """The ids that the model is given for a conversation, (1, position): its own template, a reply begun.

    Raises:
        PlaygroundError: as `reply`.
    """
    return _tokenize(engine, render(engine, messages, system), add_special_tokens=False)


def read_ahead(engine: Engine, messages: Sequence[Message], system: str, stopped: Callable[[], bool]) -> None:
    """Reads an answered conversation while nobody waits, so that the next turn need not read the last reply.

    It changes how soon the next reply begins, and nothing else (`engine/prefixes.py`).
    """
    try:
        ids = engine.encode(_applied(engine, messages, system, begin_reply=False), add_special_tokens=False)
    except PlaygroundError:  # no template, or the context is full: the next turn will say so
        return
    decoder = Decoder(engine)
    whole = ids[:, : ids.shape[1] // decoder.block * decoder.block]
    if engine.anatomy.kind == "causal" and not engine.anatomy.is_recurrent and whole.shape[1]:
        with torch.inference_mode():
            decoder.start(whole, stopped)


def render(engine: Engine, messages: Sequence[Message], system: str = "") -> str:
    """The conversation as the model's chat template writes it, ending where the reply begins."""
    asked(messages)
    return _applied(engine, messages, system, begin_reply=True)


def _applied(engine: Engine, messages: Sequence[Message], system: str, begin_reply: bool) -> str:
    messages = spoken(messages, system)
    if not has_chat_template(engine):
        raise PlaygroundError(f"{engine.reference} has no chat template: it continues text. Use plain completion.")

    def apply(conversation: Sequence[Message]) -> str:
        return engine.tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=begin_reply)

    try:
        return apply(messages)
    except jinja2.TemplateError as error:
        if messages[0]["role"] == "system" and len(messages) > 1:  # some templates know no system role
            first = {"role": "user", "content": f"{messages[0]['content']}\n\n{messages[1]['content']}"}
            try:
                return apply([first, *messages[2:]])
            except jinja2.TemplateError:
                pass
        raise PlaygroundError(
            f"The chat template of {engine.reference} refuses this conversation: {error}. "
            "Roles must alternate between user and assistant."
        ) from error


def spoken(messages: Sequence[Message], system: str = "") -> list[dict[str, str]]:
    """What was said, the system's message first.

    A reply may be empty, and roles must go on alternating; an empty question asks nothing.
    """
    kept = [m for m in messages if m["content"].strip() or m["role"] == "assistant"]
    first = [{"role": "system", "content": system}] if system.strip() else []
    return first + [{"role": m["role"], "content": m["content"]} for m in kept]


def asked(messages: Sequence[Message], system: str = "") -> list[dict[str, str]]:
    """As `spoken`, for a model that is to answer. Raises PlaygroundError: there is nothing to answer."""
    read = spoken(messages, system)
    if not read or read[-1]["role"] != "user":
        raise PlaygroundError("There is no message to answer. Type one first.")
    return read


def _tokenize(engine: Engine, text: str, add_special_tokens: bool) -> Tensor:
    if not text.strip():
        raise PlaygroundError("There is nothing to continue. Type some text first.")
    return engine.encode(text, add_special_tokens)


def resume(
    engine: Engine,
    prompt: Tensor,
    written: Sequence[int],
    sampling: Sampling,
    stop: threading.Event | None = None,
    tap: Tap | None = None,
) -> Generator[Reply, None, None]:
    """Writes on after the ids `written` that follow `prompt`, (1, position), through `tap`. Otherwise as `reply`."""
    yield from _follow(engine, prompt, sampling, stop, written, tap)


def _follow(
    engine: Engine,
    ids: Tensor,
    sampling: Sampling,
    stop: threading.Event | None,
    written: Sequence[int] = (),
    tap: Tap | None = None,
) -> Generator[Reply, None, None]:
    if sampling.seed is None:  # drawn here, so that the reply can say which it was
        sampling = dataclasses.replace(sampling, seed=secrets.randbelow(2**31))
    tokens: list[Token] = []
    kept = TextStream(engine.tokenizer)
    before = "".join(kept.add(token) for token in written)
    text = ""
    first = latest = 0.0
    steps = generate.stream(engine, ids, sampling, stop, tap, written)
    try:
        for step in steps:
            if step.instead is not None:
                tokens, text = list(step.instead), step.text
            else:
                tokens += [step.token] if step.token else []
                text += step.text
            if step.token:
                latest = step.seconds
                first = first or latest
            yield Reply(
                text=before + text,
                prompt_tokens=ids.shape[1],
                new_tokens=len(tokens),
                stop_reason=step.stop_reason,
                seconds_to_first_token=first or None,
                tokens_per_second=(len(tokens) - 1) / (latest - first) if len(tokens) > 1 else None,
                ids=(*written, *(token.id for token in tokens)),
                tokens=tuple(tokens),
                provenance=provenance.of(engine, asdict(sampling), step.seconds),
                stop_string=step.stop_string,
            )
    finally:
        steps.close()
