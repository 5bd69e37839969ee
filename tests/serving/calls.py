"""A small call of every endpoint that works on tiny models, to be spoilt argument by argument."""

from pathlib import Path
from typing import Any

TEXT = "The cat sat on the mat"
ROWS = [{"text": text, "label": label} for text, label in (("The cat sat.", "the"), ("Paris", "cat"))]
LABELLED = [{"text": f"The cat sat on mat {i}", "label": "cat"} for i in range(8)]
LABELLED += [{"text": f"A doctor asked nurse {i}", "label": "doctor"} for i in range(8)]


def good(writer: Path, reader: Path, key: str) -> dict[str, dict[str, Any]]:
    """Arguments by endpoint.

    Args:
        writer: a model that writes, which is the page's default too.
        reader: one that makes vectors of sentences.
        key: of a collection mine/capitals.
    """
    one = {"max_new_tokens": 2, "temperature": 0.0}
    linear = {"merge_method": "linear", "models": [{"model": str(writer), "parameters": {"weight": 1.0}}] * 2}
    mine = {"collection": "mine/capitals", "key": key}
    return {
        "models": {},
        "next_tokens": {"text": TEXT, "k": 2},
        "chat": {"messages": [{"role": "user", "content": "Hello"}], **one},
        "complete": {"text": TEXT, **one},
        "prompt_run": {"prompts": [{"query": "{{text}}"}], "rows": ROWS, "settings": {"max_new_tokens": 2}},
        "label": {"text": TEXT, "choices": ["the", "cat"]},
        "attention": {"text": TEXT, "layers": [0]},
        "attention_heads": {"text": TEXT},
        "attention_pairs": {"text": TEXT, "source": "cat", "target": "mat"},
        "attribution": {"text": "The cat", "method": "gradient x input"},
        "logit_lens": {"text": TEXT, "k": 2},
        "patch": dict(clean="The cat sat", corrupted="The mat sat", answer=" the", wrong_answer=" was"),
        "ablate": {"text": TEXT, "targets": "head 1.2", "k": 2},
        "steer": {"text": "The", "positive": ["cat"], "negative": ["mat"], "layer": 1, **one},
        "neuron": {"text": TEXT, "layer": 0, "index": 1},
        "merge": {"recipe": linear},
        "merge_inspect": {"a": str(writer), "b": str(writer)},
        "merge_save": {"recipe": linear, "name": "../up"},
        "compose_adapters": {"adapters": [{"name": "nowhere", "weight": 1.0}]},
        "bias_fill": {"template": "The [MASK] sat.", "candidates": ["cat", "nurse"]},
        "bias_pairs": {"pairs": [{"first": "The cat sat", "second": "The nurse sat"}]},
        "bias_association": dict(x=["cat", "mat"], y=["doctor", "nurse"], a=["Paris", "France"], b=["capital", "help"]),
        "bias_generation": {"prompts": ["The {group} sat"], "groups": ["cat", "nurse"], "n": 1, "max_new_tokens": 2},
        "probe": {"rows": LABELLED, "layers": [1]},
        "collection_add": {
            "collection": "mine/x",
            "texts": [{"name": "a.txt", "text": TEXT}],
            "embedding": str(reader),
        },
        "collections": {"key": key},
        "collection_export": mine,
        "collection_import": {"file": {"path": "/nowhere", "meta": {"_type": "gradio.FileData"}}},
        "collection_delete": {"collection": "mine/nowhere", "key": key},
        "search": {"query": "Paris", "method": "bm25", **mine},
        "answer": {"query": "Paris", "k": 1, "threshold": 0.0, "method": "bm25", "max_new_tokens": 2, **mine},
        "search_evaluate": {"questions": [{"id": "f", "question": "Paris", "document": "France.txt"}], **mine},
    }
