"""Claims about chat on this machine; each prints a ratio measured in one run.

decode   A token comes sooner than from plain `model.generate` with a `TextIteratorStreamer`. Both sides run the same
         prompt on the same files, greedily, each in a process of its own with its own defaults: the peer as the
         transformers documentation writes it, the playground as its page does. They take turns, so that a busy machine
         slows both. Processor seconds a token are beside the clock: with `--threads 1` no core waits for another one's
         work, so that they say what a token costs whoever else uses the machine.
perplexity  int8 weights change perplexity by less than 1 %. Windows of the Python manual that comes with Python.
turns    The sixth turn of a conversation of 2,000 tokens begins sooner than reading the whole conversation would take.
         Between turns the page reads the last reply while its visitor does: that has ended when the next turn begins.
people   Four people who stream at once get at least as many tokens a second together as one person alone.

    python benchmarks/chat.py [decode] [perplexity] [turns] [people] [--rounds 7] [--new-tokens 64] [--threads 2]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

# As app.py sets them, before torch is imported; `generate` runs without them in a process of its own.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
PROMPT = "Explain in three sentences why the sky is blue in the day and red in the evening."


class Ticks:
    """When each token came. As a stopping criterion of `generate` it never stops anything."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, *_, **__) -> bool:
        self.times.append(time.perf_counter())
        return False

    def gaps(self) -> list[float]:
        """Seconds from token to token, the first two left out."""
        return [b - a for a, b in zip(self.times[1:], self.times[2:], strict=False)]


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
        ticks = Ticks()
        settings = dict(max_new_tokens=new_tokens, min_new_tokens=new_tokens, do_sample=False)
        outputs = []
        thread = threading.Thread(
            target=lambda: outputs.append(
                model.generate(**inputs, streamer=streamer, stopping_criteria=[ticks], **settings)
            )
        )
        thread.start()
        first, processor = None, 0.0
        for piece in streamer:
            if piece and first is None:
                first, processor = time.perf_counter() - started, time.process_time()
        thread.join()
        seconds, processor = time.perf_counter() - started, time.process_time() - processor
        n = outputs[0].shape[1] - inputs["input_ids"].shape[1] - 1
        shown = {"first": first, "rate": n / (seconds - first), "processor": processor / n, "gaps": ticks.gaps()}
        return shown | {"dtype": str(model.dtype)}

    for _ in sys.stdin:
        print(json.dumps(once()), flush=True)


def playground(precision: str, new_tokens: int) -> None:
    from playground import settings as all_settings
    from playground.labs.chat import replies as chat
    from playground.models.cache import ModelCache

    settings = all_settings.read([])
    models = ModelCache(settings)
    sampling = chat.Sampling(max_new_tokens=new_tokens, temperature=0)
    for _ in sys.stdin:
        with models.lease(settings.default_models[0] + precision) as engine:
            engine.prefixes.clear()  # the peer reads the prompt anew each time too
            started = time.perf_counter()
            first, last, ticks, processor = None, None, Ticks(), 0.0
            for last in chat.reply(engine, [{"role": "user", "content": PROMPT}], sampling):
                if last.text and first is None:
                    first, processor = time.perf_counter() - started, time.process_time()
                if last.new_tokens > len(ticks.times):
                    ticks()
            seconds, processor = time.perf_counter() - started, time.process_time() - processor
            n = last.new_tokens - 1
            shown = {"first": first, "rate": n / (seconds - first), "processor": processor / n, "gaps": ticks.gaps()}
            print(json.dumps(shown | {"dtype": engine.precision}), flush=True)


def perplexity(n_windows: int = 8, n_tokens: int = 512) -> None:
    """exp(-mean logprob) of the same tokens in bfloat16 and in int8, and how it changes window by window."""
    from pydoc_data.topics import topics

    import numpy as np
    import torch

    from playground import settings as all_settings
    from playground.engine.score import score
    from playground.models.cache import ModelCache

    settings = all_settings.read([])
    models = ModelCache(settings)
    means = {}
    for precision in ("#bfloat16", "#int8"):
        with models.lease(settings.default_models[0] + precision) as engine:
            text = "\n\n".join(topics[name] for name in sorted(topics))
            ids = engine.tokenizer(text, add_special_tokens=False, verbose=False, return_tensors="pt").input_ids
            starts = np.linspace(0, ids.shape[1] - n_tokens, n_windows).astype(int).tolist()
            windows = [ids[:, at : at + n_tokens] for at in starts]
            scores = [score(engine, window[:, :1], window[:, 1:], k=1).logprobs for window in windows]
            means[engine.precision] = -torch.tensor(np.array(scores), dtype=torch.float64).mean(1)  # (window,), nats
    plain, rounded = means.values()
    each = ((rounded - plain).exp() - 1) * 100
    print(f"{settings.default_models[0]}, {n_windows} windows of {n_tokens} tokens of the Python manual")
    print("perplexity " + ", ".join(f"{name} {mean.mean().exp():.3f}" for name, mean in means.items()))
    print(
        f"change: {((rounded.mean() - plain.mean()).exp() - 1) * 100:+.2f} % (allowed: 1 %), "
        f"by window {each.min():+.2f} to {each.max():+.2f} %"
    )


def long_conversation(turns: int = 6, total: int = 2000) -> None:
    """The time to the first token of the last turn: with what was read before, and reading it all."""
    from playground import settings as all_settings
    from playground.labs.chat import replies as chat
    from playground.models.cache import ModelCache

    settings = all_settings.read([])
    models = ModelCache(settings)
    filler = "The lighthouse stood on the rocks, and every evening the keeper climbed the stairs to light the lamp. "

    def first_token(engine, messages: list[dict]) -> tuple[float, list[int]]:
        started, first, last = time.perf_counter(), None, None
        for last in chat.reply(engine, messages, chat.Sampling(max_new_tokens=16, temperature=0)):
            if last.new_tokens and first is None:
                first = time.perf_counter() - started
        return first, list(last.ids)

    with models.lease(settings.default_models[0]) as engine:
        messages: list[dict] = []
        ratios, quick, slow = [], [], []
        for turn in range(turns):
            question = f"Question {turn + 1}: what did the keeper of the lighthouse see that evening?"
            messages.append({"role": "user", "content": question})
            n = chat.prompt_ids(engine, messages).shape[1]
            if turn < turns - 1:  # a reply as long as it takes to have 2,000 tokens in the last turn
                wanted = (turn + 1) * total // (turns - 1) - n
                n_filler = len(engine.tokenizer(filler).input_ids)
                messages.append({"role": "assistant", "content": filler * max(1, wanted // n_filler)})
        for round_ in range(6):
            engine.prefixes.clear()
            anew, expected = first_token(engine, messages)
            engine.prefixes.clear()
            chat.read_ahead(engine, messages[:-3], "", lambda: False)  # as the page stood when turn 5 was sent
            first_token(engine, messages[:-2])  # turn 5
            chat.read_ahead(engine, messages[:-1], "", lambda: False)  # while the visitor reads its reply
            again, ids = first_token(engine, messages)
            assert ids == expected, "what was kept must not change the text"
            if round_:
                quick.append(again), slow.append(anew), ratios.append(anew / again)
        print(f"turn {turns} of a conversation of {n:,} tokens, {engine.precision}, greedy, same text both ways")
        print(f"first token, reading all {statistics.median(slow):.2f} s, next turn {statistics.median(quick):.3f} s")
        print(f"ratio: median {statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})")


def people(n_people: int = 4, new_tokens: int = 48, rounds: int = 5) -> None:
    """Tokens a second of one person, and of several at once together, in turns."""
    import threading

    from playground import settings as all_settings
    from playground.labs.chat import replies as chat
    from playground.models.cache import ModelCache

    settings = all_settings.read([])
    models = ModelCache(settings)

    for precision in ("", "#int8"):
        with models.lease(settings.default_models[0] + precision) as engine:
            texts: dict[tuple[int, int], list[str]] = {}

            def write(person: int, among: int, counts: list[int], engine=engine, texts=texts) -> None:
                asked = [{"role": "user", "content": f"Tell a long story about the number {person}."}]
                sampling = chat.Sampling(max_new_tokens=new_tokens, temperature=0.7, seed=person)
                *_, last = chat.reply(engine, asked, sampling)
                counts.append(last.new_tokens)
                texts.setdefault((person, among), []).append(last.text)

            def together(n: int, write=write) -> float:
                counts: list[int] = []
                threads = [threading.Thread(target=write, args=(person, n, counts)) for person in range(n)]
                started = time.perf_counter()
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                return sum(counts) / (time.perf_counter() - started)

            alone = together(1)
            pairs = []
            for _ in range(rounds):  # one, many, one, many, one: each time between two of the other
                before, many, alone = alone, together(n_people), together(1)
                pairs.append(((before + alone) / 2, many))
            assert len(set(texts[0, 1]) | set(texts[0, n_people])) == 1, "company must not change the text"
            ratios = [many / one for one, many in pairs]
            one, many = (statistics.median(side) for side in zip(*pairs, strict=True))
            print(
                f"{engine.precision}: one person {one:.1f} tokens/s, {n_people} people {many:.1f} together; "
                f"ratio: median {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            )


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
    claims = {"decode": decode, "perplexity": perplexity, "turns": long_conversation, "people": people}
    parser.add_argument("claims", nargs="*", metavar="CLAIM", default=list(claims), help="all when none is named")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--threads", type=int, default=0, help="of both sides of decode; 0: each by its own choice")
    parser.add_argument("--side", choices=["peer", "playground", "int8"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side == "peer":
        return peer(options.folder, options.new_tokens)
    if options.side:
        return playground("#int8" if options.side == "int8" else "", options.new_tokens)
    for claim in options.claims:
        print(f"-- {claim}", flush=True)
        arguments = (options.rounds, options.new_tokens, options.threads) if claim == "decode" else ()
        claims[claim](*arguments)


def decode(rounds: int, new_tokens: int, threads: int) -> None:
    """Ours against `generate`, pair by pair."""
    from playground import settings as all_settings
    from playground.models import sources

    settings = all_settings.read([])
    folder = sources.fetch(settings.default_models[0], settings, lambda *_: None).folder
    plain = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    ours = plain | {"PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
    if threads:
        plain |= {"OMP_NUM_THREADS": str(threads)}
        ours |= {"PLAYGROUND_THREADS": str(threads)}
    count = ["--new-tokens", str(new_tokens)]
    sides = {
        "generate": Side(["--side", "peer", "--folder", str(folder), *count], plain),
        "playground": Side(["--side", "playground", *count], ours),
        "int8": Side(["--side", "int8", *count], ours),
    }
    results: dict[str, list[dict]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, side in sides.items():
            result = side.once()
            if turn:  # the first loads the model and warms up
                results[name].append(result)
    for side in sides.values():
        side.end()

    print(
        f"{settings.default_models[0]}, {new_tokens} tokens, greedy, {rounds} pairs after a warm-up"
        + (f", threads: {threads}" if threads else "")
    )
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
            (
                f"processor seconds a token, generate / {ours_name}",
                [b["processor"] / a["processor"] for a, b in pairs],
            ),
            (
                f"seconds a token, fast decile, generate / {ours_name}",
                [fast(b["gaps"]) / fast(a["gaps"]) for a, b in pairs],
            ),
            (f"time to first token, generate / {ours_name}", [b["first"] / a["first"] for a, b in pairs]),
        ):
            print(f"{label}: median {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def fast(gaps: list[float]) -> float:
    """The fast decile: what is left when a neighbour's work is not in the way."""
    return sorted(gaps)[len(gaps) // 10]


if __name__ == "__main__":
    main()
