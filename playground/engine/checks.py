"""Self-checks of a freshly loaded model: do the numbers that the page will show agree with the model's own?

Each runs on a few tokens, on the real weights, in the precision in use.
"""

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from playground.engine.engine import Check, Engine, dummy_inputs
from playground.engine.intervene import intervene
from playground.engine.observe import observe
from playground.engine.readout import read_out
from playground.engine.tap import Site

Outcome = tuple[bool | None, str]  # passed, or None where it does not apply; and what was found
_Inputs = dict[str, Tensor]
log = logging.getLogger(__name__)


def run_checks(engine: Engine) -> tuple[Check, ...]:
    """All self-checks. A check that cannot be computed has failed and says why."""
    inputs = dummy_inputs(engine.model, engine.anatomy, n_tokens=8)
    return tuple(_outcome(name, check, engine, inputs) for name, check in _CHECKS.items())


def reads_left_to_right(engine: Engine) -> bool:
    """Whether the model was seen to: some that transformers counts among causal ones read in both directions."""
    return any(check.name == CAUSALITY and check.passed is True for check in engine.checks)


def _outcome(name: str, check: Callable[[Engine, _Inputs], Outcome], engine: Engine, inputs: _Inputs) -> Check:
    try:
        return Check(name, *check(engine, inputs))
    except (RuntimeError, TypeError, ValueError, AttributeError, LookupError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        log.warning("self-check of %s", engine.reference, exc_info=True)
        return Check(name, False, f"It could not be computed: {error}.")


def _tolerance(engine: Engine) -> float:
    """How far rounding alone can take a sum of weights from 1, or a logit from its twin, relative to its size."""
    return 64 * torch.finfo(engine.dtype).eps if engine.dtype == torch.float32 else 4 * torch.finfo(engine.dtype).eps


def _rows_sum_to_one(engine: Engine, inputs: _Inputs) -> Outcome:
    if not engine.attention_sites:
        return None, f"{engine.anatomy.architecture} shows no attention maps."
    seen = observe(engine, inputs, engine.attention_sites)
    sums = torch.cat([weights.sum(-1).flatten() for weights in seen.attentions.values()])
    worst = (sums - 1).abs().max().item()
    has_sinks = any(hasattr(m, "sinks") for m in engine.model.modules())
    if has_sinks:
        return bool((sums <= 1 + _tolerance(engine)).all()), "Learned sinks take part of each row."
    return worst <= _tolerance(engine), f"{len(seen.attentions)} maps, largest deviation {worst:.1e}."


def _readout_is_logits(engine: Engine, inputs: _Inputs) -> Outcome:
    site = Site(engine.anatomy.main.name, engine.anatomy.n_layers - 1, "block")
    seen = observe(engine, inputs, residual_layers=[site.layer])
    last = seen.residuals[site]
    own = None if engine.anatomy.kind == "classifier" else seen.logits
    logits = None if own is None else read_out(engine, last)
    if own is None or logits is None:
        return None, "This model has no unembedding."
    if logits.shape != own.shape:
        return False, f"Shapes differ: {tuple(logits.shape)} and {tuple(own.shape)}."
    worst = (logits.float().cpu() - own).abs().max().item() / own.abs().max().item()
    return worst <= _tolerance(engine), f"Largest difference {worst:.1e} of the largest logit."


def _identity_patch(engine: Engine, inputs: _Inputs) -> Outcome:
    site = Site(engine.anatomy.main.name, engine.anatomy.n_layers // 2, "block")
    original = observe(engine, inputs, residual_layers=[site.layer]).residuals[site]
    with torch.inference_mode():
        plain = engine.model(**inputs)[0]
        with intervene(engine, residuals={site: lambda residual: original.to(residual)}):
            patched = engine.model(**inputs)[0]
        with intervene(engine, residuals={site: torch.zeros_like}):
            zeroed = engine.model(**inputs)[0]
    if torch.equal(plain, zeroed):
        return False, "A residual of zeros changed nothing either: the patch does not reach the model."
    same = torch.equal(plain, patched)
    return same, f"Layer {site.layer}: " + ("bit for bit the same output." if same else "output differs.")


def _causality(engine: Engine, inputs: _Inputs) -> Outcome:
    if engine.anatomy.kind != "causal":
        return None, "This model reads in both directions, or is an encoder-decoder."
    ids = inputs["input_ids"]
    other = ids.clone()
    other[0, -1] = (other[0, -1] + 1) % engine.anatomy.vocabulary_size
    seen = [observe(engine, {"input_ids": i}).logits for i in (ids, other)]
    first, second = (logits[0] for logits in seen if logits is not None)
    size = first.abs().max().item() or 1
    worst = (first[:-1] - second[:-1]).abs().max().item() / size
    if torch.equal(first[-1], second[-1]):
        return False, "The last token changed nothing at all."
    return worst <= _tolerance(engine), f"Largest difference {worst:.1e} of the largest logit."


CAUSALITY = "A later token changes nothing before it"
_CHECKS: dict[str, Callable[[Engine, _Inputs], Outcome]] = {
    "Attention rows sum to 1": _rows_sum_to_one,
    "Last residual, read out, equals the logits": _readout_is_logits,
    "Putting a residual back changes nothing": _identity_patch,
    CAUSALITY: _causality,
}
