"""Many more architectures, random and tiny, through the real loader: self-checks, attention maps, greedy text.

Nothing in the product names them: what passes here passes because the anatomy is read off the model.
"""

import pytest
import torch
import transformers

from playground.engine import generate
from playground.engine.engine import dummy_inputs
from playground.engine.intervene import intervene
from playground.engine.observe import observe
from playground.engine.sampling import Sampling
from playground.errors import PlaygroundError
from playground.models.loading import kind_of
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

BAMBA = {
    **dict(mamba_n_heads=4, mamba_d_head=16, mamba_d_state=8, mamba_n_groups=1, mamba_expand=2),
    **dict(attn_layer_indices=[1, 3]),
}

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
    "openai-gpt": (OLD, 2),  # keeps no cache at all
    "bamba": (SIZES | BAMBA, 2),  # goes wrong without the positions of later tokens
    "codegen": (OLD, 2),
    "xglm": (dict(d_model=32, attention_heads=4, ffn_dim=64, num_layers=2, max_position_embeddings=128), 2),
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
def saved(tmp_path):
    """Saves a random model, and returns its folder and transformers' own reading of it."""

    def make(name, config):
        tokenizer = tiny._tokenizer("plain")
        config = transformers.AutoConfig.for_model(name, **config, vocab_size=len(tokenizer))
        kind = "Seq2SeqLM" if config.is_encoder_decoder else "MaskedLM" if name in READERS else "CausalLM"
        auto = getattr(transformers, f"AutoModelFor{kind}")
        with torch.random.fork_rng():
            torch.manual_seed(0)
            auto.from_config(config).save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
        return tmp_path, auto.from_pretrained(tmp_path, dtype=torch.float32).eval()

    return make


@pytest.mark.parametrize("name", [*WRITERS, *READERS])
def test_numbers_are_those_of_transformers_alone(name, saved):
    config, n_maps = (WRITERS | READERS)[name]
    folder, plain = saved(name, config)
    engine = tiny.loaded(folder)
    assert all(check.passed in (True, None) for check in engine.checks), engine.checks
    inputs = dummy_inputs(engine.model, engine.anatomy, n_tokens=9)
    seen = observe(engine, inputs, engine.attention_sites)
    assert len(seen.attentions) == n_maps
    with torch.no_grad():
        torch.testing.assert_close(seen.logits, plain(**inputs).logits, atol=1e-5, rtol=1e-4)
    if name in WRITERS:
        ids = torch.arange(1, 9)[None]
        steps = generate.stream(engine, ids, Sampling(max_new_tokens=8, temperature=0))
        written = [step.token.id for step in steps if step.token]
        expected = plain.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
        assert written == expected[0, 1 if engine.anatomy.kind == "seq2seq" else 8 :].tolist()


def test_what_lies_beyond_reach_is_refused_when_it_is_asked_for(saved):
    engine = tiny.loaded(saved("bloom", SIZES)[0])
    assert not engine.attention_edits
    with (
        pytest.raises(PlaygroundError, match="lets its attention be seen at most"),
        intervene(engine, {engine.attention_sites[0]: torch.zeros_like}),
    ):
        pass


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"architectures": ["MarianMTModel"], "model_type": "marian"}, "seq2seq"),
        ({"architectures": ["T5ForConditionalGeneration"], "model_type": "t5"}, "seq2seq"),
        ({"architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3"}, "causal"),
        ({"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"}, "causal"),
        ({"architectures": ["BertForPreTraining"], "model_type": "bert"}, "masked"),
        ({"architectures": ["BertModel"], "model_type": "bert"}, "encoder"),
        ({"architectures": ["DistilBertForSequenceClassification"], "model_type": "distilbert"}, "classifier"),
        ({"model_type": "bert"}, "masked"),
        ({"model_type": "llama"}, "causal"),
        ({"model_type": "bart"}, "seq2seq"),
    ],
)
def test_what_a_model_was_made_for(config, kind):
    assert kind_of(config) == kind
