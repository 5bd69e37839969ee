"""Tiny real models with random weights, saved by the real code, one for each kind of architecture.

They know nothing: tests use them for what holds for any weights.
"""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SIZES = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4)
CORPUS = [
    "The cat sat on the mat because it was comfortable. The doctor asked the nurse to help.",
    "def add(a, b):\n    return a + b\n",
    "Paris is the capital of France. 你好，世界。 Grüße! 👩‍🚀 🎉",
]


@cache
def _tokenizer(kind: str):
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    if kind == "wordpiece":
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        raw = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        raw.normalizer = normalizers.BertNormalizer(lowercase=True)
        raw.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        raw.decoder = decoders.WordPiece()
        raw.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=300, special_tokens=special))
        ids = [(t, raw.token_to_id(t)) for t in ("[CLS]", "[SEP]")]
        raw.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ids
        )
        names = dict(pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]")
        return PreTrainedTokenizerFast(tokenizer_object=raw, **names)

    special = ["<|end|>", "<|im_start|>", "<|im_end|>", "<mask>"]
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet)
    )
    names = dict(bos_token="<|end|>", eos_token="<|end|>", pad_token="<|end|>", mask_token="<mask>")
    fast = PreTrainedTokenizerFast(tokenizer_object=raw, **names)
    if kind == "chat":
        fast.eos_token = "<|im_end|>"
        fast.chat_template = CHAT_TEMPLATE
    return fast


def _model(architecture: str, tokenizer, context: int):
    import transformers as t

    v, eos, pad = len(tokenizer), tokenizer.eos_token_id, tokenizer.pad_token_id
    ends = dict(vocab_size=v, eos_token_id=eos, bos_token_id=eos, pad_token_id=pad)
    grouped = dict(**SIZES, **ends, num_key_value_heads=2, max_position_embeddings=context)
    encoder = dict(vocab_size=v, pad_token_id=pad, max_position_embeddings=context)
    match architecture:
        case "gpt2":
            return t.GPT2LMHeadModel(
                t.GPT2Config(n_embd=32, n_layer=3, n_head=4, n_positions=context, **ends, attn_pdrop=0, resid_pdrop=0)
            )
        case "llama":
            return t.LlamaForCausalLM(t.LlamaConfig(**grouped))
        case "qwen2":
            return t.Qwen2ForCausalLM(t.Qwen2Config(**grouped))
        case "gemma2":
            # caps small enough to matter for weights this small, and a window shorter than the tests' texts
            return t.Gemma2ForCausalLM(
                t.Gemma2Config(
                    **grouped, head_dim=8, sliding_window=6, final_logit_softcapping=0.3, attn_logit_softcapping=0.5
                )
            )
        case "bert":
            return t.BertForMaskedLM(t.BertConfig(**SIZES, **encoder))
        case "roberta":
            return t.RobertaForMaskedLM(t.RobertaConfig(**SIZES, **encoder, bos_token_id=eos, eos_token_id=eos))
        case "distilbert":
            return t.DistilBertForMaskedLM(t.DistilBertConfig(dim=32, hidden_dim=64, n_layers=3, n_heads=4, **encoder))
        case "t5":
            return t.T5ForConditionalGeneration(
                t.T5Config(
                    vocab_size=v,
                    d_model=32,
                    d_kv=8,
                    d_ff=64,
                    num_layers=3,
                    num_heads=4,
                    pad_token_id=pad,
                    eos_token_id=eos,
                    decoder_start_token_id=pad,
                )
            )
        case "mamba":
            return t.MambaForCausalLM(t.MambaConfig(hidden_size=32, state_size=4, num_hidden_layers=3, **ends))
    raise ValueError(f"no tiny model called {architecture}")


ARCHITECTURES = ("gpt2", "llama", "gemma2", "qwen2", "bert", "roberta", "distilbert", "t5", "mamba")
CHATTING = ("llama", "gemma2", "qwen2")


def save(folder: Path, architecture: str, seed: int = 0, context: int = 256) -> Path:
    """Saves a random model of this architecture and its tokenizer in `folder`, and returns the folder."""
    import torch

    kind = "chat" if architecture in CHATTING else "wordpiece" if "bert" in architecture else "plain"
    tokenizer = _tokenizer("plain" if architecture == "roberta" else kind)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = _model(architecture, tokenizer, context)
        for parameter in model.parameters():  # wide enough apart that greedy choices are not ties
            if parameter.dim() > 1 and parameter.std() < 0.05:
                parameter.data.mul_(8)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Path(folder)


@cache
def engine(architecture: str, dtype: str = "float32"):
    """The Engine of a tiny model, loaded by the real code; one a test run, since nothing changes an Engine."""
    folder = Path(tempfile.mkdtemp(prefix=f"tiny-{architecture}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return loaded(save(folder, architecture), dtype)


def loaded(folder: Path, dtype: str = "float32", precision: str = ""):
    """The Engine of a model in a folder, loaded by the real code on the CPU."""
    import torch

    from playground.engine.rows import IN_TWO, USUAL
    from playground.models.loading import load
    from playground.models.machine import Machine
    from playground.models.sources import locate
    from playground.settings import Settings

    settings = Settings(dtype=dtype)
    machine = Machine(torch.device("cpu"), getattr(torch, dtype), threads=1, budget=10**9, products=(USUAL, IN_TWO))
    return load(locate(f"{folder}{precision}", settings), settings, machine, lambda fraction, sentence: None)
