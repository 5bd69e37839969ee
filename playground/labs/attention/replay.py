"""The same maps with transformers alone: a few lines of Python that anybody can run without Playground.

It does not run them.
"""

from pathlib import Path

from playground.engine.engine import Engine
from playground.errors import PlaygroundError
from playground.labs.attention.maps import Maps
from playground.models.reference import parse

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
        PlaygroundError: the maps were averaged, joined or cut, so that there is no such array; or int8 weights, which
            transformers alone does not have.
    """
    made = maps.provenance.settings
    if not maps.layers or not maps.heads or not maps.queries.ids or made["shape"] != list(maps.weights.shape):
        raise PlaygroundError("The script is for maps as the model computes them: take it without averages or words.")
    if engine.precision == "int8":
        raise PlaygroundError("int8 weights are Playground's own. Choose another precision, and take the script then.")
    auto, (source, revision) = AUTO[engine.anatomy.kind], source_of(engine)
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
    at = f", revision={revision!r}" if revision else ""
    return f'''import numpy as np
import torch
from transformers import {auto}, AutoTokenizer

source = {source!r}
tokenizer = AutoTokenizer.from_pretrained(source{at})
model = {auto}.from_pretrained(source{at}, dtype="{engine.precision}", attn_implementation="eager").eval()

read = tokenizer({call}, {options})
with torch.no_grad():
    maps = model({inputs}, output_attentions=True).{output}

# (layer, head, query, key); rows sum to 1
weights = torch.stack([maps[layer][0] for layer in {list(maps.layers)}])[:, {list(maps.heads)}].float().numpy()
np.save("attention.npy", weights)
print(weights.shape)
'''


def source_of(engine: Engine) -> tuple[str, str | None]:
    """(what `from_pretrained` takes, the revision): a hub id, or the folder on this machine that was loaded."""
    parsed = parse(engine.reference)
    if parsed.kind == "hub" and parsed.file is None:
        return parsed.repo, engine.revision
    return str(Path(engine.model.name_or_path)), None
