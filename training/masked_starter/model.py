"""The network: the body of all-MiniLM-L6-v2 under BERT's head for masked pieces.

It knows how to begin and how to ask at masked places only; not how it is trained.
"""

from pathlib import Path

import torch
from transformers import BertConfig, BertForMaskedLM

from playground.models import masked
from training.masked_starter.batches import Batch


def begin(body: Path, unigram: torch.Tensor) -> BertForMaskedLM:
    """The wheel's body and a head that knows how frequent each piece is, and nothing else.

    Args:
        body: the folder of all-MiniLM-L6-v2.
        unigram: (vocabulary,) how often each piece stands in the training text.
    """
    config = BertConfig.from_pretrained(body, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model = BertForMaskedLM(config)
    model.set_attn_implementation("eager")  # on passages this short the way back through SDPA takes twice as long
    missing, _ = model.load_state_dict(masked.body(body), strict=False)
    if any(name.startswith("bert.") for name in missing):
        raise ValueError(f"The wheel's file lacks {missing}: is it another version?")
    head = model.cls.predictions
    with torch.no_grad():
        head.transform.dense.weight.copy_(torch.eye(config.hidden_size))
        head.transform.dense.bias.zero_()
        counted = unigram.double() + 0.1
        head.bias.copy_((counted / counted.sum()).log().float())
    return model


def answers(model: BertForMaskedLM, batch: Batch) -> torch.Tensor:
    """(asked, vocabulary) logits at the asked places alone: the others' would cost most of the time."""
    mask = None if bool(batch.attended.all()) else batch.attended.long()
    hidden = model.bert(input_ids=batch.ids, attention_mask=mask).last_hidden_state
    return model.cls(hidden[batch.masked])
