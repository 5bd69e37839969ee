"""Writes a tiny Llama that transformers saved as a GGUF file, by llama.cpp's own rules."""

import json
from pathlib import Path

NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
    "input_layernorm.weight": "attn_norm.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "self_attn.q_proj.weight": "attn_q.weight",
    "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
}


def write(file: Path, folder: Path, architecture: str = "llama", n_parts: int = 1, n_more: int = 0) -> Path:
    """Writes the model in `folder` (a Llama with a byte-level tokenizer) as float32 GGUF, and returns the file.

    `n_more` unused tokens and merges make the vocabulary as long as real ones are.
    """
    import numpy as np
    from gguf import GGUFWriter, TokenType
    from safetensors.numpy import load_file

    config = json.loads((folder / "config.json").read_text())
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    writer = GGUFWriter(str(file), architecture)
    writer.add_name("A Tiny Llama")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    if n_parts > 1:
        writer.add_uint16("split.count", n_parts)

    special = {token["content"] for token in tokenizer["added_tokens"]}
    tokens = sorted(tokenizer["model"]["vocab"], key=tokenizer["model"]["vocab"].get)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"]["merges"]]
    tokens += [f"more{i}" for i in range(n_more)]
    merges += [f"mo re{i}" for i in range(n_more)]
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL if token in special else TokenType.NORMAL for token in tokens])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(tokens.index(settings["eos_token"]))
    template = folder / "chat_template.jinja"
    if template.exists():
        writer.add_chat_template(template.read_text())

    for name, weights in load_file(folder / "model.safetensors").items():
        prefix, _, rest = name.removeprefix("model.layers.").partition(".")
        layer = f"blk.{prefix}." if name.startswith("model.layers.") else ""
        n_heads = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}.get(name.split(".")[-2])
        if n_heads and architecture == "llama":  # llama.cpp rotates neighbouring numbers, transformers the two halves
            halves = weights.reshape(config[n_heads], 2, -1, weights.shape[1])
            weights = np.ascontiguousarray(halves.swapaxes(1, 2).reshape(weights.shape))
        writer.add_tensor(layer + NAMES[rest if layer else name], weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file
