"""How a model makes one vector of a text: which states are pooled, how much it reads, what stands before each text.

It does not know where that was written down (`models/sentence.py`) and computes nothing.
"""

from dataclasses import dataclass
from typing import Literal

Pooling = Literal["mean", "cls", "max", "last"]


@dataclass(frozen=True)
class Recipe:
    """What sentence-transformers keeps beside the weights. The default is what a model without such files gets."""

    pooling: Pooling = "mean"  # over a text's tokens, special ones included
    max_tokens: int | None = None  # special tokens and prefix included; None: as much as the model reads
    query_prefix: str = ""  # stands before what is searched for
    passage_prefix: str = ""  # stands before what is found
    declared: bool = False  # the model's own files say so; otherwise it was not made for this
    unsupported: str = ""  # a part of the recipe that is not computed here, as a sentence; empty: all is
