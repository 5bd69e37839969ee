"""What the crowd asks: every tab by its endpoints, each question in several wordings, so that mixed-up answers show.

All of it gives the same answer each time (nothing is drawn without a seed), which is why one answer, had while nobody
else was there, is what all later ones must equal.
"""

from dataclasses import dataclass, field

CHAT = "starter:smollm2-135m-instruct"
MASKED = "starter:minilm-mlm"
PLACES = ("France", "Japan", "Kenya", "Peru", "Canada", "Egypt")
ANIMALS = ("cat", "dog", "horse", "parrot", "whale", "spider")
JOBS = ("doctor", "nurse", "engineer", "teacher", "mechanic", "librarian")
QUESTIONS = (
    "What is attention?",
    "How do I load a model in 8 bits?",
    "What does the tokenizer do?",
    "How can I stream text?",
    "What is a pipeline?",
    "How are chat templates written?",
)
SENTIMENT = "Review: {{text}}\nSentiment:"
PIRATE_AND_JSON = {
    "merge_method": "linear",
    "dtype": "bfloat16",
    "models": [
        {"model": f"{CHAT}+adapter:pirate", "parameters": {"weight": 0.5}},
        {"model": f"{CHAT}+adapter:json", "parameters": {"weight": 0.5}},
    ],
}


@dataclass(frozen=True)
class Job:
    """One question."""

    tab: str
    endpoint: str
    arguments: dict = field(hash=False)
    name: str  # no two have the same


def jobs(wordings: int = 6) -> list[Job]:
    """All of them, each in so many wordings."""
    found = []
    for n, (place, animal, work, question) in enumerate(zip(PLACES, ANIMALS, JOBS, QUESTIONS, strict=True)):
        if n == wordings:
            break
        capital, sat = f"The capital of {place} is", f"The {animal} sat on the mat because it was tired"
        messages = [{"role": "user", "content": f"What is the capital of {place}?"}]
        rows = [
            {"text": f"I love my {animal}.", "label": "positive"},
            {"text": f"An awful {animal}.", "label": "negative"},
        ]
        asked = [
            ("Chat", "/chat", {"messages": messages, "temperature": 0, "max_new_tokens": 16}),
            ("Chat", "/chat", {"messages": messages, "seed": n, "max_new_tokens": 12}),
            ("Chat", "/complete", {"text": f"Once upon a time, a {animal}", "temperature": 0, "max_new_tokens": 16}),
            ("Chat", "/next_tokens", {"text": capital, "k": 5, "temperature": 0.7, "top_p": 0.9}),
            ("Prompt lab", "/label", {"text": f"I hate this {animal}.", "choices": ["positive", "negative"]}),
            (
                "Prompt lab",
                "/prompt_run",
                {
                    "prompts": [{"query": SENTIMENT}, {"query": "{{text}} That was"}],
                    "rows": rows,
                    "scorer": {"kind": "choice", "expected": "label", "choices": ["positive", "negative"]},
                },
            ),
            ("Attention", "/attention", {"text": sat, "aggregate": "both"}),
            ("Attention", "/attention_heads", {"text": sat}),
            ("Attention", "/attention_pairs", {"text": sat, "source": "it", "target": animal}),
            ("Attention", "/attribution", {"text": capital, "method": "gradient x input"}),
            ("Internals", "/logit_lens", {"text": capital, "k": 3}),
            ("Internals", "/ablate", {"text": capital, "targets": f"head {n}.{n}, mlp {n + 3}", "k": 5}),
            ("Internals", "/neuron", {"text": sat, "layer": n + 2, "index": 10 * n}),
            (
                "Internals",
                "/steer",
                {
                    "text": f"My {animal} is",
                    "positive": ["I love it", "It is wonderful"],
                    "layer": 12,
                    "strength": 2,
                    "negative": ["I hate it", "It is terrible"],
                    "max_new_tokens": 8,
                },
            ),
            ("Bias", "/bias_fill", {"template": f"The {work} spent [MASK] day at home.", "model": MASKED, "k": 5}),
            (
                "Bias",
                "/bias_fill",
                {"template": f"The {work} said that [MASK] was tired.", "candidates": ["he", "she"]},
            ),
            (
                "Bias",
                "/bias_pairs",
                {"pairs": [{"first": f"He is a {one}.", "second": f"She is a {one}."} for one in (work, "dancer")]},
            ),
            ("Search", "/search", {"query": question, "k": 3}),
        ]
        if n < 2:  # what takes longer
            asked += [
                ("Internals", "/probe", {"task": ("tense", "subject_number")[n], "layers": [0, 15]}),
                (
                    "Internals",
                    "/patch",
                    {
                        "clean": capital, "corrupted": f"The capital of {('Italy', 'Spain')[n]} is", "control": False,
                        "answer": ("Paris", "Tokyo")[n], "wrong_answer": ("Rome", "Madrid")[n],
                    },
                ),
                (
                    "Merge",
                    "/compose_adapters",
                    {
                        "adapters": [{"name": "pirate", "weight": 1 - n / 4}, {"name": "json", "weight": 0.5}],
                        "prompt": f"Tell me about {place}.", "max_new_tokens": 8,
                    },
                ),
                ("Merge", "/merge", {"recipe": PIRATE_AND_JSON | {"dtype": ("bfloat16", "float32")[n]}}),
                (
                    "Bias",
                    "/bias_association",
                    {
                        "x": ["doctor", "engineer", "lawyer"], "y": ["nurse", "teacher", "librarian"],
                        "a": ["he", "man"], "b": ["she", "woman"], "layer": (None, 8)[n],
                    },
                ),
                (
                    "Bias",
                    "/bias_generation",
                    {
                        "prompts": [f"The {{group}} who owns the {animal}"], "groups": ["man", "woman"],
                        "n": 2, "max_new_tokens": 6,
                    },
                ),
                ("Search", "/answer", {"query": question, "max_new_tokens": 16}),
            ]  # fmt: skip
        found += [
            Job(tab, endpoint, arguments, f"{endpoint} {n}.{i}") for i, (tab, endpoint, arguments) in enumerate(asked)
        ]
    return found
