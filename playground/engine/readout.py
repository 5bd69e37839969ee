"""From a residual to logits: what the model would say if it stopped here.

Final norm once, unembedding, then the scaling and soft-capping that the architecture applies; for masked models the
head that stands before the unembedding. The check at loading compares it with the model's own logits.
"""

import torch
from torch import Tensor, nn

from playground.engine.engine import Engine
from playground.engine.loaded import Config
from playground.errors import PlaygroundError

_T5_KIN = ("t5", "umt5", "longt5", "switch_transformers")  # but not mT5
_MASKED_HEADS = ("cls", "lm_head", "predictions", "lm_predictions")


def read_out(engine: Engine, residual: Tensor) -> Tensor | None:
    """Logits, (..., vocabulary), of a residual after a block of the main stack, (..., hidden).

    None where the model has no unembedding.
    """
    if engine.anatomy.unembedding is None:
        return None
    residual = residual.to(engine.device, engine.dtype)
    with torch.inference_mode():
        if engine.anatomy.main.final_norm is not None:
            residual = engine.anatomy.main.final_norm(residual)
        if engine.anatomy.kind == "masked":
            return _masked_head(engine.model, residual)
        return _scaled(engine.model.config, engine.anatomy.unembedding, residual)


def logits_of(engine: Engine, residual: Tensor) -> Tensor:
    """As `read_out`, in float32.

    Raises:
        PlaygroundError: the model has no unembedding.
    """
    logits = read_out(engine, residual)
    if logits is None:
        raise PlaygroundError(f"{engine.reference} gives no probability to tokens. Pick a model that does.")
    return logits.float()


def _masked_head(model: nn.Module, hidden: Tensor) -> Tensor | None:
    if hasattr(model, "vocab_transform"):  # DistilBERT
        return model.vocab_projector(model.vocab_layer_norm(model.activation(model.vocab_transform(hidden))))
    if hasattr(model, "head") and hasattr(model, "decoder"):  # ModernBERT
        return model.decoder(model.head(hidden))
    if hasattr(model, "generator_predictions"):  # ELECTRA
        return model.generator_lm_head(model.generator_predictions(hidden))
    head = next((getattr(model, name) for name in _MASKED_HEADS if hasattr(model, name)), None)
    return None if head is None else head(hidden)


def _scaled(config: Config, unembedding: nn.Module, hidden: Tensor) -> Tensor:
    text = config.get_text_config(decoder=True)
    if config.model_type in _T5_KIN and getattr(config, "scale_decoder_outputs", config.tie_word_embeddings):
        hidden = hidden * config.d_model**-0.5
    logits = unembedding(hidden)
    logits = logits * getattr(text, "logit_scale", 1.0)  # Cohere
    logits = logits / getattr(text, "logits_scaling", 1.0)  # Granite
    cap = getattr(text, "final_logit_softcapping", None)  # Gemma 2
    return logits if not cap else cap * torch.tanh(logits / cap)
