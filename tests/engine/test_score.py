"""Scores against one plain forward pass of transformers on the same ids."""

import numpy as np
import pytest
import torch

from playground.engine.score import score
from playground.errors import PlaygroundError
from tests import tiny


@pytest.mark.parametrize("chunk", [256, 5])
@pytest.mark.parametrize("architecture", ["gpt2", "llama", "gemma2", "qwen2", "t5", "mamba"])
def test_scores_are_those_of_a_plain_forward_pass(architecture, chunk, monkeypatch):
    monkeypatch.setattr("playground.engine.score._CHUNK", chunk)
    engine = tiny.engine(architecture)
    generator = torch.Generator().manual_seed(0)
    prompt, written = (torch.randint(5, 300, (1, n), generator=generator) for n in (9, 14))
    seen = score(engine, prompt, written, k=7)
    with torch.no_grad():
        if architecture == "t5":
            start = torch.full((1, 1), engine.model.generation_config.decoder_start_token_id)
            logits = engine.model(input_ids=prompt, decoder_input_ids=torch.cat([start, written[:, :-1]], 1)).logits[0]
        else:
            logits = engine.model(torch.cat([prompt, written], 1)).logits[0, 8:-1]
    logprobs = logits.log_softmax(-1)
    assert seen.ids.tolist() == written[0].tolist() and seen.top_ids.shape == (14, 7)
    np.testing.assert_allclose(seen.logprobs, logprobs[range(14), written[0]], atol=1e-4)
    np.testing.assert_allclose(seen.top_logprobs, logprobs.topk(7).values, atol=1e-4)
    np.testing.assert_allclose(seen.entropies, torch.distributions.Categorical(logits=logits).entropy(), atol=1e-4)
    order = logprobs.argsort(descending=True)
    ranks = [(order[i] == token).nonzero().item() for i, token in enumerate(written[0])]
    assert (np.abs(seen.ranks - ranks) <= (3 if architecture == "gemma2" else 0)).all()  # its cap makes near-ties


def test_what_cannot_be_scored_says_why():
    ids = torch.ones(1, 4, dtype=torch.long)
    with pytest.raises(PlaygroundError, match="does not write text"):
        score(tiny.engine("bert"), ids, ids)
    with pytest.raises(PlaygroundError, match="no text to score"):
        score(tiny.engine("gpt2"), ids, ids[:, :0])
    with pytest.raises(PlaygroundError, match="304 tokens long"):
        score(tiny.engine("gpt2"), ids, torch.ones(1, 300, dtype=torch.long))
