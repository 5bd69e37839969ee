"""A prompt as Python with plain transformers, and as a file that can be brought back. It does not know the page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from playground.errors import PlaygroundError
from playground.labs import published
from playground.labs.prompting import prompts
from playground.labs.prompting.prompts import Prompt, Row
from playground.models.reference import parse

KIND = "playground prompts"

_SCRIPT = """# The prompt {name!r} with plain transformers: what it writes for each row.
{remarks}import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

MODEL = {model!r}
tokenizer = AutoTokenizer.from_pretrained(MODEL{at})
model = AutoModelForCausalLM.from_pretrained(MODEL{at}{dtype}).eval()

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


@dataclass(frozen=True)
class Source:
    """What transformers loads in the place of a model."""

    name: str  # a hub id, or a folder that has to be put in
    revision: str | None = None  # of a hub id; None: the newest
    dtype: str | None = None  # None: as the weights are saved
    remark: str = ""  # what is not the same, as a sentence


def source_of(reference: str, provenance: Sequence[Mapping[str, Any]] = ()) -> Source:
    """What transformers loads for a reference, in the precision it ran in; of a starter, the same model on the hub.

    Args:
        provenance: of the models that ran, as `Results` has it: tells revision and precision.

    Raises:
        PlaygroundError: transformers alone cannot load it; says why.
    """
    parsed = parse(reference)
    ran = next((each for each in provenance if each.get("reference") == str(parsed)), {})
    dtype = ran.get("dtype") or parsed.precision
    if parsed.kind == "gguf" or parsed.file:
        raise PlaygroundError(
            "A GGUF file is unpacked by Playground. Take the script with the model that it was made of."
        )
    if dtype == "int8":
        raise PlaygroundError("int8 weights are Playground's own. Choose another precision, and take the script then.")
    place = published.of(reference, str(ran.get("revision", "")))
    return Source(place.name, place.revision, dtype, place.remark)


def script(
    prompt: Prompt,
    rows: Sequence[Row],
    source: Source,
    settings: Mapping[str, Any],
    temperature: float = 0,
    choices: Sequence[str] = (),
) -> str:
    """Python that needs nothing but transformers and gives the prompt's outputs for the rows again.

    Where it cannot give the same, a comment says so.

    Args:
        settings: those of `Results`.
        choices: the labels whose probabilities were compared, where nothing was written.

    Raises:
        PlaygroundError: a row cannot be put into the prompt.
    """
    made = [prompts.rendered(prompt, row, number) for number, row in enumerate(rows, 1)]
    listed = "[\n" + "".join(f"    {each!r},\n" for each in made) + "]"
    remarks = [source.remark, *_remarks(temperature, int(settings.get("samples", 1)), choices)]
    return _SCRIPT.format(
        name=prompt.name,
        remarks="".join(f"# {remark}\n" for remark in remarks if remark),
        model=source.name,
        at=f", revision={source.revision!r}" if source.revision else "",
        dtype=f", dtype={source.dtype!r}" if source.dtype else "",
        prompts=listed,
        stop=prompts.stop_strings(prompt),
        tokens=int(settings.get("max_new_tokens", 64)),
        sampling=_sampling(settings, temperature),
    )


def _remarks(temperature: float, samples: int, choices: Sequence[str]) -> list[str]:
    if choices:
        return [
            f"The lab compared the probabilities of {list(choices)!r} and wrote nothing. "
            "Here the model writes, and may write something else."
        ]
    if not temperature:
        return []
    drawn = "The lab draws with seeds of its own: what is drawn here is another sample."
    return [drawn, f"The lab drew {samples} a row and let the majority decide."] if samples > 1 else [drawn]


def _sampling(settings: Mapping[str, Any], temperature: float) -> str:
    """Arguments of `generate`, and where the settings say nothing what the lab takes then."""
    if not temperature:
        return "do_sample=False"
    from playground.engine.sampling import Sampling  # imports torch

    usual = Sampling()
    used = {name: settings.get(name, getattr(usual, name)) for name in ("top_p", "top_k", "repetition_penalty")}
    return ", ".join(
        f"{name}={value!r}" for name, value in ({"do_sample": True, "temperature": temperature} | used).items()
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
