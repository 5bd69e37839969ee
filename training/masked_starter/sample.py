"""Lets the starter model write prose of many kinds on many subjects: DIR/samples/SEED.jsonl, one text a line.

    python -m training.masked_starter.sample DIR --minutes 12

SmolLM2-135M-Instruct (Apache-2.0) has read far more than the registries carry, so that its sentences bring words and
turns that the other texts lack. What it says need not be true. No shape asks for a review or an editorial, because
those are the texts that the evaluation calls out of domain. Started again, it goes on behind what is there. One thread
is best: start one with each seed for as many cores as there are.
"""

import argparse
import itertools
import json
import random
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from training.masked_starter import gather

SHAPES = (
    "Write a short encyclopedia article about {}.",
    "Tell a short story about {}.",
    "Write a friendly letter to a neighbour about {}.",
    "Explain {} to a curious twelve-year-old.",
    "Describe a day in the life of someone who cares about {}.",
    "Write a diary entry of a woman who thinks about {}.",
    "Write a diary entry of a man who thinks about {}.",
    "Describe how {} changed during the last hundred years.",
    "Write a conversation between two friends about {}, without naming them.",
    "Give practical advice about {}.",
    "What do people misunderstand about {}?",
    "Write a short speech for a local meeting about {}.",
    "Report what happened yesterday at an event about {}.",
    "Write the beginning of a novel in which {} matters.",
    "Compare two points of view on {}.",
    "Describe the history of {} in one country.",
)
SUBJECTS = (Path(__file__).parent / "subjects.txt").read_text(encoding="utf-8").splitlines()
BATCH = 64  # texts at once


def requests(seed: int) -> list[str]:
    """Every shape with every subject, in an order that depends on the seed alone."""
    pairs = list(itertools.product(SHAPES, SUBJECTS))
    random.Random(seed).shuffle(pairs)
    return [shape.format(subject) for shape, subject in pairs]


@torch.inference_mode()
def write(folder: Path, minutes: float, seed: int = 0, threads: int = 1, longest: int = 110) -> int:
    """Writes texts until the time is up; returns how many there are now.

    Args:
        folder: where the file stands or will stand.
        longest: tokens of one text.
    """
    torch.set_num_threads(threads)
    source = gather.starter_folder("smollm2-135m-instruct")
    tokenizer = AutoTokenizer.from_pretrained(source, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.bfloat16).eval()
    path = folder / f"{seed}.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    n = len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0
    asked, end = requests(seed), time.monotonic() + 60 * minutes
    while time.monotonic() < end and n < len(asked):
        some = asked[n : n + BATCH]
        torch.manual_seed(seed * 1_000_003 + n)
        chats = [[{"role": "user", "content": ask}] for ask in some]
        prompts = tokenizer.apply_chat_template(chats, tokenize=False, add_generation_prompt=True)
        inputs = tokenizer(prompts, return_tensors="pt", padding=True)
        written = model.generate(
            **inputs, do_sample=True, temperature=0.9, top_k=60, top_p=1.0, max_new_tokens=longest,
            pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id,
        )  # fmt: skip
        texts = tokenizer.batch_decode(written[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        with path.open("a", encoding="utf-8") as file:
            for ask, text in zip(some, texts, strict=True):
                file.write(json.dumps({"asked": ask, "text": text}) + "\n")
        n += len(some)
        print(f"{n:,} texts, {max(0.0, end - time.monotonic()) / 60:.1f} minutes left", flush=True)
    return n


def main(arguments: list[str] | None = None) -> None:
    """Writes into DIR/samples."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args(arguments)
    write(given.folder / "samples", given.minutes, given.seed, given.threads)


if __name__ == "__main__":
    main()
