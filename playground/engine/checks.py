"""Self-checks of a freshly loaded model: do the numbers that the page will show agree with the model's own?

Each runs on a few tokens, on the real weights, in the precision in use.
"""

import torch

from playground.engine.engine import Check, Engine, dummy_inputs
from playground.engine.intervene import intervene
from playground.engine.observe import Observation, observe
from playground.engine.readout import read_out
from playground.engine.tap import Site


def run_checks(engine: Engine) -> tuple[Check, ...]:
    """All self-checks. A check that cannot be computed has failed and says why."""
    inputs = dummy_inputs(engine.model, engine.anatomy, n_tokens=8)
    layers = range(max(len(stack.blocks) for stack in engine.anatomy.stacks))
    seen = observe(engine, inputs, engine.attention_sites, layers)
    return (_rows_sum_to_one(engine, seen), _readout_is_logits(engine, seen), _identity_patch(engine, inputs))


def _tolerance(engine: Engine) -> float:
    """How far rounding alone can take a sum of weights from 1, or a logit from its twin, relative to its size."""
    return 64 * torch.finfo(engine.dtype).eps if engine.dtype == torch.float32 else 4 * torch.finfo(engine.dtype).eps


def _rows_sum_to_one(engine: Engine, seen: Observation) -> Check:
    name = "Attention rows sum to 1"
    if not engine.attention_sites:
        return Check(name, None, f"{engine.anatomy.architecture} shows no attention maps.")
    sums = torch.cat([weights.sum(-1).flatten() for weights in seen.attentions.values()])
    worst = (sums - 1).abs().max().item()
    has_sinks = any(hasattr(m, "sinks") for m in engine.model.modules())
    if has_sinks:
        return Check(name, bool((sums <= 1 + _tolerance(engine)).all()), "Learned sinks take part of each row.")
    return Check(name, worst <= _tolerance(engine), f"{len(seen.attentions)} maps, largest deviation {worst:.1e}.")


def _readout_is_logits(engine: Engine, seen: Observation) -> Check:
    name = "Last residual, read out, equals the logits"
    last = seen.residuals[Site(engine.anatomy.main.name, engine.anatomy.n_layers - 1, "block")]
    logits = None if seen.logits is None or engine.anatomy.kind == "classifier" else read_out(engine, last)
    if logits is None:
        return Check(name, None, "This model has no unembedding.")
    if logits.shape != seen.logits.shape:
        return Check(name, False, f"Shapes differ: {tuple(logits.shape)} and {tuple(seen.logits.shape)}.")
    worst = (logits.float().cpu() - seen.logits).abs().max().item() / seen.logits.abs().max().item()
    return Check(name, worst <= _tolerance(engine), f"Largest difference {worst:.1e} of the largest logit.")


def _identity_patch(engine: Engine, inputs: dict) -> Check:
    name = "Putting a residual back changes nothing"
    site = Site(engine.anatomy.main.name, engine.anatomy.n_layers // 2, "block")
    original = observe(engine, inputs, residual_layers=[site.layer]).residuals[site]
    with torch.inference_mode():
        plain = engine.model(**inputs)[0]
        with intervene(residuals={site: lambda residual: original.to(residual)}):
            patched = engine.model(**inputs)[0]
        with intervene(residuals={site: torch.zeros_like}):
            zeroed = engine.model(**inputs)[0]
    if torch.equal(plain, zeroed):
        return Check(name, False, "A residual of zeros changed nothing either: the patch does not reach the model.")
    same = torch.equal(plain, patched)
    return Check(name, same, f"Layer {site.layer}: " + ("bit for bit the same output." if same else "output differs."))
