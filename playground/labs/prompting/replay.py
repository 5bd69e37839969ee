"""A prompt as Python with plain transformers, and as a file that can be brought back. It does not know the page."""

import json
from collections.abc import Sequence

from playground.errors import PlaygroundError
from playground.labs.prompting import prompts
from playground.labs.prompting.prompts import Prompt, Row

KIND = "playground prompts"

_SCRIPT = """# The prompt {name!r} with plain transformers: what it writes for each row.
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

MODEL = {model!r}
tokenizer = AutoTokenizer.from_pretrained(MODEL)
model = AutoModelForCausalLM.from_pretrained(MODEL).eval()

PROMPTS = {prompts}
STOP = {stop!r}

for prompt in PROMPTS:
    if isinstance(prompt, list):
        prompt = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
        inputs = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")
    else:
        inputs = tokenizer(prompt, return_tensors="pt")
    with torch.inference_mode():
        written = model.generate(**inputs, max_new_tokens={tokens}, {sampling})
    text = tokenizer.decode(written[0, inputs.input_ids.shape[1]:], skip_special_tokens=True)
    for stop in STOP:
        text = text.split(stop)[0]
    print(repr(text))
"""


def script(prompt: Prompt, rows: Sequence[Row], model: str, max_new_tokens: int, temperature: float = 0) -> str:
    """Python that needs nothing but transformers and gives the prompt's outputs for the rows again.

    Raises:
        PlaygroundError: a row cannot be put into the prompt.
    """
    made = [prompts.rendered(prompt, row, number) for number, row in enumerate(rows, 1)]
    listed = "[\n" + "".join(f"    {each!r},\n" for each in made) + "]"
    how = f"do_sample=True, temperature={temperature!r}" if temperature else "do_sample=False"
    return _SCRIPT.format(
        name=prompt.name,
        model=model,
        prompts=listed,
        stop=prompts.stop_strings(prompt),
        tokens=max_new_tokens,
        sampling=how,
    )


def as_json(listed: Sequence[Prompt]) -> str:
    """Prompts as a file; `read` brings them back."""
    plain = {"kind": KIND, "prompts": [prompts.plain(prompt) for prompt in listed]}
    return json.dumps(plain, ensure_ascii=False, indent=1)


def read(text: str, most: int = 20) -> tuple[Prompt, ...]:
    """The prompts of a file: as `as_json` writes them, or one prompt alone.

    Raises:
        PlaygroundError: it holds none, or one that is not whole.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise PlaygroundError("This file is no JSON. Pick one that the Prompt lab has exported.") from None
    listed = data.get("prompts", [data]) if isinstance(data, dict) else data
    if not isinstance(listed, list) or not listed:
        raise PlaygroundError("There are no prompts in this file. Pick one that the Prompt lab has exported.")
    if len(listed) > most:
        raise PlaygroundError(f"There are {len(listed)} prompts in this file; at most {most} are taken.")
    return tuple(
        prompts.read({k: v for k, v in each.items() if k != "kind"} if isinstance(each, dict) else each)
        for each in listed
    )
