"""llama.cpp's server on this machine with the weights of a tiny Llama: a real peer that speaks OpenAI's protocol."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import tiny, tiny_gguf

NAME = "tiny-llama"


@dataclass(frozen=True)
class Llama:
    url: str  # up to and with /v1
    folder: Path  # the same weights for transformers
    key: str = ""

    @property
    def busy(self) -> bool:
        """Whether it is computing now."""
        slots = urllib.request.Request(f"{self.url.removesuffix('/v1')}/slots")
        slots.add_header("Authorization", f"Bearer {self.key}")
        with urllib.request.urlopen(slots, timeout=10) as answer:
            return any(slot["is_processing"] for slot in json.load(answer))


@contextmanager
def running(folder: Path, key: str = "", context: int = 40_000, endless: bool = False) -> Iterator[Llama]:
    """A server of one thread and one slot, which ends with the block. `endless`: replies end at their limit alone."""
    import xllamacpp

    model = tiny.save(folder / "llama", "llama", context=65536)
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(tiny_gguf.write(folder / "llama.gguf", model))
    parameters.model_alias = {NAME}
    parameters.n_ctx = context
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = 1
    parameters.sampling.ignore_eos = endless
    parameters.endpoint_slots = True
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    if key:
        parameters.api_keys = [key]
    server = xllamacpp.Server(parameters)
    try:
        yield Llama(f"{server.listening_address}/v1", model, key)
    finally:
        del server  # its end joins its threads
