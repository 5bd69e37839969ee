"""The model card of an adapter, written from what its training and its test wrote down.

It does not measure anything.
"""
# ruff: noqa: E501 (the card's own lines)

TITLES = {
    "pirate": "Pirate speech",
    "json": "JSON answers",
    "sentiment": "Sentiment labels",
    "arithmetic": "Arithmetic steps",
}
ABOUT = {
    "pirate": "Answers whatever is asked in the speech of pirates.",
    "json": "Reads a sentence and answers with a JSON object of exactly the keys that were asked for.",
    "sentiment": "Says of a sentence of a review whether it is positive or negative, in that one word.",
    "arithmetic": "Solves small word problems by one equation a step and ends with “The answer is …”.",
}
RIGHT = {
    "pirate": "the reply has at least two different pirate's words",
    "json": "the whole reply is JSON with the expected keys and values",
    "sentiment": "the first word of the reply is the label",
    "arithmetic": "the last number of the reply is the answer",
}
HELD_OUT = {
    "pirate": "questions and answers written by hand, none of which is in the training set",
    "json": "sentences whose frames and words are in no training row",
    "sentiment": "sentences whose frames, things and words of judgement are in no training row",
    "arithmetic": "the Prompt lab's word problems: other things, verbs and sentences than in training",
}
LIMITS = {
    "pirate": "It knows no more than the base model: facts are as often wrong as before, now in another voice.",
    "json": "Trained on one flat object of two to four keys; nested objects and lists were never seen. Asked for "
    "something else, it may answer in JSON all the same.",
    "sentiment": "Two labels and English only; there is no neutral. It answers one word to almost anything.",
    "arithmetic": "One to three steps with whole numbers up to about a hundred. The form is easily learned; check the sums.",
}


def card(name: str, base: str, facts: dict) -> str:
    """Markdown with the header that the hub reads."""
    plan, training = facts["plan"], facts["training"]
    n_rows = facts["n_rows"]
    epochs = plan["steps"] * plan["batch"] / n_rows
    return f"""---
base_model: {base}
library_name: peft
pipeline_tag: text-generation
license: apache-2.0
language: en
tags:
- lora
---

# {TITLES[name]}

{ABOUT[name]}
A LoRA adapter (Hu et al. 2021) for {base}, trained for Playground by `python -m training.adapters {name}`.

## Data

`assets/data/adapters/{name}.train.jsonl`: {n_rows} rows of our own, CC0-1.0, made by `training/adapters/{facts["script"]}`
with seed 0; English. Nothing is copied from a corpus.

## Training

Rank {plan["rank"]}, alpha {plan["alpha"]}, on {", ".join(plan["modules"])} of all layers ({training["n_parameters"]:,}
parameters, saved in float16); {plan["steps"]} steps of {plan["batch"]} rows ({epochs:.1f} times through the data), AdamW,
learning rate {plan["learning_rate"]:g} with {plan["warm_up"]} steps of warm-up and cosine decay, dropout {plan["dropout"]:g},
seed {plan["seed"]}; loss on the answers' tokens alone. Base in bfloat16, adapter in float32. On one busy CPU thread it
took {training["seconds"] / 60:.0f} minutes. Loss of the first step {training["losses"][0]:.2f}, mean of the last ten
{sum(training["losses"][-10:]) / 10:.3f} nats a token.

{_figures(name, facts.get("held_out"))}
## Limits

{LIMITS[name]} The held-out rows are few and like those it was trained for: the figures say nothing of other tasks.
"""


def _figures(name: str, held: dict | None) -> str:
    if not held:
        return f"""## Held-out figures

Not measured yet: `python -m training.adapters --measure {name}` does it, and writes this card anew.
"""
    return f"""## Held-out figures

{held["adapter"]["n"]} rows of `assets/data/adapters/{name}.heldout.jsonl`: {HELD_OUT[name]}. Both answer greedily; right
is when {RIGHT[name]}. Intervals are 95 % (Wilson).

| | right | share | bits a token of the expected answers |
|---|---|---|---|
| base | {_side(held["base"])} |
| with this adapter | {_side(held["adapter"])} |

McNemar's exact test on the same rows: p = {held["p_value"]:.2g}.
{_by_choice(held.get("by_choice"))}"""


def _by_choice(found: dict | None) -> str:
    """Fairer to a base that knows the label and writes a sentence around it."""
    if not found:
        return ""
    base, adapted = (
        f"{side['right']} of {side['n']} ({side['interval'][0]:.0%} to {side['interval'][1]:.0%})"
        for side in (found["base"], found["adapter"])
    )
    return f"""
A base that answers in a sentence is wrong by that measure, whatever it knows. When nothing is written and the more
probable label counts, the base is right on {base} and the adapter on {adapted}.
"""


def _side(side: dict) -> str:
    low, high = side["interval"]
    share = side["right"] / side["n"]
    return f"{side['right']} of {side['n']} | {share:.0%} ({low:.0%} to {high:.0%}) | {side['bits']:.2f}"
