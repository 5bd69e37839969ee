"""ZeroGPU: on such a Space whatever runs a model is handed to `spaces`, which runs it in a process that has a GPU.

What crosses between the processes is pickled, so components go by their number, and of a request only its session. A
model that was loaded in that process is gone with it: those that were made ready at start are there, others are loaded
anew. Stop ends the call, and with it the process's work. It does not know what is computed.
"""

import functools
import importlib
import inspect
import os
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.blocks import Block

from playground.serving.visit import WORK

SECONDS = 120  # that one call may have the GPU


def is_here() -> bool:
    """Whether this is a ZeroGPU Space: nothing but what was handed over has a GPU then."""
    return bool(os.environ.get("SPACES_ZERO_GPU"))


def hand_over(blocks: gr.Blocks) -> int:
    """Hands every event that runs a model to `spaces`, on a ZeroGPU Space; returns how many. Elsewhere none."""
    if not is_here():
        return 0
    on_gpu = importlib.import_module("spaces").GPU
    functions = [function for function in blocks.fns.values() if function.concurrency_id in WORK and function.fn]
    for function in functions:
        function.fn = _handed_over(function, blocks, on_gpu)
    return len(functions)


def _handed_over(function: BlockFunction, blocks: gr.Blocks, on_gpu: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, of which the work is done by what `on_gpu` makes of it."""
    work = function.fn
    assert work is not None  # `hand_over` takes no others

    if inspect.isgeneratorfunction(work):

        def stream(*packed: Any) -> Iterator[Any]:
            for value in work(*_unpacked(packed, blocks)):
                yield _packed(value)

        run = on_gpu(duration=SECONDS)(stream)

        @functools.wraps(work)
        def streamed(*values: Any) -> Iterator[Any]:
            results = run(*_packed(values))
            try:
                for value in results:
                    yield _unpacked(value, blocks)
            finally:
                results.close()

        return streamed

    def answer(*packed: Any) -> Any:
        return _packed(work(*_unpacked(packed, blocks)))

    run = on_gpu(duration=SECONDS)(answer)

    @functools.wraps(work)
    def answered(*values: Any) -> Any:
        return _unpacked(run(*_packed(values)), blocks)

    return answered


class _Component(int):
    """The number of a component, in its place."""


def _packed(value: Any) -> Any:
    """A value in which components and requests stand as what can be pickled."""
    if isinstance(value, Block):
        return _Component(value._id)
    if isinstance(value, gr.Request):
        return SimpleNamespace(session_hash=value.session_hash, username=getattr(value, "username", None))
    if type(value) is dict:
        return {_packed(key): _packed(each) for key, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_packed, value))
    return value


def _unpacked(value: Any, blocks: gr.Blocks) -> Any:
    if isinstance(value, _Component):
        return blocks.blocks[int(value)]
    if type(value) is dict:
        return {_unpacked(key, blocks): _unpacked(each, blocks) for key, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_unpacked(each, blocks) for each in value)
    return value
