"""The precision in which an empty model is made, for the thread that makes it alone.

transformers changes torch's default precision meanwhile, which is that of the whole process: what other requests made
of plain numbers at that moment would be rounded, or not fit the rest. Here the thread that makes the model has a
default of its own, by the means with which torch has a default device for each thread. It does not know what is made.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from transformers import modeling_utils

_CASTS = (Tensor.float, Tensor.to, Tensor.type, Tensor.view, torch.from_numpy)  # they say themselves what they make


class _OwnDefault(TorchFunctionMode):
    """Gives what would come in the default precision of all in another one."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self._dtype = dtype

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        made = func(*args, **kwargs)
        if not isinstance(made, Tensor) or made.dtype != torch.float32 or func in _CASTS:
            return made
        if kwargs.get("dtype") is not None or any(map(_has_precision, (*args, *kwargs.values()))):
            return made
        return made.to(self._dtype)


def _has_precision(given: object) -> bool:
    """Whether a result takes its precision from this argument."""
    if isinstance(given, list | tuple):
        return any(map(_has_precision, given))
    if isinstance(given, Tensor):
        return given.is_floating_point() or given.is_complex()
    return hasattr(given, "__array__")  # numpy's


@contextmanager
def of_this_thread() -> Iterator[None]:
    """While it lasts, transformers leaves the process's default precision alone. One at a time."""
    before, asked, owner = modeling_utils.local_torch_dtype, torch.get_default_dtype, threading.get_ident()
    own: list[torch.dtype] = []

    @contextmanager
    def instead(dtype: torch.dtype, *_: object, **__: object) -> Iterator[None]:
        if not dtype.is_floating_point:
            raise ValueError(f"A model cannot be made in {dtype}.")
        own.append(dtype)
        try:
            with _OwnDefault(dtype):
                yield
        finally:
            own.pop()

    def default() -> torch.dtype:
        return own[-1] if own and threading.get_ident() == owner else asked()

    modeling_utils.local_torch_dtype, torch.get_default_dtype = instead, default
    try:
        yield
    finally:
        modeling_utils.local_torch_dtype, torch.get_default_dtype = before, asked
