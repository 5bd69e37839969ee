"""The data sets as files: `python -m training.adapters.data` writes `assets/data/adapters/` anew, always the same.

One JSON object a line, {"messages": [user, assistant]}, as chat models are usually trained on. It does not know how.
"""

import json
from pathlib import Path
from types import ModuleType

from playground.assets import ASSETS
from training.adapters import arithmetic, json_answers, pirate, sentiment

TASKS: dict[str, ModuleType] = {
    "pirate": pirate,
    "json": json_answers,
    "sentiment": sentiment,
    "arithmetic": arithmetic,
}
FOLDER = ASSETS / "data" / "adapters"
SEED = 0
Pairs = list[tuple[str, str]]  # what is asked, and the answer


def rows(name: str) -> dict[str, Pairs]:
    """The two halves of one data set, by file name."""
    task = TASKS[name]
    return {f"{name}.train.jsonl": task.train(SEED), f"{name}.heldout.jsonl": task.held_out(SEED)}


def as_lines(pairs: Pairs) -> str:
    def message(role: str, content: str) -> dict[str, str]:
        return {"role": role, "content": content}

    return "".join(
        json.dumps({"messages": [message("user", asked), message("assistant", answer)]}, ensure_ascii=False) + "\n"
        for asked, answer in pairs
    )


def read(name: str, half: str, folder: Path = FOLDER) -> Pairs:
    """The rows of one file; `half` is "train" or "heldout"."""
    lines = (folder / f"{name}.{half}.jsonl").read_text(encoding="utf-8").splitlines()
    return [tuple(message["content"] for message in json.loads(line)["messages"]) for line in lines]


def write(folder: Path = FOLDER) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in TASKS:
        for file, pairs in rows(name).items():
            (folder / file).write_text(as_lines(pairs), encoding="utf-8")


if __name__ == "__main__":
    write()
