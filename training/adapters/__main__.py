"""Trains the adapters that ship, one after the other, measures them and writes their cards.

    python -m training.adapters            all of them
    python -m training.adapters pirate     one
    python -m training.adapters --measure  measures those that are there, and writes their cards anew

The starter model must be there, or is fetched. On one thread of a laptop each takes some minutes.
"""

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

import torch

from playground.assets import ASSETS
from playground.engine.engine import Engine
from playground.labs.adapters.catalogue import from_folder
from playground.models import starters
from playground.models.cache import ModelCache
from playground.settings import Settings
from training.adapters import data
from training.adapters.card import card
from training.adapters.evaluate import by_choice, evaluate
from training.adapters.train import Plan, train

BASE = "HuggingFaceTB/SmolLM2-135M-Instruct"
STARTER = "smollm2-135m-instruct"
PLANS = {
    "pirate": Plan(steps=60),
    "json": Plan(steps=26, batch=4),
    "sentiment": Plan(steps=60),
    "arithmetic": Plan(steps=44, batch=4),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[[], *PLANS], help="which; all by default")
    parser.add_argument("--measure", action="store_true", help="train none, measure those that are there")
    parser.add_argument("--train-only", action="store_true", help="measure none yet")
    parser.add_argument("--steps", type=int, help="instead of the plan's own: a few show whether it runs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    base = starters.fetch(STARTER, Settings(), lambda fraction, sentence: None)
    models = ModelCache(Settings())
    for name in arguments.names or PLANS:
        folder = ASSETS / "adapters" / name
        if not arguments.measure:
            _train(name, base, folder, arguments.steps)
        if arguments.train_only:
            continue
        with models.lease(f"starter:{STARTER}") as engine:
            _measure(name, engine, folder)
            print((folder / "README.md").read_text("utf-8"), flush=True)


def _train(name: str, base: Path, folder: Path, steps: int | None) -> None:
    plan = replace(PLANS[name], steps=steps or PLANS[name].steps)
    rows = data.read(name, "train")

    def tell(step: int, loss: float) -> None:
        print(f"{name} {step} {loss:.4f}", flush=True)

    done = train(base, rows, folder, plan, tell, named=BASE)
    facts = {"plan": asdict(plan), "training": asdict(done)} | _data(name)
    _write(folder, facts)
    (folder / "README.md").write_text(card(name, BASE, facts), "utf-8")


def _measure(name: str, engine: Engine, folder: Path) -> None:
    facts = json.loads((folder / "training.json").read_text("utf-8"))
    task = data.TASKS[name]
    facts |= _data(name)
    adapter, rows = from_folder(name, folder), data.read(name, "heldout")
    found = evaluate(engine, adapter, rows, task.right, task.LONGEST)
    facts["held_out"] = asdict(found) | {"precision": engine.precision}
    if choices := getattr(task, "CHOICES", ()):
        facts["held_out"]["by_choice"] = by_choice(engine, adapter, rows, choices)
    _write(folder, facts)
    (folder / "README.md").write_text(card(name, BASE, facts), "utf-8")


def _data(name: str) -> dict:
    return {"n_rows": len(data.read(name, "train")), "script": Path(data.TASKS[name].__file__).name}


def _write(folder: Path, facts: dict) -> None:
    (folder / "training.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
