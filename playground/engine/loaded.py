"""Names for what transformers hands out and only a running model can tell more of. They check nothing.

It does not know any architecture: which attributes these have depends on it.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

Tokenizer: TypeAlias = Any  # a `PreTrainedTokenizerBase`; its methods are declared to return all that they ever may
Config: TypeAlias = Any  # a `PretrainedConfig`
Output: TypeAlias = Any  # a `ModelOutput`
Forward: TypeAlias = Callable[..., Any]  # a module's forward, whose arguments are its own
