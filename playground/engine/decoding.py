"""One forward pass a token: keys, values and states kept between passes; ids turned into text as they come.

It does not choose tokens.
"""

import inspect
from collections.abc import Callable, Sequence

import torch
from tokenizers.decoders import DecodeStream
from torch import Tensor
from transformers import DynamicCache, EncoderDecoderCache

from playground.engine.engine import Engine

_CHUNK = 512  # tokens of a prompt read at once: between chunks a Stop is heard


class Decoder:
    """The growing text of one request in a model. Holds keys and values on the model's device until it is dropped."""

    def __init__(self, engine: Engine, reuse: bool = True) -> None:
        """`reuse`: begin with what was read for an earlier text, and keep this one for later."""
        self._engine = engine
        self._reuse = reuse
        self._read: list[int] = []  # the ids whose keys and values are in the cache
        accepted = inspect.signature(engine.model.forward).parameters
        self._cache_name = "cache_params" if "cache_params" in accepted else "past_key_values"
        self._always = {"return_dict": True} | ({"logits_to_keep": 1} if "logits_to_keep" in accepted else {})
        self._fixed: dict = {}  # what each forward pass gets besides the new tokens
        self._ids: Tensor | None = None  # the whole text, for the few models that keep no cache

    def start(self, ids: Tensor, stopped: Callable[[], bool], written: Sequence[int] = ()) -> Tensor | None:
        """Reads a prompt, (1, position), and what is written after it; returns the logits of what comes next.

        They are (vocabulary,). None when it was `stopped` on the way.
        """
        model, anatomy = self._engine.model, self._engine.anatomy
        written = torch.tensor([list(written)], dtype=torch.long, device=ids.device)
        if anatomy.kind == "seq2seq":
            start = model.generation_config.decoder_start_token_id
            start = model.config.decoder_start_token_id if start is None else start
            encoded = model.get_encoder()(input_ids=ids, return_dict=True)
            cache = EncoderDecoderCache(DynamicCache(config=model.config), DynamicCache(config=model.config))
            self._fixed = {"encoder_outputs": encoded, "past_key_values": cache, "use_cache": True}
            logits = self._forward(torch.cat([torch.full_like(ids[:, :1], start), written], dim=1))
            forced = model.generation_config.forced_bos_token_id
            if forced is not None and not written.numel():  # translation models begin with the target language
                logits = torch.full_like(logits, -torch.inf).index_fill(0, torch.tensor(forced, device=ids.device), 0)
            return logits
        ids = torch.cat([ids, written], dim=1)
        if not model._supports_default_dynamic_cache():
            self._ids = ids
            return self._forward(ids)
        cache, n_read = DynamicCache(config=model.config), 0
        if self._reuse:
            cache, n_read = self._engine.prefixes.take(ids[0].tolist(), model.config)
        self._fixed = {self._cache_name: cache, "use_cache": True}
        self._read = ids[0, :n_read].tolist()
        chunk = ids.shape[1] if anatomy.is_recurrent else _CHUNK  # a state is built in one go
        logits = None
        for piece in ids[:, n_read:].split(chunk, dim=1):
            if stopped():
                return None
            logits = self._forward(piece)
            self._read += piece[0].tolist()
        return logits

    def next(self, token: int) -> Tensor:
        """Adds one token and returns the logits of what comes after it, (vocabulary,)."""
        new = torch.tensor([[token]], device=self._engine.device)
        if self._ids is not None:
            new = self._ids = torch.cat([self._ids, new], dim=1)
        logits = self._forward(new)
        self._read.append(token)
        return logits

    def finish(self) -> None:
        """Leaves what was read to the texts that continue this one. The decoder is of no use afterwards."""
        cache = self._fixed.pop(self._cache_name, None)
        if self._reuse and isinstance(cache, DynamicCache):
            self._engine.prefixes.keep(self._read, cache)

    def _forward(self, ids: Tensor) -> Tensor:
        name = "decoder_input_ids" if self._engine.anatomy.kind == "seq2seq" else "input_ids"
        return self._engine.model(**{name: ids}, **self._fixed, **self._always).logits[0, -1]


class TextStream:
    """Ids in, text out. A character that is spread over several tokens comes out with the last of them."""

    def __init__(self, tokenizer) -> None:
        self._tokenizer = tokenizer
        self._fast = DecodeStream(skip_special_tokens=True) if tokenizer.is_fast else None
        self._ids: list[int] = []
        self._shown = ""

    def add(self, token: int) -> str:
        """The text that this token completes."""
        if self._fast is not None:
            return self._fast.step(self._tokenizer.backend_tokenizer, token) or ""
        self._ids.append(token)
        text = self._tokenizer.decode(self._ids, skip_special_tokens=True)
        if text.endswith("\ufffd"):
            return ""
        new, self._shown = text[len(self._shown) :], text
        return new
