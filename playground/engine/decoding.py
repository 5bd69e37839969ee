"""One forward pass a token: keys, values and states kept between passes; ids turned into text as they come.

It does not choose tokens.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from tokenizers.decoders import DecodeStream
from torch import Tensor, nn
from transformers import DynamicCache, EncoderDecoderCache

from playground.engine import tap
from playground.engine.company import Wish, accepted, always, can_share
from playground.engine.engine import Engine
from playground.engine.loaded import Tokenizer


class Decoder:
    """The growing text of one request in a model. Holds keys and values on the model's device until it is dropped."""

    def __init__(self, engine: Engine, reuse: bool = True) -> None:
        """`reuse`: begin with what was read of an earlier prompt, and keep this one for later.

        Through a tap nothing is kept or taken up: what a request has changed is nobody else's.
        """
        self._engine = engine
        self._reuse = reuse and not tap.is_open()
        # A prompt is read block by block: between blocks a Stop is heard, and whole blocks can be kept.
        self.block = 128 if engine.device.type == "cpu" else 512
        takes = accepted(engine.model)
        self._always = always(engine.model)
        self._cache_name = next((name for name in ("cache_params", "past_key_values") if name in takes), None)
        self._takes_positions = "position_ids" in takes
        self._fixed: dict[str, Any] = {}  # what each forward pass gets besides the new tokens
        self._n_read = 0  # tokens in the cache
        self._shares = False  # whether its next tokens can be read together with others'
        self._ids: Tensor | None = None  # the whole text, for the few models that keep no cache

    def start(self, ids: Tensor, stopped: Callable[[], bool], written: Sequence[int] = ()) -> Tensor | None:
        """Reads a prompt, (1, position), and what is written after it; returns the logits of what comes next.

        They are (vocabulary,). None when it was `stopped` on the way.
        """
        model, anatomy = self._engine.model, self._engine.anatomy
        after = torch.tensor([list(written)], dtype=torch.long, device=ids.device)
        if anatomy.kind == "seq2seq":
            return self._start_pair(ids, after)
        ids = torch.cat([ids, after], dim=1)
        if self._cache_name is None or not model._supports_default_dynamic_cache():
            self._ids = ids
            return self._forward(ids)
        cache = DynamicCache(config=model.config)
        self._fixed = {self._cache_name: cache, "use_cache": True}
        prompt = ids[0].tolist()
        if self._reuse:
            self._n_read = self._engine.prefixes.take(prompt, self.block, cache)
        block = ids.shape[1] if anatomy.is_recurrent else self.block  # a state is built in one go
        logits = None
        for piece in ids[:, self._n_read :].split(block, dim=1):
            if stopped():
                return None
            logits = self._forward(piece)
        if self._reuse:
            self._engine.prefixes.keep(prompt, self.block, cache)
        self._shares = can_share(cache)
        return logits

    def _start_pair(self, ids: Tensor, written: Tensor) -> Tensor:
        """Reads the text with the encoder, and what is written of the other text with the decoder."""
        model = self._engine.model
        encoded = model.get_encoder()(input_ids=ids, return_dict=True)
        cache = EncoderDecoderCache(DynamicCache(config=model.config), DynamicCache(config=model.config))
        self._fixed = {"encoder_outputs": encoded, "past_key_values": cache, "use_cache": True}
        self._takes_positions = False
        logits = self._forward(torch.cat([decoder_start(model, ids), written], dim=1))
        forced = model.generation_config.forced_bos_token_id
        if forced is not None and not written.numel():  # translation models begin with the target language
            logits = torch.full_like(logits, -torch.inf).index_fill(0, torch.tensor(forced, device=ids.device), 0)
        return logits

    @property
    def cache(self) -> DynamicCache | EncoderDecoderCache | None:
        """Keys, values and states of what was read; None where the model keeps none."""
        return self._fixed.get(self._cache_name or "past_key_values")

    def next(self, token: int) -> Tensor:
        """Adds one token and returns the logits of what comes after it, (vocabulary,)."""
        new = torch.tensor([[token]], device=self._engine.device)
        company = self._engine.company
        if company is not None and self._shares and not tap.is_open():
            logits = company.next(Wish(token, self._n_read, self.cache, lambda: self._pass(new)))
            self._n_read += 1
            return logits
        if self._ids is not None:
            new = self._ids = torch.cat([self._ids, new], dim=1)
        return self._forward(new)

    def _forward(self, ids: Tensor) -> Tensor:
        with self._engine.turns.take() if self._engine.turns else nullcontext():
            logits = self._pass(ids)
        self._n_read += ids.shape[1]
        return logits

    def _pass(self, ids: Tensor) -> Tensor:
        name = "decoder_input_ids" if self._engine.anatomy.kind == "seq2seq" else "input_ids"
        inputs = {name: ids} | self._fixed | self._always
        if self._takes_positions and self._ids is None:
            inputs["position_ids"] = torch.arange(self._n_read, self._n_read + ids.shape[1], device=ids.device)[None]
        return self._engine.model(**inputs).logits[0, -1]


def decoder_start(model: nn.Module, ids: Tensor) -> Tensor:
    """The id with which the decoder of an encoder-decoder begins, (1, 1)."""
    start = model.generation_config.decoder_start_token_id
    start = model.config.decoder_start_token_id if start is None else start
    return torch.full_like(ids[:, :1], start)


class TextStream:
    """Ids in, text out. A character that is spread over several tokens comes out with the last of them."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._fast = DecodeStream(skip_special_tokens=True) if tokenizer.is_fast else None
        self._ids: list[int] = []  # with a fast tokenizer, those whose text has not come yet
        self._shown = ""

    def add(self, token: int) -> str:
        """The text that this token completes."""
        self._ids.append(token)
        if self._fast is not None:
            return self._next(self._fast, token)
        text = self._tokenizer.decode(self._ids, skip_special_tokens=True)
        if text.endswith("\ufffd"):
            return ""
        new, self._shown = text[len(self._shown) :], text
        return new

    def _next(self, fast: DecodeStream, token: int) -> str:
        backend = self._tokenizer.backend_tokenizer
        try:
            text = fast.step(backend, token) or ""
        except Exception:  # bytes that are no character: with them, what was given before would read differently
            text = backend.decode(self._ids, skip_special_tokens=True)
            self._fast = DecodeStream([token], skip_special_tokens=True)  # it would refuse every token from now on
        if text:
            self._ids.clear()
        return text
