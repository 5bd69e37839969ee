"""Many more architectures, random and tiny, through the real loader: self-checks, attention maps, greedy text.

Nothing in the product names them: what passes here passes because the anatomy is read off the model.
"""

import pytest
import torch
import transformers

from playground.engine import generate
from playground.engine.engine import dummy_inputs
from playground.engine.observe import observe
from playground.engine.sampling import Sampling
from playground.models.loading import load
from playground.models.machine import Machine
from playground.models.sources import locate
from playground.settings import Settings
from tests import tiny

SIZES = {
    **dict(hidden_size=32, intermediate_size=64, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2),
    **dict(head_dim=8, max_position_embeddings=128, eos_token_id=0, bos_token_id=0, pad_token_id=0),
}
OLD = dict(n_embd=32, n_layer=2, n_head=4, n_positions=128, rotary_dim=4, bos_token_id=0, eos_token_id=0)
PAIR = {
    **dict(d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4),
    **dict(encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=128, forced_eos_token_id=None),
    **dict(pad_token_id=0, eos_token_id=0, bos_token_id=0, decoder_start_token_id=0),
}
T5 = dict(d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, decoder_start_token_id=0, eos_token_id=0)
EXPERTS = SIZES | dict(num_local_experts=4, num_experts=4)

WRITERS = {  # name: (config, number of attention maps)
    **dict.fromkeys(("gpt_neox", "phi3", "mistral", "gemma3_text", "qwen3", "granite", "cohere", "olmo2"), (SIZES, 4)),
    "opt": (SIZES | dict(ffn_dim=64, word_embed_proj_dim=32), 4),
    "smollm3": (SIZES, 4),
    "starcoder2": (SIZES, 4),
    "mixtral": (EXPERTS, 4),
    "gpt_oss": (EXPERTS, 4),
    "qwen3_next": (SIZES, 1),
    "bloom": (SIZES, 4),  # hands its maps out only when asked
    "gptj": (OLD, 2),  # chooses its attention from a table of its own
    "mamba2": (SIZES | dict(state_size=4, num_heads=4, head_dim=16, n_groups=1), 0),
    "rwkv": (SIZES | dict(context_length=128), 0),  # keeps no cache that transformers knows
    "bart": (PAIR, 6),
    "m2m_100": (PAIR | dict(forced_bos_token_id=7), 6),
    "mt5": (T5, 6),
    "umt5": (T5, 6),
}
READERS = {
    **dict.fromkeys(("modernbert", "xlm-roberta", "mpnet", "deberta-v2"), (SIZES, 4)),
    "electra": (SIZES | dict(embedding_size=32), 4),
}


@pytest.fixture
def loaded(tmp_path):
    def make(name, config):
        tokenizer = tiny._tokenizer("plain")
        config = transformers.AutoConfig.for_model(name, **config, vocab_size=len(tokenizer))
        kind = "Seq2SeqLM" if config.is_encoder_decoder else "MaskedLM" if name in READERS else "CausalLM"
        with torch.random.fork_rng():
            torch.manual_seed(0)
            getattr(transformers, f"AutoModelFor{kind}").from_config(config).save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
        machine = Machine(torch.device("cpu"), torch.float32, threads=1, budget=10**9)
        return load(locate(str(tmp_path), Settings()), Settings(), machine, lambda *_: None)

    return make


@pytest.mark.parametrize("name", [*WRITERS, *READERS])
def test_checks_pass_maps_can_be_seen_and_greedy_equals_generate(name, loaded):
    config, n_maps = (WRITERS | READERS)[name]
    engine = loaded(name, config)
    assert all(check.passed in (True, None) for check in engine.checks), engine.checks
    assert sum(check.passed is True for check in engine.checks) == (4 if n_maps else 3)
    inputs = dummy_inputs(engine.model, engine.anatomy, n_tokens=9)
    assert len(observe(engine, inputs, engine.attention_sites).attentions) == n_maps
    if name in WRITERS:
        ids = torch.arange(1, 9)[None]
        steps = generate.stream(engine, ids, Sampling(max_new_tokens=8, temperature=0))
        written = [step.token.id for step in steps if step.token]
        expected = engine.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
        assert written == expected[0, 1 if engine.anatomy.kind == "seq2seq" else 8 :].tolist()
