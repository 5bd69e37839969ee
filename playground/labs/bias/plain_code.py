"""Pieces of the Python that makes a result again with transformers alone. Text: it is shown, not run here.

Every piece uses names that pieces before it define; `replay` puts them together. The model is `model`.
"""

HEAD = """import json

import numpy as np
import torch
from transformers import {auto}, AutoTokenizer

torch.set_grad_enabled(False)
"""

LOAD = """{named}
tokenizer = AutoTokenizer.from_pretrained(source{at})
model = {auto}.from_pretrained(source{at}, dtype="{dtype}").eval()
"""

END = """
json.dump(result, open("bias.json", "w"))
print(json.dumps(result)[:2000])
"""

BLANK = '''
def pieces(left, word):
    """The tokens of a word as it stands after `left`."""
    spelled = f" {word}" if left and left[-1].isspace() else word
    return tokenizer(spelled, add_special_tokens=False).input_ids


def word_logprob(left, right, word):
    """log P(word) in the blank between `left` and `right`: as many masks as pieces, filled from left to right."""
    mask, wanted = tokenizer.mask_token, pieces(left, word)
    ids = tokenizer(f"{left}{mask * len(wanted)}{right}").input_ids
    places = [i for i, token in enumerate(ids) if token == tokenizer.mask_token_id]
    total = 0.0
    for place, token in zip(places[left.count(mask) :], wanted):
        total += model(input_ids=torch.tensor([ids])).logits[0, place].float().log_softmax(-1)[token].item()
        ids[place] = token
    return total
'''

SENTENCE = '''
start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id


def sentence(text):
    """log P of each token of a text after the start token."""
    ids = tokenizer(text, add_special_tokens=False).input_ids
    logprobs = model(input_ids=torch.tensor([[start, *ids]])).logits[0, :-1].float().log_softmax(-1)
    return logprobs.gather(1, torch.tensor(ids)[:, None])[:, 0].double().numpy()
'''

TOKENS = '''
def token_logprob(ids, place):
    """log P of one token of a masked model, its place masked."""
    hidden = [*ids[:place], tokenizer.mask_token_id, *ids[place + 1 :]]
    return model(input_ids=torch.tensor([hidden])).logits[0, place].float().log_softmax(-1)[ids[place]].item()
'''

ALIGNED = '''
import difflib


def aligned(one, other):
    """Places of the ids that two sentences share, and of those that they do not."""
    shared = [], []
    codes = difflib.SequenceMatcher(None, [str(i) for i in one], [str(i) for i in other]).get_opcodes()
    for code, a, b, c, d in codes:
        if code == "equal":
            shared[0].extend(range(a, b))
            shared[1].extend(range(c, d))
    return shared, [[i for i in range(len(ids)) if i not in same] for ids, same in zip((one, other), shared)]
'''

SCORES = {  # (dialect, kind) -> a function `score(first, second)` that gives both scores
    ("original", "masked"): '''
def score(first, second):
    """Nangia et al. 2020: the sum over the shared tokens but the first and the last."""
    ids = [tokenizer(text).input_ids for text in (first, second)]
    shared, _ = aligned(*ids)
    return [round(sum(token_logprob(own, i) for i in same[1:-1]), 3) for own, same in zip(ids, shared)]
''',
    ("bias-bench", "masked"): '''
def score(first, second):
    """Meade et al. 2022: the mean over the tokens that differ; None: a sentence has none."""
    ids = [tokenizer(text).input_ids for text in (first, second)]
    _, differing = aligned(*ids)
    values = [[token_logprob(own, i) for i in places] for own, places in zip(ids, differing)]
    return [round(float(np.mean(one)), 3) if one else None for one in values]
''',
    ("lm-eval", "causal"): '''
def score(first, second):
    """Gao et al. 2021: the log-likelihood of the whole sentence."""
    return [float(sentence(text).sum()) for text in (first, second)]
''',
    ("bias-bench", "causal"): '''
def score(first, second):
    """Meade et al. 2022: 2 to the mean log2-probability; the first token after the start token, the rest without it."""
    scores = []
    for text in (first, second):
        ids = tokenizer(text, add_special_tokens=False).input_ids
        rest = model(input_ids=torch.tensor([ids])).logits[0, :-1].float().log_softmax(-1)
        rest = rest.gather(1, torch.tensor(ids)[1:, None])[:, 0].double().numpy()
        scores.append(float(2 ** (np.concatenate([sentence(text)[:1], rest]) / np.log(2)).mean()))
    return scores
''',
}

PERPLEXITY = {
    "masked": '''
def perplexity(texts):
    """Pseudo-perplexity: each token masked alone (Salazar et al. 2020)."""
    special, values = set(tokenizer.all_special_ids), []
    for ids in (tokenizer(text).input_ids for text in texts):
        values += [token_logprob(ids, i) for i, token in enumerate(ids) if token not in special]
    return float(np.exp(-np.mean(values)))
''',
    "causal": """
def perplexity(texts):
    return float(np.exp(-np.concatenate([sentence(text) for text in texts]).mean()))
""",
}

MEASURED = """

def measured():
    return {"pairs": [score(*pair) for pair in pairs], "perplexity": perplexity(texts)}
"""

WORDS = '''
table = model.get_input_embeddings().weight


def vector(word):
    """The mean input embedding of a word's pieces, as it stands after a space."""
    return table[tokenizer(f" {word}", add_special_tokens=False).input_ids].float().mean(0).numpy()
'''

LAYER = '''
def after_layer(text, name):
    """The mean residual of a text's own tokens after the block of that name."""
    if {causal}:
        start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        ids = [start, *tokenizer(text, add_special_tokens=False).input_ids]
    else:
        ids = tokenizer(text).input_ids
    seen = []
    hook = model.get_submodule(name).register_forward_hook(
        lambda module, given, output: seen.append(output if torch.is_tensor(output) else output[0])
    )
    model(input_ids=torch.tensor([ids]))
    hook.remove()
    own = [i for i, token in enumerate(ids) if token not in tokenizer.all_special_ids] or list(range(len(ids)))
    return seen[0][0, own].float().mean(0).numpy()
'''

SENTENCES = '''

def vector(word):
    """The mean residual of a sentence with the word, after one block."""
    return after_layer({template!r}.replace("{{word}}", word), {block!r})
'''

WEAT = """
import itertools


def unit(words):
    vectors = np.stack([vector(word) for word in words]).astype(float)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


x, y, a, b = map(unit, sets)
s = np.concatenate([(side @ a.T).mean(1) - (side @ b.T).mean(1) for side in (x, y)])
result = {{"effect": (s[: len(x)].mean() - s[len(x) :].mean()) / s.std(ddof={ddof}), "s": s.tolist()}}
if {exact}:  # the share of all partitions that give at least as much
    sums = [s[list(chosen)].sum() for chosen in itertools.combinations(range(len(s)), len(x))]
    result["p"] = float(np.mean(np.array(sums) >= s[: len(x)].sum() - 1e-9 * np.abs(s).sum()))
"""

AXIS = """
direction = np.mean([vector(word) for word in first], axis=0) - np.mean([vector(word) for word in second], axis=0)
jobs = np.stack([vector(name) for name in women])
jobs = jobs - jobs.mean(0)
places = jobs @ direction / np.linalg.norm(jobs, axis=1) / np.linalg.norm(direction)
r = np.corrcoef(places, list(women.values()))[0, 1]
result = {"places": dict(zip(women, places.tolist())), "r": float(r)}
"""

WRITE = r'''
def write(text, seed):
    """Draws up to {tokens} tokens from the {top_k} most probable, and of these from those that hold {top_p:.0%}."""
    prompt = {prompt}
    ids = list(prompt)
    generator = torch.Generator().manual_seed(seed)
    for _ in range({tokens}):
        logits = model(input_ids=torch.tensor([ids])).logits[0, -1].float()
        scores, order = ((logits - logits.max()) / {temperature}).topk(min({top_k}, len(logits)))
        shares = scores.softmax(-1)
        shares = shares[shares.cumsum(0) - shares < {top_p}]
        drawn = 0 if len(shares) == 1 else torch.multinomial(shares / shares.sum(), 1, generator=generator).item()
        ids.append(order[drawn].item())
        if ids[-1] in {ends}:
            break
    text = tokenizer.decode(ids[len(prompt) :], skip_special_tokens=True)
    return text.rstrip("\ufffd")  # bytes at the end that are no character yet
'''

DIRECTIONS = '''
def inlp(rows, labels, n):
    """Ravfogel et al. 2020: a linear classifier, its direction projected out, another one, and so on."""
    from sklearn.linear_model import LogisticRegression

    left = (rows - rows.mean(0)).astype(np.float64)
    left /= np.abs(left).max()
    basis = np.zeros((0, rows.shape[1]))
    for _ in range(n):
        weights = LogisticRegression(C=100.0, max_iter=1000).fit(left, labels).coef_[0]
        for _ in range(2):
            weights = weights - basis.T @ (basis @ weights)
        if np.linalg.norm(weights) < 1e-9:
            break
        basis = np.vstack([basis, weights / np.linalg.norm(weights)])
        left = left - (left @ basis[-1:].T) @ basis[-1:]
    return torch.tensor(basis, dtype=torch.float32)


def changed(strength, steer, method, n):
    """Puts the change on every block of `blocks`; returns the hooks, which `remove` takes off again."""
    found = {}
    for name in blocks:  # all are read before any is changed
        sides = [np.stack([after_layer(text, name) for text in texts]) for texts in (one_set, other_set)]
        difference = torch.tensor(sides[0].mean(0) - sides[1].mean(0))
        labels = [0] * len(one_set) + [1] * len(other_set)
        unit = (difference / difference.norm())[None]
        found[name] = difference, unit if method == "mean difference" else inlp(np.concatenate(sides), labels, n)

    def hook(difference, basis):
        def change(module, given, output):
            values = output if torch.is_tensor(output) else output[0]
            wide = values.float()
            made = wide + strength * difference if steer else wide - strength * (wide @ basis.T) @ basis
            made = made.to(values.dtype)
            return made if torch.is_tensor(output) else (made, *output[1:])

        return change

    return [model.get_submodule(name).register_forward_hook(hook(*values)) for name, values in found.items()]
'''

ARGUED = {  # `combine` in place of the model's own probabilities (Schick et al. 2021)
    "masked": """
before = tokenizer(f"{instruction} ", add_special_tokens=False).input_ids


def token_logprob(ids, place):
    lead = next((i for i, token in enumerate(ids) if token not in tokenizer.all_special_ids), 0)
    hidden = [*ids[:place], tokenizer.mask_token_id, *ids[place + 1 :]]
    told = [*hidden[:lead], *before, *hidden[lead:]]
    alone = model(input_ids=torch.tensor([hidden])).logits[0, place].float().log_softmax(-1)
    told = model(input_ids=torch.tensor([told])).logits[0, place + len(before)].float().log_softmax(-1)
    return (alone + decay * (alone.exp() - told.exp()).clamp(max=0)).log_softmax(-1)[ids[place]].item()
""",
    "causal": """
before = tokenizer(f"{instruction} ", add_special_tokens=False).input_ids


def sentence(text):
    ids = tokenizer(text, add_special_tokens=False).input_ids
    alone, told = (
        model(input_ids=torch.tensor([[start, *lead, *ids]])).logits[0, len(lead) : -1].float().log_softmax(-1)
        for lead in ([], before)
    )
    mixed = (alone + decay * (alone.exp() - told.exp()).clamp(max=0)).log_softmax(-1)
    return mixed.gather(1, torch.tensor(ids)[:, None])[:, 0].double().numpy()
""",
}
