"""Where an architecture keeps its blocks, heads, final norm and unembedding.

Read off the loaded model's own modules and config, so that a new architecture needs no entry here. It does not know
how the parts are watched (`tap`) or what they compute.
"""

from dataclasses import dataclass
from typing import Literal

from torch import nn

from playground.engine.loaded import Config, Tokenizer

Kind = Literal["causal", "masked", "seq2seq", "classifier", "encoder"]
_FINAL_NORMS = (
    *("norm", "ln_f", "final_layer_norm", "final_layernorm", "norm_f", "final_norm", "ln_out", "layer_norm"),
    *("layernorm", "emb_layer_norm_after", "embedding_norm"),  # CTRL, ESM, LFM2
)


@dataclass(frozen=True)
class Stack:
    """One tower of blocks. `final_norm` stands after the last block; None where the architecture has none."""

    name: Literal["encoder", "decoder"]
    blocks: tuple[nn.Module, ...]
    final_norm: nn.Module | None


@dataclass(frozen=True)
class Anatomy:
    kind: Kind
    architecture: str  # model_type, as in config.json
    stacks: tuple[Stack, ...]  # encoder before decoder
    unembedding: nn.Module | None  # residual -> logits, (vocabulary, hidden)
    hidden_size: int
    vocabulary_size: int
    n_heads: int | None  # None: no attention
    n_kv_heads: int | None
    context_length: int | None  # tokens; None: no limit of its own
    is_recurrent: bool  # keeps a state instead of, or beside, keys and values: Mamba, RWKV and hybrids

    @property
    def writes(self) -> bool:
        """Whether it generates text."""
        return self.kind in ("causal", "seq2seq")

    @property
    def main(self) -> Stack:
        """The stack whose end is read: the decoder where there is one."""
        return self.stacks[-1]

    @property
    def n_layers(self) -> int:
        return len(self.main.blocks)


def read(model: nn.Module, tokenizer: Tokenizer, kind: Kind) -> Anatomy:
    """The anatomy of a transformers `PreTrainedModel`.

    Raises:
        LookupError: the blocks are not where any known architecture keeps them, or its config names no width.
    """
    config = model.config.get_text_config(decoder=True)
    stacks: tuple[Stack, ...]
    if kind == "seq2seq":
        stacks = (_stack(model.get_encoder(), "encoder"), _stack(model.get_decoder(), "decoder"))
    else:
        stacks = (_stack(model.base_model, "decoder" if kind == "causal" else "encoder"),)
    layer_types = set(getattr(config, "layer_types", None) or ())
    recurrent = bool(layer_types - {"full_attention", "sliding_attention", "chunked_attention"})
    hidden_size = _first(config, "hidden_size", "d_model", "n_embd", "dim")
    if hidden_size is None:
        raise LookupError(f"no width of the residual in {type(config).__name__}")
    n_heads = _first(config, "num_attention_heads", "n_head", "num_heads", "n_heads")
    if recurrent and not any("attention" in t and t != "linear_attention" for t in layer_types):
        n_heads = None
    return Anatomy(
        kind=kind,
        architecture=model.config.model_type,
        stacks=stacks,
        unembedding=model.get_output_embeddings(),
        hidden_size=hidden_size,
        vocabulary_size=config.vocab_size,
        n_heads=n_heads,
        n_kv_heads=(_first(config, "num_key_value_heads") or n_heads) if n_heads else None,
        context_length=_context_length(config, tokenizer),
        is_recurrent=recurrent or "ssm" in type(config).__name__.lower(),
    )


def _stack(root: nn.Module, name: Literal["encoder", "decoder"]) -> Stack:
    """The longest list of like blocks under `root`, and the norm that follows it."""
    lists = [(m, parent) for parent in root.modules() for m in parent.children() if isinstance(m, nn.ModuleList)]
    if not lists:
        raise LookupError(f"no list of blocks in {type(root).__name__}")
    blocks, parent = max(lists, key=lambda pair: sum(p.numel() for p in pair[0].parameters()))
    children = dict(parent.named_children())
    norm = next((children[n] for n in _FINAL_NORMS if n in children), None)
    return Stack(name, tuple(blocks), norm)


def _first(config: Config, *names: str) -> int | None:
    return next((getattr(config, n) for n in names if isinstance(getattr(config, n, None), int)), None)


def _context_length(config: Config, tokenizer: Tokenizer) -> int | None:
    limits = []
    positions = _first(config, "max_position_embeddings", "n_positions", "max_seq_len")
    if (
        positions and config.model_type != "t5"
    ):  # T5's positions are relative: n_positions is only what it was trained on
        # RoBERTa and its kin start counting positions behind the padding id
        shifted = config.model_type in ("roberta", "xlm-roberta", "camembert", "longformer", "mpnet", "esm")
        limits.append(positions - (config.pad_token_id + 1 if shifted else 0))
    if 0 < tokenizer.model_max_length < 10**7:
        limits.append(tokenizer.model_max_length)
    return min(limits, default=None)
