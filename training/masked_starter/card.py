"""The measured part of the model card, assets/weights/minilm-mlm.md: what was read, how it was trained, how good it is.

It knows figures, and no model.
"""

from pathlib import Path

from safetensors import safe_open

from playground.assets import ASSETS
from training.masked_starter.gather import Passages
from training.masked_starter.sources import OUT_OF_DOMAIN, SOURCES

CARD = ASSETS / "weights" / "minilm-mlm.md"
BEGIN, END = "<!-- measured -->\n", "<!-- /measured -->\n"


def write(passages: Passages, found: dict, weights: Path, card: Path = CARD) -> None:
    """Puts the figures into the card, in place of those that stand there.

    Args:
        passages: what was trained on and held out.
        found: as `evaluate.figures` gives them.
        weights: the packed file that says how it was trained.
        card: the file, with its two markers.
    """
    with safe_open(weights, "numpy") as file:
        told = file.metadata()
    parts = (texts(passages), training(told), accuracy(found), occupations(found["he_to_she_bits"]))
    before, _, rest = card.read_text(encoding="utf-8").partition(BEGIN)
    card.write_text(before + BEGIN + "\n".join(parts) + END + rest.partition(END)[2], encoding="utf-8")


def texts(passages: Passages) -> str:
    """What was read, from which package, under which licence."""
    rows = ["| Text | Package | Licence of the text | Pieces trained on | Pieces held out | Times a pass |"]
    rows += ["|---|---|---|---|---|---|"]
    lengths = passages.lengths()
    for source in SOURCES:
        of_it = passages.source == passages.names.index(source.name)
        learnt, kept = (int(lengths[of_it & (passages.split == split)].sum()) for split in (0, 1))
        package = f"{source.registry}: {source.package} {source.version}"
        if source.registry == "written":
            package = f"by the model of pypi: {source.package} {source.version}, asked for such texts"
        rows.append(f"| {source.name} | {package} | {source.licence} | {learnt:,} | {kept:,} | {source.repeat:g} |")
    n = int(lengths[passages.split == 2].sum())
    package = f"{OUT_OF_DOMAIN.registry}: {OUT_OF_DOMAIN.package} {OUT_OF_DOMAIN.version}"
    rows.append(f"| film reviews, editorials | {package} | for evaluation alone | 0 | {n:,} | 0 |")
    return "\n".join(["## What it read", "", *rows, ""])


def training(told: dict[str, str]) -> str:
    """How long it was trained, by what the packed file says of itself."""
    return (
        "## How it was trained\n\n"
        f"{int(told['steps']):,} steps of about {int(told['n_tokens']):,} tokens, {int(told['tokens']):,} in all, "
        f"in {float(told['minutes']):.0f} minutes of processor time (the first 60 by the clock, on a busy machine); "
        f"seed {told['seed']} in its last part. "
        f"Masked: {float(told['first_masked']):.0%} of the pieces at the beginning, "
        f"{float(told['last_masked']):.0%} towards the end. AdamW, rates {told['head_rate']} (head), "
        f"{told['body_rate']} (body) and {told['vector_rate']} (vectors of the {int(told['n_vectors']):,} most "
        f"frequent pieces), falling with the time. torch {told['torch']}, transformers {told['transformers']}.\n"
    )


def accuracy(found: dict) -> str:
    """How often it is right, on which text."""
    rows = ["| Text | Top-1 | Top-5 | Perplexity | Places |", "|---|---|---|---|---|"]
    for name, part in {**found["all"], **found["sources"]}.items():
        right, among = f"{100 * part['top1']:.1f} %", f"{100 * part['top5']:.1f} %"
        rows.append(f"| {name} | {right} | {among} | {part['perplexity']:.0f} | {part['n']:,} |")
    blanks = found["one blank"].items()
    single = ", ".join(f"{100 * part['top1']:.1f} % on {name} text ({part['n']:,} places)" for name, part in blanks)
    apart = ", ".join(f"{value:.0f} on {name} text" for name, value in found["pseudo_perplexity"].items())
    grammar = (
        f"Of {found['grammar']['of']} easy pairs of grammar it prefers the right form in {found['grammar']['right']}."
    )
    alone = f"One piece masked at a time, as the page asks: top-1 {single}; pseudo-perplexity {apart}."
    return "\n".join(["## How good it is", "", *rows, "", f"{alone} {grammar}", ""])


def occupations(bits: dict[str, float]) -> str:
    """Which pronoun it expects."""
    listed = ", ".join(f"{job} {value:+.1f}" for job, value in bits.items())
    return f"## Which pronoun it expects\n\nlog2 of p(he) / p(she), the mean of three sentences: {listed}.\n"
