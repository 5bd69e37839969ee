"""How often the masked starter is right, on held-out and on out-of-domain text.

    python -m training.masked_starter.evaluate DIR       the packed weights: DIR/figures.json and the model card

It knows a model and passages; not how the model was trained.
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from transformers import AutoTokenizer, BertForMaskedLM

from playground.models import starters
from training.masked_starter import batches, card, gather
from training.masked_starter import model as network
from training.masked_starter.gather import Passages

# A sentence with a gap, what grammar asks for, and the same word in the wrong form.
GRAMMAR = (
    ("The dogs [MASK] in the garden.", "are", "is"),
    ("The dog [MASK] in the garden.", "is", "are"),
    ("The keys to the old house [MASK] on the table.", "are", "is"),
    ("She lost [MASK] keys on the way home.", "her", "him"),
    ("He lost [MASK] keys on the way home.", "his", "him"),
    ("They asked [MASK] to come back later.", "us", "we"),
    ("Yesterday we [MASK] to the market.", "went", "go"),
    ("Tomorrow we will [MASK] to the market.", "go", "went"),
    ("She has never [MASK] the sea.", "seen", "saw"),
    ("I [MASK] a student.", "am", "is"),
    ("This is [MASK] apple.", "an", "a"),
    ("This book is better [MASK] that one.", "than", "then"),
)
OCCUPATIONS = ("librarian", "receptionist", "nurse", "dancer", "doctor", "homemaker", "secretary", "lawyer", "teacher")
OCCUPATIONS += ("engineer", "carpenter", "programmer", "soldier", "mechanic")
PRONOUN = ("The {job} said that [MASK] was tired.", "[MASK] works as a {job}.", "[MASK] is a {job} in this town.")


def draw(passages: Passages, split: int, n: int, source: int | None = None, seed: int = 1) -> np.ndarray:
    """At most `n` passages of a split, and of one source if it is given: the same in every run."""
    fits = passages.split == split
    if source is not None:
        fits &= passages.source == source
    return np.random.default_rng(seed).permutation(np.flatnonzero(fits))[:n]


def masked_accuracy(
    model: BertForMaskedLM,
    passages: Passages,
    split: int,
    n_asked: int,
    source: int | None = None,
    bf16: bool = False,
    share: float = 0.15,
) -> dict[str, float]:
    """Top-1, top-5 and perplexity at about `n_asked` places, all reading [MASK].

    Args:
        share: of the pieces of each passage that are asked at once, at least one; 0: one alone.
    """
    rng = np.random.default_rng(2)
    was_training = model.training
    model.eval()
    right = among = total = 0
    loss = 0.0
    chosen = draw(passages, split, n_asked, source)
    for begin in range(0, len(chosen), 32):
        batch = batches.masked(passages, chosen[begin : begin + 32], rng, share, disguise=False)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = network.answers(model, batch).float()
        best = logits.topk(5).indices == batch.answers[:, None]
        right += int(best[:, 0].sum())
        among += int(best.sum())
        loss += float(functional.cross_entropy(logits, batch.answers, reduction="sum"))
        total += len(batch.answers)
        if total >= n_asked:
            break
    model.train(was_training)
    return {"top1": right / total, "top5": among / total, "perplexity": float(np.exp(loss / total)), "n": total}


def pseudo_perplexity(model: BertForMaskedLM, passages: Passages, split: int, n: int) -> float:
    """exp of the mean negative log-probability of each piece when it alone is masked (Salazar et al. 2020)."""
    loss, total = 0.0, 0
    for index in draw(passages, split, n, seed=3):
        piece = passages.ids[passages.starts[index] : passages.starts[index + 1]].astype(np.int64)
        text = torch.from_numpy(np.concatenate([[batches.CLS], piece, [batches.SEP]]))
        ids = text.repeat(len(piece), 1)
        asked = torch.zeros_like(ids, dtype=torch.bool)
        asked[torch.arange(len(piece)), torch.arange(len(piece)) + 1] = True
        answers = ids[asked]
        ids[asked] = batches.MASK
        batch = batches.Batch(ids, torch.ones_like(asked), asked, answers)
        with torch.inference_mode():
            loss += float(functional.cross_entropy(network.answers(model, batch), answers, reduction="sum"))
        total += len(piece)
    return float(np.exp(loss / total))


def gap(model: BertForMaskedLM, tokenizer, text: str, words: Iterable[str]) -> list[float]:
    """Natural log-probabilities of whole words of one piece each in the one gap of a text."""
    read = tokenizer(text, return_tensors="pt")
    with torch.inference_mode():
        logits = model(**read).logits[read["input_ids"] == tokenizer.mask_token_id][0]
    chances = logits.log_softmax(-1)
    return [float(chances[tokenizer.convert_tokens_to_ids(word)]) for word in words]


def pronouns(model: BertForMaskedLM, tokenizer) -> dict[str, float]:
    """log2 of p(he) / p(she), as a mean over three sentences, for each occupation."""
    found = {}
    for job in OCCUPATIONS:
        pairs = [gap(model, tokenizer, frame.format(job=job), ("he", "she")) for frame in PRONOUN]
        found[job] = float(np.mean([he - she for he, she in pairs]) / np.log(2))
    return dict(sorted(found.items(), key=lambda item: item[1]))


def figures(model: BertForMaskedLM, tokenizer, passages: Passages, n_asked: int, n_pseudo: int) -> dict:
    """All that the model card states."""
    found: dict = {"all": {}, "sources": {}, "one blank": {}, "pseudo_perplexity": {}}
    for name, split in (("held out", 1), ("out of domain", 2)):
        found["all"][name] = masked_accuracy(model, passages, split, n_asked)
        found["one blank"][name] = masked_accuracy(model, passages, split, n_asked, share=0)
        found["pseudo_perplexity"][name] = pseudo_perplexity(model, passages, split, n_pseudo)
        for source in np.unique(passages.source[passages.split == split]):
            part = masked_accuracy(model, passages, split, n_asked // 4, int(source))
            found["sources"][passages.names[source]] = part
    right = [a > b for a, b in (gap(model, tokenizer, text, words) for text, *words in GRAMMAR)]
    found["grammar"] = {"right": sum(right), "of": len(right)}
    found["he_to_she_bits"] = pronouns(model, tokenizer)
    return found


def main(arguments: list[str] | None = None) -> None:
    """Evaluates starter:minilm-mlm, made from the packed weights, on DIR/passages.npz."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--n-asked", type=int, default=2500)
    parser.add_argument("--n-pseudo", type=int, default=20, help="passages whose pieces are masked one by one")
    given = parser.parse_args(arguments)
    place = gather.starter_folder("minilm-mlm")
    model = BertForMaskedLM.from_pretrained(place).eval()
    passages = Passages.load(given.folder / "passages.npz")
    found = figures(model, AutoTokenizer.from_pretrained(place), passages, given.n_asked, given.n_pseudo)
    (given.folder / "figures.json").write_text(json.dumps(found, indent=1) + "\n")
    card.write(passages, found, starters.find("minilm-mlm").weights[0])
    print(card.accuracy(found), card.occupations(found["he_to_she_bits"]), sep="\n")


if __name__ == "__main__":
    main()
