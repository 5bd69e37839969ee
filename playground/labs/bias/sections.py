"""Results of the Bias tab as sections of a report: what each says, and no more than its interval does.

A section is what a reader needs to judge a result: model, data, metric with its definition and ideal value, rows with
intervals, and what it does not show. It does not know how a section looks.
"""

from dataclasses import dataclass, field
from typing import Any

from playground.engine.provenance import Provenance
from playground.labs.bias import consistency
from playground.labs.bias import pairs as pair_lab
from playground.labs.bias.associations import Axis, Weat
from playground.labs.bias.before_after import Shift, State
from playground.labs.bias.continuations import MEASURES, Written
from playground.labs.bias.fill import Filled
from playground.labs.bias.grid import Grid
from playground.labs.bias.measure import Measured
from playground.labs.bias.summary import Share

SMALL = (
    "starter:minilm-mlm was trained for this project on a small text: its biases are those of that text. It is a model "
    "to learn the method on, not a stand-in for BERT."
)
ONE_LANGUAGE = "English templates and words of our own choice; other words, templates or languages may say otherwise."


@dataclass(frozen=True)
class Section:
    title: str
    metric: str
    definition: str
    ideal: str
    data: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]  # as shown
    says: str  # in one sentence, no further than the interval goes
    limits: tuple[str, ...]  # what it does not show
    provenance: dict[str, Any] = field(default_factory=dict)


def interval(low: float, high: float, digits: int = 2) -> str:
    return "none" if low != low else f"{low:.{digits}f} to {high:.{digits}f}"


def made_by(provenance: Provenance) -> dict[str, Any]:
    return {
        "model": provenance.reference,
        "revision": provenance.revision,
        "precision": provenance.dtype,
        "device": provenance.device,
        "settings": provenance.settings,
        "versions": provenance.versions,
        "seconds": provenance.seconds,
    }


def limits(provenance: Provenance, *more: str) -> tuple[str, ...]:
    small = (SMALL,) if provenance.reference.startswith("starter:minilm-mlm") else ()
    return (*small, *more)


def of_fill(found: Filled) -> Section:
    masked = found.kind == "masked"
    rows = tuple((w.text, str(w.pieces), f"{w.probability:.2%}", f"{w.logprob:.3f}") for w in found.words[:20])
    return Section(
        "Fill the blank",
        "Probability of words in a blank",
        "P(word | all other tokens) at the mask, pieces from left to right"
        if masked
        else "P(sentence with the word) over the sum for all candidates; exact for these candidates",
        "none: which words should come is for people to say",
        found.text,
        ("Word", "Tokens", "Probability", "Log-probability, nats"),
        rows,
        f"“{found.words[0].text}” is the most probable of the words asked about.",
        limits(found.provenance, "One sentence. The order of words may change with any other word of it."),
        made_by(found.provenance),
    )


def of_grid(found: Grid) -> Section:
    means, agreement = found.corrected.mean(0), found.agreement
    order = means.argsort()
    held = found.consistency
    swapped = (
        "no template names a group, so there is nothing to swap"
        if held is None
        else "groups swapped: " + " | ".join(copy.text for copy in found.copies)
    )
    rows = tuple(
        (
            found.words[i],
            f"{found.raw[:, i].mean():.2f}",
            f"{means[i]:.2f}",
            "" if agreement[i] != agreement[i] else f"{agreement[i]:.0%}",
        )
        for i in order
    )
    return Section(
        "Templates by words",
        f"log P({found.first}) - log P({found.second}), corrected for the prior",
        "Kurita et al. 2019: the same difference with the word masked is taken off"
        if not found.neutral
        else f"the same difference with “{found.neutral}” in the word's place is taken off (our analogue for causal "
        "models)",
        "0 for words that should not tell the two apart",
        f"{len(found.templates)} templates, {len(found.words)} words: " + " | ".join(found.templates) + f"; {swapped}",
        ("Word", "Raw, nats", "Corrected, nats", "Templates that agree"),
        rows,
        f"From most “{found.second}” to most “{found.first}”: {found.words[order[0]]} … {found.words[order[-1]]}."
        + ("" if held is None else f" {consistency.told(held, (found.first, found.second))}"),
        limits(found.provenance, ONE_LANGUAGE, "Corrected scores order the words; their size has no natural unit."),
        made_by(found.provenance),
    )


def of_pairs(found: Measured, *remarks: str) -> Section:
    """remarks: what is to be known of these data."""
    total = found.shares[0]
    rows = tuple(
        (
            s.category,
            str(s.n),
            f"{s.share:.1%}",
            f"{s.low:.1%} to {s.high:.1%}",
            f"{s.mean:.3f}",
            interval(s.mean_low, s.mean_high, 3),
        )
        for s in found.shares
        if s.n
    )
    return Section(
        "Pairs",
        f"Share of pairs in which the first sentence is preferred ({found.dialect})",
        f"score: {found.definition}; ties count as not preferred",
        "50 %: no side is preferred over all pairs",
        f"{total.n} pairs scored of {len(found.pairs)}",
        ("Category", "Pairs", "First preferred", "95 % (Wilson)", "Mean difference", "95 % (bootstrap)"),
        rows,
        verdict(total),
        limits(
            found.provenance,
            "Scores of different dialects or tokenizers do not compare.",
            "The intervals take pairs as independent of each other; those of one template or word are not quite.",
            *((pair_lab.WARNING,) if any(pair.direction for pair in found.pairs) else ()),
            *remarks,
        ),
        made_by(found.provenance),
    )


def verdict(total: Share) -> str:
    """What the share says, no further than its interval."""
    if not total.n:
        return "No pair was scored."
    where = f"{total.share:.1%} of {total.n} pairs (95 % interval {total.low:.1%} to {total.high:.1%})"
    if total.verdict == "open":
        return f"The first sentence is preferred in {where}. The interval holds 50 %, the ideal: not enough to tell."
    side = "first" if total.verdict == "first" else "second"
    return (
        f"The first sentence is preferred in {where}. The interval leaves out 50 %: over these pairs the {side} "
        "sentences are preferred."
    )


def of_weat(found: Weat) -> Section:
    x, y, a, b = found.names
    one = found.found
    how = "all" if one.exact else "a sample of"
    sure = one.p_value < 0.05
    return Section(
        "Word sets",
        "WEAT effect size" if found.layer is None else f"SEAT effect size, layer {found.layer}",
        f"difference of mean associations over their standard deviation (ddof {one.ddof}); p over {how} "
        f"{one.partitions:,} partitions",
        "0: both target sets lie equally near to both attribute sets",
        "; ".join(f"{name}: {', '.join(words)}" for name, words in zip(found.names, found.words, strict=True)),
        ("Targets", "Attributes", "Effect size", "p, one-sided"),
        ((f"{x} / {y}", f"{a} / {b}", f"{one.effect:.3f}", f"{one.p_value:.4g}"),),
        f"{x.capitalize()} lie nearer to {a} and {y} nearer to {b} than chance would have it."
        if sure
        else "No association beyond what chance gives with so few words.",
        limits(
            found.provenance,
            ONE_LANGUAGE,
            "Nearness of vectors need not show in what a model writes (Goldfarb-Tarrant et al. 2021).",
        ),
        made_by(found.provenance),
    )


def of_axis(found: Axis) -> Section:
    order = found.places.argsort()
    rows = tuple(
        (found.occupations[i].name, f"{found.places[i]:.3f}", f"{found.occupations[i].women:.1f} %") for i in order
    )
    open_ = found.low <= 0 <= found.high
    return Section(
        "Occupations along an axis",
        "Pearson correlation of an occupation's place with the share of women in it",
        "cosine of the occupation's vector, less the mean of all, with the axis between two word sets",
        "none: a model that mirrors the labour market has a high correlation; whether it should is a matter of its use",
        "60 occupations of Winogender, U.S. labour statistics of 2015 and 2016; axis: "
        + ", ".join(found.first)
        + " against "
        + ", ".join(found.second),
        ("Occupation", "Place on the axis", "Women in it"),
        rows,
        f"r = {found.pearson:.2f} (95 % interval {found.low:.2f} to {found.high:.2f}), rank correlation "
        f"{found.spearman:.2f}: "
        + (
            "the interval holds 0, not enough to tell."
            if open_
            else f"places and labour statistics go {'together' if found.pearson > 0 else 'against each other'} "
            "over these occupations."
        ),
        limits(
            found.provenance, "A correlation over 60 occupations of one country; no statement about any single one."
        ),
        made_by(found.provenance),
    )


def of_generation(found: Written) -> Section:
    rows = [
        (MEASURES[m], group, f"{mean.value:.3f}", interval(mean.low, mean.high, 3))
        for m in MEASURES
        for group in found.groups
        for mean in [found.mean(group, m)]
    ]
    told, made = [], found.provenance.settings
    for one in found.differences():
        rows.append(
            (
                f"{MEASURES[one.measure]}: difference",
                f"{one.group} - {one.against}",
                f"{one.mean.value:.3f}",
                interval(one.mean.low, one.mean.high, 3),
            )
        )
        if not one.open:
            told.append(
                f"{one.measure} of “{one.group}” differs from “{one.against}” by {one.mean.value:+.2f} "
                f"({interval(one.mean.low, one.mean.high)})"
            )
    return Section(
        "Generation",
        "Means over continuations of counterfactual prompts",
        "paired by prompt and seed; 95 % bootstrap intervals; sentiment by VADER; drawn at temperature "
        f"{made['temperature']:g} from the {made['top_k']} most probable tokens and of these from those that hold "
        f"{made['top_p']:.0%}",
        "0: no difference between groups",
        f"{len(found.texts)} continuations; prompts: " + " | ".join(found.provenance.settings.get("prompts", [])),
        ("Measure", "Group", "Mean", "95 %"),
        tuple(rows),
        ("; ".join(told) + ".") if told else "No difference whose interval leaves out 0: not enough to tell.",
        limits(found.provenance, "VADER counts words; what a text says of a group must be read.", ONE_LANGUAGE),
        made_by(found.provenance),
    )


def of_change(before: State, after: State, moved: Shift, what: str, *remarks: str) -> Section:
    rows = []
    for side in (before, after):
        total = side.pairs.shares[0]
        cost = "" if side.cost is None else f"{side.cost.value:.1f}"
        rows.append(
            (
                side.name,
                f"{total.share:.1%} ({total.low:.1%} to {total.high:.1%})",
                f"{total.mean:.2f}",
                f"{total.mean_absolute:.2f}",
                cost,
            )
        )
    cost = "" if moved.cost is None else f"x {moved.cost[0]:.3f} ({interval(*moved.cost[1:], 3)})"
    rows.append(
        (
            "change",
            f"{moved.share[0]:+.1%} ({moved.share[1]:+.1%} to {moved.share[2]:+.1%})",
            f"{moved.mean[0]:+.2f} ({interval(*moved.mean[1:])})",
            f"{moved.absolute[0]:+.2f} ({interval(*moved.absolute[1:])})",
            cost,
        )
    )
    return Section(
        "Before and after",
        "Pair scores and perplexity, with and without a change",
        f"{before.pairs.definition}; the change: {what}. Paired bootstrap over pairs",
        "share 50 %, mean absolute difference 0, perplexity unchanged",
        f"{moved.n} pairs; ordinary sentences for perplexity",
        ("", "First preferred (95 %)", "Mean difference", "Mean absolute difference", "Perplexity"),
        tuple(rows),
        shift_says(moved),
        limits(
            after.pairs.provenance,
            "Smaller differences on these pairs need not mean less bias elsewhere (Gonen and Goldberg 2019).",
            ONE_LANGUAGE,
            *remarks,
        ),
        made_by(after.pairs.provenance) | {"before": made_by(before.pairs.provenance)},
    )


def shift_says(moved: Shift) -> str:
    """What a change did, no further than the intervals."""
    value, low, high = moved.absolute
    span = f"{value:+.2f}, 95 % interval {interval(low, high)}"
    said = {
        "smaller": f"The two sentences of a pair have become more alike ({span})",
        "larger": f"The two sentences of a pair have drifted apart ({span})",
        "open": f"Whether the pairs have become more alike cannot be told ({span}; it holds 0)",
    }[moved.verdict]
    if moved.cost is None:
        return f"{said}. The price in perplexity {moved.no_cost or 'was not measured'}."
    ratio, low, high = moved.cost
    if low <= 1 <= high:
        price = f"no price in perplexity can be seen (x {ratio:.2f}, {interval(low, high)})"
    else:
        price = f"perplexity of ordinary sentences is {ratio:.2f} times what it was ({interval(low, high)})"
    return f"{said}; {price}."
