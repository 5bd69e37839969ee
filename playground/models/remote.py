"""A model that runs elsewhere: what it can be asked over OpenAI's protocol, and what it answers.

It writes, and nothing else: its weights are not here, so nothing can be looked at inside. It does not know who set the
endpoint, nor what the answer is for.
"""

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from playground.allowance import Allowance
from playground.errors import PlaygroundError
from playground.models import remote_errors, sse

if TYPE_CHECKING:  # it imports torch, for which the page must not wait
    from playground.engine.steps import StopReason

ELSEWHERE, UNKNOWN = "elsewhere", "unknown"  # where it runs, and in which precision, in what is told of its replies
N_ALTERNATIVES = 5  # the most that the protocol's plain completion allows
SILENCE = 300.0  # seconds: reading a long prompt on a slow machine takes minutes

# How settings of sampling are called in the protocol; all others have no place in it.
PARAMETERS = {
    "max_new_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "stop": "stop",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "logit_bias": "logit_bias",
}
OPTIONAL = {"temperature", "top_p", "seed", "presence_penalty", "frequency_penalty", "logit_bias", "stop"}
OPTIONAL |= {"logprobs", "top_logprobs", "stream_options"}  # what some servers refuse and can do without
FINISHED: dict[str, "StopReason"] = {"stop": "eos", "length": "length"}  # the protocol's words and ours


@dataclass(frozen=True)
class Endpoint:
    """Where models are served, as the operator has set it."""

    name: str
    url: str  # up to and with /v1
    key: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


@dataclass(frozen=True)
class RemoteToken:
    """A token as the server tells of it: it may give neither ids nor more than a few alternatives."""

    text: str
    logprob: float  # natural logarithm, the model's own
    alternatives: tuple[tuple[str, float], ...]  # the most probable and their logprobs, best first


@dataclass(frozen=True)
class Piece:
    """One turn of the stream. Empty while there is nothing new; `stop_reason` is set when the model has ended."""

    text: str = ""
    thought: str = ""  # written before the answer, and sent apart from it
    tokens: tuple[RemoteToken, ...] = ()  # of this piece, when the server gives probabilities
    stop_reason: "StopReason | None" = None  # "eos" also at a stop string, unless the server says at which
    stop_string: str | None = None
    prompt_tokens: int | None = None  # counted by the server, as a rule at the end
    new_tokens: int | None = None
    served_as: str = ""  # what the server itself calls the model
    refused: tuple[str, ...] = ()  # parameters that the server did not take; the request went on without


@dataclass(frozen=True)
class RemoteModel:
    """One model of one endpoint."""

    reference: str
    endpoint: Endpoint
    id: str  # as the endpoint calls it
    silence: float = SILENCE
    allowance: Allowance = field(default_factory=Allowance)  # of prompts by their length: tokens are counted elsewhere

    def stream_chat(
        self, messages: Sequence[Mapping[str, str]], settings: Mapping[str, Any]
    ) -> Generator[Piece, None, None]:
        """Answers the last message. `settings` are the protocol's own, as `translated` gives them.

        Closing the iterator ends the request.

        Raises:
            PlaygroundError: no answer could be had, or it broke off; each reason has its own sentence.
        """
        body = {"messages": list(messages), "logprobs": True, "top_logprobs": N_ALTERNATIVES, **settings}
        yield from self._stream("chat/completions", body)

    def stream_complete(self, text: str, settings: Mapping[str, Any]) -> Generator[Piece, None, None]:
        """Continues `text`. Otherwise as `stream_chat`."""
        yield from self._stream("completions", {"prompt": text, "logprobs": N_ALTERNATIVES, **settings})

    def _stream(self, path: str, body: dict[str, Any]) -> Generator[Piece, None, None]:
        body = {"model": self.id, "stream": True, "stream_options": {"include_usage": True}} | body
        refused: list[str] = []
        while True:
            try:
                with closing(self._pieces(path, body)) as pieces:
                    yield Piece(refused=tuple(refused))
                    yield from pieces
                return
            except sse.RefusalError as refusal:
                parameter = remote_errors.unsupported(refusal)
                if parameter == "max_tokens" in body:  # newer models of the protocol's makers want its newer name
                    body["max_completion_tokens"] = body.pop("max_tokens")
                elif parameter in OPTIONAL & body.keys():
                    del body[parameter]
                    refused.append(parameter)
                else:
                    raise remote_errors.refused(self, path, refusal) from None

    def _pieces(self, path: str, body: dict[str, Any]) -> Generator[Piece, None, None]:
        url = f"{self.endpoint.url}/{quote(path)}"
        most = 2 * body.get("max_tokens", body.get("max_completion_tokens", 0)) + 1000  # events; a token has one
        ended = False
        try:
            with closing(sse.post(url, body, self.endpoint.headers, self.silence)) as events:
                for data in events:
                    if data is None:
                        yield Piece()
                        continue
                    if data.strip() == "[DONE]":
                        break
                    most -= 1
                    if most < 0:
                        raise sse.TooMuchError
                    piece = self._read(data)
                    ended = ended or piece.stop_reason is not None
                    yield piece
        except sse.RefusalError:
            raise
        except Exception as error:
            if not ended:  # what comes after the last word is of no account
                raise remote_errors.failed(self, error) from None
        if not ended:
            raise remote_errors.cut(self)

    def _read(self, data: str) -> Piece:
        try:
            event = json.loads(data)
            if event.get("error"):  # a server that fails after it has begun to answer
                raise remote_errors.broke_off(self, event["error"])
            return piece_of(event)
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
            raise remote_errors.not_understood(self) from None


def translated(settings: Mapping[str, Any], neutral: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Settings of sampling in the protocol's words, and the names of those in use that it has no words for.

    Args:
        settings: by the names of `Sampling`.
        neutral: the value of each that changes nothing.
    """
    greedy = settings.get("temperature") == 0
    in_use = {name: value for name, value in settings.items() if value is not None and value != neutral.get(name)}
    body = {PARAMETERS[name]: value for name, value in in_use.items() if name in PARAMETERS}
    if "logit_bias" in body:
        body["logit_bias"] = {str(token): bias for token, bias in body["logit_bias"]}
    if "stop" in body:
        body["stop"] = list(body["stop"])
    of_drawing = {"top_k", "min_p", "typical_p"} if greedy else set()
    of_beams = {"length_penalty", "early_stopping"}
    return body, [name for name in in_use if name not in PARAMETERS and name not in of_drawing | of_beams]


def piece_of(event: Mapping[str, Any]) -> Piece:
    """What one event of a stream says. Raises ValueError, TypeError, KeyError or AttributeError when it is none."""
    choice = (event.get("choices") or [{}])[0]
    delta = choice.get("delta") or {}
    usage = event.get("usage") or {}
    text = delta.get("content") or choice.get("text") or ""
    thought = delta.get("reasoning_content") or delta.get("reasoning") or ""
    if not isinstance(text, str) or not isinstance(thought, str):
        raise TypeError("text is no text")
    finish = choice.get("finish_reason")
    return Piece(
        text,
        thought,
        tuple(_tokens(choice.get("logprobs") or {})),
        None if finish is None else FINISHED.get(finish, "eos"),
        choice.get("stop_reason") if isinstance(choice.get("stop_reason"), str) else None,
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
        str(event.get("model") or "")[:300],
    )


def _tokens(logprobs: Mapping[str, Any]) -> Iterator[RemoteToken]:
    """Of both forms that there are: a list of objects, and the older lists side by side."""
    if "content" in logprobs:
        for token in logprobs["content"] or ():
            best = tuple((str(other["token"]), _logprob(other["logprob"])) for other in token.get("top_logprobs") or ())
            yield RemoteToken(str(token["token"]), _logprob(token["logprob"]), best)
        return
    texts, values = logprobs.get("tokens") or [], logprobs.get("token_logprobs") or []
    tops = logprobs.get("top_logprobs") or [{}] * len(texts)
    for text, value, top in zip(texts, values, tops, strict=True):
        if value is not None:
            rivals = sorted(((str(t), _logprob(v)) for t, v in (top or {}).items()), key=lambda pair: -pair[1])
            yield RemoteToken(str(text), _logprob(value), tuple(rivals))


def _logprob(value: Any) -> float:
    if not value <= 0.01:  # a little above 0 is rounding
        raise ValueError("no logarithm of a probability")
    return min(float(value), 0.0)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 <= value < 1 << 40 else None


def needs_weights(reference: str) -> PlaygroundError:
    """What everything but writing says to a model that runs elsewhere."""
    return PlaygroundError(
        f"{reference} runs elsewhere; this needs the weights. Pick a model of this machine in the list above."
    )
