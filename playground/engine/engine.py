"""Engine: one loaded model, its tokenizer, its anatomy. Shared by everyone who has leased it.

Nothing that a request does changes an Engine: what a request wants to see or edit travels with the request (`tap`).
It does not know where its files came from or who holds it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from playground.allowance import Allowance, Tally
from playground.engine import anatomy as anatomies
from playground.engine import parts as all_parts
from playground.engine import tap
from playground.engine.anatomy import Anatomy, Kind
from playground.engine.company import Company, accepted
from playground.engine.loaded import Output, Tokenizer
from playground.engine.parts import Part
from playground.engine.prefixes import Prefixes
from playground.engine.recipe import Recipe
from playground.engine.tap import Site, SiteKind, StackName
from playground.engine.turns import Turns
from playground.errors import PlaygroundError


@dataclass(frozen=True)
class Check:
    """One self-check of a loaded model. `passed` is None where it does not apply."""

    name: str
    passed: bool | None
    detail: str


@dataclass(frozen=True, eq=False)
class Engine:
    model: nn.Module  # transformers PreTrainedModel in eval mode; never edited
    tokenizer: Tokenizer  # transformers PreTrainedTokenizerBase
    anatomy: Anatomy
    attention_sites: tuple[Site, ...]  # where attention maps can be recorded; empty: this architecture offers none
    attention_edits: bool  # whether the maps can be changed too; not where the model computes them out of our reach
    reference: str
    revision: str
    device: torch.device
    dtype: torch.dtype
    precision: str  # of the weights: "int8", or the name of `dtype`
    n_bytes: int  # held by the weights and buffers
    prefixes: Prefixes  # what it has read lately; changes how fast it answers, not what
    parts: Mapping[Site, Part] = field(default_factory=dict)  # what of its blocks can be watched and changed, and where
    turns: Turns | None = None  # of those who write on one CPU; None: no need to wait for each other
    company: Company | None = None  # those who do, and can be read together; None: everybody goes alone
    checks: tuple[Check, ...] = ()
    sentence: Recipe = field(default_factory=Recipe)  # how it makes one vector of a text
    allowance: Allowance = field(default_factory=Allowance)  # what one request may ask of it
    written: Tally = field(default_factory=Tally)  # tokens so far; it may be shared with other models

    def encode(self, text: str, add_special_tokens: bool = True) -> Tensor:
        """Token ids of `text`, (1, position), on the model's device.

        Raises:
            PlaygroundError: the text has no tokens, or more than the model reads at once.
        """
        ids = self.tokenizer(text, add_special_tokens=add_special_tokens, return_tensors="pt", verbose=False).input_ids
        if ids.shape[1] == 0:
            raise PlaygroundError("There is no text to read. Type something first.")
        self.check_fits(ids.shape[1])
        return ids.to(self.device, torch.long)

    def check_fits(self, n_tokens: int) -> None:
        """Raises PlaygroundError when `n_tokens` are more than the model reads at once, or may be given."""
        self.allowance.check_prompt(n_tokens)
        limit = self.anatomy.context_length
        if limit is not None and n_tokens > limit:
            raise PlaygroundError(
                f"This text is {n_tokens:,} tokens long and {self.reference} reads at most {limit:,}. "
                f"Shorten it by {n_tokens - limit:,} tokens; nothing was cut."
            )


def assemble(
    model: nn.Module,
    tokenizer: Tokenizer,
    kind: Kind,
    reference: str,
    revision: str,
    precision: str | None = None,
    prefix_budget: int = 0,
    turns: Turns | None = None,
) -> Engine:
    """An Engine around a loaded model: reads its anatomy and puts the taps in, once.

    `prefix_budget`: bytes that keys and values of earlier texts may hold.

    Raises:
        PlaygroundError: the architecture cannot be read.
    """
    model.eval().requires_grad_(False)
    try:
        anatomy = anatomies.read(model, tokenizer, kind)
    except (LookupError, AttributeError, NotImplementedError) as error:
        raise PlaygroundError(
            f"{reference} has an architecture that this playground cannot read ({error}). Pick another model."
        ) from error
    for stack in anatomy.stacks:
        for layer, block in enumerate(stack.blocks):
            tap.watch_block(block, Site(stack.name, layer, "block"))
    tapped = _tap_attention(model, anatomy)
    parameter = next(model.parameters())
    return Engine(
        model=model,
        tokenizer=tokenizer,
        anatomy=anatomy,
        attention_sites=tapped or _returned_attention(model, anatomy),
        attention_edits=bool(tapped),
        reference=reference,
        revision=revision,
        device=parameter.device,
        dtype=parameter.dtype,
        precision=precision or str(parameter.dtype).removeprefix("torch."),
        prefixes=Prefixes(prefix_budget),
        parts=all_parts.find(model, anatomy, dummy_inputs(model, anatomy)),
        turns=turns,
        company=Company(model, turns) if turns and tapped and _grows_by_rows(model, anatomy) else None,
        n_bytes=sum(t.numel() * t.element_size() for t in [*model.parameters(), *model.buffers()]),
    )


def _grows_by_rows(model: nn.Module, anatomy: Anatomy) -> bool:
    """Whether a new token needs nothing of its text but keys, values and its position."""
    plain = anatomy.kind == "causal" and not anatomy.is_recurrent
    return plain and {"position_ids", "past_key_values"} <= accepted(model)


def _tap_attention(model: nn.Module, anatomy: Anatomy) -> tuple[Site, ...]:
    """Runs two tokens through the model and marks the attention modules that came by."""
    called: dict[nn.Module, None] = {}
    with torch.inference_mode(), tap.open_tap(tap.Tap(calls=lambda module: called.setdefault(module))):
        model(**dummy_inputs(model, anatomy))
    names = {module: name.lower() for name, module in model.named_modules()}
    sites = []
    for stack in anatomy.stacks:
        for layer, block in enumerate(stack.blocks):
            inside = set(block.modules())
            for module in called:
                if module in inside:
                    crosses = any(word in names[module] for word in ("cross", "encdec", "encoder_attn"))
                    site = Site(stack.name, layer, "cross" if crosses else "self")
                    tap.mark(module, site)
                    sites.append(site)
    return tuple(sites)


def _returned_attention(model: nn.Module, anatomy: Anatomy) -> tuple[Site, ...]:
    """The sites of a model that computes attention in code of its own but hands the maps out when asked."""
    with torch.inference_mode():
        try:
            output = model(**dummy_inputs(model, anatomy), output_attentions=True)
        except (TypeError, ValueError):  # it knows no such option
            return ()
    return tuple(returned_maps(anatomy, output))


def returned_maps(anatomy: Anatomy, output: Output) -> dict[Site, Tensor]:
    """The attention maps, (batch, head, query, key), in a model's output; none where it holds no whole set of them."""
    names: dict[tuple[StackName, SiteKind], str] = {
        ("encoder", "self"): "encoder_attentions",
        ("decoder", "cross"): "cross_attentions",
    }
    if anatomy.kind == "seq2seq":
        names["decoder", "self"] = "decoder_attentions"
    else:
        names = {(anatomy.main.name, "self"): "attentions"}
    found: dict[Site, Tensor] = {}
    for (stack, kind), name in names.items():
        maps = output.get(name) or ()
        if len(maps) != anatomy.n_layers or any(m is None or m.dim() != 4 for m in maps):
            continue
        found |= {Site(stack, layer, kind): weights for layer, weights in enumerate(maps)}
    return found


def dummy_inputs(model: nn.Module, anatomy: Anatomy, n_tokens: int = 2) -> dict[str, Tensor]:
    """The smallest input of `n_tokens` that runs the whole model once."""
    ids = torch.arange(n_tokens, device=next(model.parameters()).device)[None] % anatomy.vocabulary_size
    return {"input_ids": ids} | ({"decoder_input_ids": ids} if anatomy.kind == "seq2seq" else {})
