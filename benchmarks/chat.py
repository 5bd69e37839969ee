"""Claim: a chat reply comes faster here than from plain `model.generate` with a `TextIteratorStreamer`.

Both sides run the same prompt on the same files, greedily, each in a process of its own with its own defaults: the
peer as the transformers documentation writes it, the playground as its page does. They take turns, so that a busy
machine slows both. Prints medians and the ratio pair by pair.

    python benchmarks/chat.py [--rounds 7] [--new-tokens 64]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROMPT = "Explain in three sentences why the sky is blue in the day and red in the evening."


def peer(folder: str, new_tokens: int) -> None:
    import threading

    from transformers import AutoModelForCausalLM, AutoTokenizer, TextIteratorStreamer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    messages = [{"role": "user", "content": PROMPT}]

    def once() -> dict:
        started = time.perf_counter()
        inputs = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_dict=True, return_tensors="pt"
        )
        streamer = TextIteratorStreamer(tokenizer, skip_prompt=True)
        settings = dict(max_new_tokens=new_tokens, min_new_tokens=new_tokens, do_sample=False)
        outputs = []
        thread = threading.Thread(
            target=lambda: outputs.append(model.generate(**inputs, streamer=streamer, **settings))
        )
        thread.start()
        first = None
        for piece in streamer:
            if piece and first is None:
                first = time.perf_counter() - started
        thread.join()
        seconds = time.perf_counter() - started
        n = outputs[0].shape[1] - inputs["input_ids"].shape[1]
        return {"first": first, "rate": (n - 1) / (seconds - first), "dtype": str(model.dtype)}

    for _ in sys.stdin:
        print(json.dumps(once()), flush=True)


def playground(precision: str, new_tokens: int) -> None:
    from playground import settings as all_settings
    from playground.labs import chat
    from playground.models.cache import ModelCache

    settings = all_settings.read([])
    models = ModelCache(settings)
    sampling = chat.Sampling(max_new_tokens=new_tokens, temperature=0)
    for _ in sys.stdin:
        with models.lease(settings.default_models[0] + precision) as engine:
            engine.prefixes.clear()  # the peer reads the prompt anew each time too
            started = time.perf_counter()
            first, last = None, None
            for last in chat.reply(engine, [{"role": "user", "content": PROMPT}], sampling):
                if last.text and first is None:
                    first = time.perf_counter() - started
            seconds = time.perf_counter() - started
            rate = (last.new_tokens - 1) / (seconds - first)
            print(json.dumps({"first": first, "rate": rate, "dtype": engine.precision}), flush=True)


class Side:
    """One competitor in its own process, asked for one reply at a time."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        command = [sys.executable, __file__, *arguments]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
        )

    def once(self) -> dict:
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a side of the benchmark ended early; its message stands above")
        return json.loads(line)

    def end(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--side", choices=["peer", "playground", "int8"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side == "peer":
        return peer(options.folder, options.new_tokens)
    if options.side:
        return playground("#int8" if options.side == "int8" else "", options.new_tokens)

    sys.path.insert(0, str(ROOT))
    from playground import settings as all_settings
    from playground.models import sources

    settings = all_settings.read([])
    folder = sources.fetch(settings.default_models[0], settings, lambda *_: None).folder
    plain = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    ours = plain | {"PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
    count = ["--new-tokens", str(options.new_tokens)]
    sides = {
        "generate": Side(["--side", "peer", "--folder", str(folder), *count], plain),
        "playground": Side(["--side", "playground", *count], ours),
        "int8": Side(["--side", "int8", *count], ours),
    }
    results: dict[str, list[dict]] = {name: [] for name in sides}
    for turn in range(options.rounds + 1):
        for name, side in sides.items():
            result = side.once()
            if turn:  # the first loads the model and warms up
                results[name].append(result)
    for side in sides.values():
        side.end()

    print(f"{settings.default_models[0]}, {options.new_tokens} tokens, greedy, {options.rounds} pairs after a warm-up")
    for name, rows in results.items():
        rates, firsts = [r["rate"] for r in rows], [r["first"] for r in rows]
        print(
            f"{name:11} {rows[0]['dtype']:15} {statistics.median(rates):6.1f} tokens/s "
            f"({min(rates):.1f} to {max(rates):.1f})   first token {statistics.median(firsts):6.3f} s "
            f"({min(firsts):.3f} to {max(firsts):.3f})"
        )
    for ours_name in ("playground", "int8"):
        pairs = list(zip(results[ours_name], results["generate"], strict=True))
        for label, ratios in (
            (f"tokens/s, {ours_name} / generate", [a["rate"] / b["rate"] for a, b in pairs]),
            (f"time to first token, generate / {ours_name}", [b["first"] / a["first"] for a, b in pairs]),
        ):
            print(f"{label}: median {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
