"""The same maps with transformers alone: a few lines of Python that anybody can run without Playground.

It does not run them.
"""

from playground.engine.engine import Engine
from playground.errors import PlaygroundError
from playground.labs import published
from playground.labs.attention.maps import Maps

AUTO = {
    "causal": "AutoModelForCausalLM",
    "masked": "AutoModelForMaskedLM",
    "seq2seq": "AutoModelForSeq2SeqLM",
    "classifier": "AutoModelForSequenceClassification",
    "encoder": "AutoModel",
}


def replay(engine: Engine, maps: Maps) -> str:
    """A script that computes `weights`, (layer, head, query, key), of the layers and heads in `maps`, and saves them.

    Raises:
        PlaygroundError: the maps were averaged, joined or cut, so that there is no such array; or transformers alone
            has no such model: int8 weights, one with adapters, a merge.
    """
    made = maps.provenance.settings
    if not maps.layers or not maps.heads or not maps.queries.ids or made["shape"] != list(maps.weights.shape):
        raise PlaygroundError("The script is for maps as the model computes them: take it without averages or words.")
    if engine.precision == "int8":
        raise PlaygroundError("int8 weights are Playground's own. Choose another precision, and take the script then.")
    auto, place = AUTO[engine.anatomy.kind], published.of(engine.reference, engine.revision)
    pair = bool(made["text_pair"]) and engine.anatomy.kind != "seq2seq"
    call = f"{made['text']!r}, {made['text_pair']!r}" if pair else repr(made["text"])
    options = 'return_tensors="pt"'
    options += ", return_token_type_ids=True" if made["segments"] else ""
    options += ", add_special_tokens=False" if made["complete"] else ""
    inputs = 'input_ids=read["input_ids"]' + (', token_type_ids=read["token_type_ids"]' if made["segments"] else "")
    output = "attentions"
    if engine.anatomy.kind == "seq2seq":
        inputs += f", decoder_input_ids=torch.tensor([{made['decoder_ids']}])"
        output = "cross_attentions" if maps.kind == "cross" else f"{maps.stack}_attentions"
    return f'''import numpy as np
import torch
from transformers import {auto}, AutoTokenizer

{place.line("source")}
tokenizer = AutoTokenizer.from_pretrained(source{place.at})
model = {auto}.from_pretrained(source{place.at}, dtype="{engine.precision}", attn_implementation="eager").eval()

read = tokenizer({call}, {options})
with torch.no_grad():
    maps = model({inputs}, output_attentions=True).{output}

# (layer, head, query, key); rows sum to 1
weights = torch.stack([maps[layer][0] for layer in {list(maps.layers)}])[:, {list(maps.heads)}].float().numpy()
np.save("attention.npy", weights)
print(weights.shape)
'''
