"""Files on disk -> Engine, on the right device in the right precision, checked.

It does not know how the files got there or who keeps the Engine.
"""

import dataclasses
import logging
import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
import transformers
from torch import nn
from transformers.models.auto import modeling_auto as auto

from playground import heap
from playground.engine import engine as engines
from playground.engine import int8, joint, quick, rows
from playground.engine.anatomy import Kind
from playground.engine.checks import run_checks
from playground.engine.engine import Check, Engine
from playground.engine.memory import out_of_memory
from playground.engine.tap import ATTENTION
from playground.errors import PlaygroundError
from playground.models import precision as precisions
from playground.models import sentence, weights
from playground.models.machine import Machine
from playground.models.sources import Files, Report, parse
from playground.settings import Settings

log = logging.getLogger(__name__)

# While transformers builds a model it swaps functions of torch and of its own for the whole process: of two models
# built at the same time, one is left without weights.
_ONE_AT_A_TIME = threading.Lock()

_AUTO_CLASSES: dict[Kind, type] = {
    "causal": transformers.AutoModelForCausalLM,
    "masked": transformers.AutoModelForMaskedLM,
    "seq2seq": transformers.AutoModelForSeq2SeqLM,
    "classifier": transformers.AutoModelForSequenceClassification,
    "encoder": transformers.AutoModel,
}


@heap.large_blocks_apart()
def load(
    files: Files,
    settings: Settings,
    machine: Machine,
    report: Report,
    fill: Callable[[nn.Module, Report], None] | None = None,
) -> Engine:
    """Loads the model and its tokenizer and runs the self-checks.

    Args:
        fill: writes other weights into the loaded model, before it is made quicker and before it is checked.

    Raises:
        PlaygroundError: the files cannot be made into a model.
        torch.OutOfMemoryError: the device is full; the cache knows what to do.
    """
    transformers.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    kind = kind_of(files.config)
    precision = parse(files.reference).precision or str(machine.dtype).removeprefix("torch.")
    if precision == "int8" and machine.device.type != "cpu":
        raise PlaygroundError("int8 makes CPUs faster and is not made for GPUs here. Choose another precision.")
    dtype = torch.bfloat16 if precision == "int8" else getattr(torch, precision)
    trusted = {"trust_remote_code": settings.remote_code, "local_files_only": True}
    try:
        report(None, "Reading the tokenizer")
        tokenizer = transformers.AutoTokenizer.from_pretrained(files.folder, **trusted)
        if _ONE_AT_A_TIME.locked():
            report(None, "Waiting until another model is loaded")
        with _ONE_AT_A_TIME:
            report(None, f"Loading weights on {machine.device}")
            its_own_code = settings.remote_code and "auto_map" in files.config
            with nullcontext() if its_own_code else precisions.of_this_thread():
                model, info = _weights(_AUTO_CLASSES[kind], files, dtype, trusted)
        if files.adapters:
            report(None, "Adding what the adapters add")
            weights.add_adapters(model, files)
        if fill is not None:
            fill(model, report)
        if precision == "int8":
            report(None, "Rounding the weights to 8 bits")
            int8.quantize(model)
        rows.quicken(model, _products(machine, dtype))
        model = model.to(machine.device)
        budget = settings.conversation_memory
        engine = engines.assemble(
            model, tokenizer, kind, files.reference, files.revision, precision, budget, machine.turns
        )
        if machine.device.type == "cpu":
            inputs = engines.dummy_inputs(model, engine.anatomy)
            joint.unite(model, lambda: model(**inputs), (rows.RowLinear, int8.Int8Linear))
            if kind == "causal":
                tokens = engines.dummy_inputs(model, engine.anatomy, 6)["input_ids"]
                quick.quicken(model, engine.anatomy.main.blocks, tokens)
        report(None, "Checking that its numbers agree")
        checks = (_all_weights_present(info), *run_checks(engine))
        return dataclasses.replace(engine, checks=checks, sentence=sentence.read(files.folder, files.reference))
    except PlaygroundError:
        raise
    except Exception as error:  # transformers raises anything at all for files that do not fit together
        if out_of_memory(error):
            raise
        log.warning("loading %s failed", files.reference, exc_info=True)
        raise PlaygroundError(
            f"{files.reference} could not be loaded: {_first_sentence(error)}. "
            "Its files may be damaged or made for other software; fetch it again or pick another model."
        ) from error


def _products(machine: Machine, dtype: torch.dtype) -> tuple[rows.Product, ...]:
    """How few rows are multiplied; in a precision that was not measured, as usual where that serves."""
    return machine.products if dtype == machine.dtype or not machine.products else (rows.USUAL,)


def _weights(
    auto_class: Any, files: Files, dtype: torch.dtype, trusted: dict[str, Any]
) -> tuple[nn.Module, dict[str, Any]]:
    """The model and transformers' account of what was in the files."""

    def from_files(attention: str) -> tuple[nn.Module, dict[str, Any]]:
        return auto_class.from_pretrained(
            files.folder,
            dtype=dtype,
            attn_implementation=attention,
            use_safetensors=True,
            output_loading_info=True,
            **trusted,
        )

    try:
        model, info = from_files(ATTENTION)
        if model._supports_sdpa or model._supports_attention_backend:
            return model, info
    except KeyError as error:  # older architectures look their attention up in a table of their own
        if ATTENTION not in str(error):
            raise
    return from_files("eager")  # their own code wants the masks of eager attention


def kind_of(config: dict[str, Any]) -> Kind:
    """What a model was made for, by its config.json."""
    names = " ".join(config.get("architectures") or ())
    endings: tuple[tuple[Kind, tuple[str, ...]], ...] = (
        ("masked", ("ForMaskedLM", "BertForPreTraining")),
        ("classifier", ("ForSequenceClassification",)),
        ("seq2seq", ("ForConditionalGeneration", "ForSeq2SeqLM", "MTModel")),
        ("causal", ("ForCausalLM", "LMHeadModel")),
    )
    kind = next((kind for kind, marks in endings if any(mark in names for mark in marks)), None)
    model_type = config.get("model_type")
    if kind == "seq2seq" and model_type not in auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES:
        return "causal"  # "ConditionalGeneration" of a decoder that is conditioned on pictures
    if kind or names:
        return kind or "encoder"
    if model_type in auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES:
        return "seq2seq"
    if model_type in auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        return "masked"
    return "causal" if model_type in auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES else "encoder"


def _all_weights_present(info: dict[str, Any]) -> Check:
    name = "Every weight came from the files"
    absent = sorted({*info["missing_keys"], *(key[0] for key in info["mismatched_keys"])})
    if not absent:
        return Check(name, True, "None had to be made up.")
    return Check(name, False, f"{len(absent)} are random, {absent[0]} among them: what depends on them means nothing.")


def _first_sentence(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
