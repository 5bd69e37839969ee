"""Trains one LoRA adapter with PEFT on rows of (asked, answer) and saves it as a PEFT folder.

Only the answer's tokens count in the loss. The model's weights stay as they are and in their precision; the adapter's
are float32 while they are trained and float16 in the file. It does not know what the rows are about.

LoRA: Hu et al. 2021, arXiv 2106.09685.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import peft
import torch
import transformers
from torch import Tensor

_IGNORED = -100  # the label that cross entropy passes over


@dataclass(frozen=True)
class Plan:
    """How an adapter is trained."""

    steps: int
    batch: int = 6
    rank: int = 8
    alpha: int = 16
    learning_rate: float = 2e-3
    warm_up: int = 6  # steps
    dropout: float = 0.05
    modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")
    seed: int = 0


@dataclass(frozen=True)
class Training:
    losses: tuple[float, ...]  # a step, nats a token
    seconds: float
    n_parameters: int  # of the adapter
    n_tokens: int  # answers' tokens, each as often as it was read


def train(
    base: Path,
    rows: Sequence[tuple[str, str]],
    folder: Path,
    plan: Plan,
    tell: Callable[[int, float], None] = lambda step, loss: None,
    dtype: torch.dtype = torch.bfloat16,
    named: str | None = None,
) -> Training:
    """Trains on the rows and saves the adapter in `folder`.

    Args:
        base: folder of a causal model with a chat template.
        tell: called after each step with its number, from 1, and its loss.
        named: what the adapter says its base is; its folder by default.
    """
    began = time.monotonic()
    torch.manual_seed(plan.seed)
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
    config = peft.LoraConfig(
        task_type="CAUSAL_LM",
        r=plan.rank,
        lora_alpha=plan.alpha,
        lora_dropout=plan.dropout,
        target_modules=list(plan.modules),
    )
    model = peft.get_peft_model(model, config)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=plan.learning_rate, weight_decay=0.0)
    schedule = transformers.get_cosine_schedule_with_warmup(optimizer, plan.warm_up, plan.steps)
    texts = [_encode(tokenizer, asked, answer) for asked, answer in rows]
    order = _batches(len(texts), plan)
    losses, n_tokens = [], 0
    model.train()
    for step in range(1, plan.steps + 1):
        ids, mask, labels = _padded([texts[row] for row in next(order)], tokenizer.pad_token_id or 0)
        loss = _loss(model, ids, mask, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        n_tokens += int((labels != _IGNORED).sum())
        tell(step, losses[-1])
    for parameter in trained:
        parameter.data = parameter.data.half()
    if named is not None:
        model.peft_config["default"].base_model_name_or_path = named
    model.save_pretrained(folder)
    return Training(tuple(losses), time.monotonic() - began, sum(p.numel() for p in trained), n_tokens)


def _loss(model, ids: Tensor, mask: Tensor, labels: Tensor) -> Tensor:
    """Mean negative log-likelihood of the labels, nats a token. Logits of nobody's labels are not computed."""
    inner = model.get_base_model()
    hidden = inner.base_model(input_ids=ids, attention_mask=mask).last_hidden_state
    wanted = labels[:, 1:] != _IGNORED
    logits = inner.lm_head(hidden[:, :-1][wanted])
    return torch.nn.functional.cross_entropy(logits.float(), labels[:, 1:][wanted])


def _encode(tokenizer, asked: str, answer: str) -> tuple[list[int], int]:
    """The tokens of a conversation, and how many of them are there before the answer."""
    question = [{"role": "user", "content": asked}]
    options = {"tokenize": False}
    before = tokenizer.apply_chat_template(question, add_generation_prompt=True, **options)
    ids = tokenizer(before, add_special_tokens=False).input_ids
    answered = tokenizer(answer + tokenizer.eos_token, add_special_tokens=False).input_ids
    return ids + answered, len(ids)


def _batches(n: int, plan: Plan):
    """Places of rows, all of them once before any comes again."""
    rng, waiting = random.Random(plan.seed), []
    while True:
        batch = []
        while len(batch) < plan.batch:
            if not waiting:
                waiting = rng.sample(range(n), n)
            batch.append(waiting.pop())
        yield batch


def _padded(texts: list[tuple[list[int], int]], pad: int) -> tuple[Tensor, Tensor, Tensor]:
    """ids, mask and labels, each (text, position)."""
    width = max(len(ids) for ids, _ in texts)
    ids = torch.full((len(texts), width), pad)
    mask = torch.zeros(len(texts), width, dtype=torch.long)
    labels = torch.full((len(texts), width), _IGNORED)
    for row, (tokens, n_before) in enumerate(texts):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        mask[row, : len(tokens)] = 1
        labels[row, n_before : len(tokens)] = torch.tensor(tokens[n_before:])
    return ids, mask, labels
