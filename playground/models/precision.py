"""The precision in which an empty model is made, for the thread that makes it alone.

transformers changes torch's default precision meanwhile, which is that of the whole process: what other requests made
of plain numbers at that moment would be rounded, or not fit the rest. Here the thread that makes the model has a
default of its own, by the means with which torch has a default device for each thread. Tensors of the old kind
(`torch.Tensor(2, 3)`) do not heed it: a model that brings its own code is made as transformers does. It does not know
what is made.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from types import UnionType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from transformers import modeling_utils

_CASTS = (Tensor.float, Tensor.to, Tensor.type, Tensor.view, torch.from_numpy)  # they say themselves what they make
_COPIES = (torch.tensor, torch.as_tensor, torch.asarray)  # alone take their precision from a number of numpy's


class _OwnDefault(TorchFunctionMode):
    """Gives what would come in the default precision of all in another one: the last of some."""

    def __init__(self, dtypes: Sequence[torch.dtype]) -> None:
        super().__init__()
        self._dtypes = dtypes

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
        numbers = np.ndarray | np.inexact if func in _COPIES else np.ndarray
        if kwargs.get("dtype") is not None or any(_has_precision(each, numbers) for each in (*args, *kwargs.values())):
            return made
        return made.to(self._dtypes[-1])


def _has_precision(given: object, numbers: type | UnionType) -> bool:
    """Whether a result takes its precision from this argument. numbers: those of numpy's from which it does."""
    if isinstance(given, list | tuple):
        return any(_has_precision(each, numbers) for each in given)
    if isinstance(given, Tensor):
        return given.is_floating_point() or given.is_complex()
    return isinstance(given, numbers)


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
            with _OwnDefault(own) if len(own) == 1 else nullcontext():
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
