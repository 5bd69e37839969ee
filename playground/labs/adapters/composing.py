"""Several LoRA adapters made into one, in the ways of PEFT's `add_weighted_adapter`, each with its error.

What all of them are after is the weighted sum of what the adapters add, sum over k of w_k s_k B_k A_k.

cat: the factors one beneath the other; exactly the sum, and the ranks add up.
svd: the sum cut to a rank; of all adapters of that rank the nearest (Eckart and Young 1936).
linear: A and B are summed apart, each with the root of the weight; their product has cross terms that nobody asked for.
ties, dare_linear, dare_ties, magnitude_prune: the same on pruned A and B, so with the same cross terms.
..._svd: pruned is what each adapter adds, as the papers do it, and the result is cut to a rank.

TIES: Yadav et al. 2023, arXiv 2306.01708; DARE: Yu et al. 2023, arXiv 2311.03099. Sign election and division are those
of PEFT: the election does not know the weights, and the sum is divided by the number of adapters that agree. It does
not know what the adapters were trained for.
"""

import functools
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from playground.engine.adapters import HEAVIEST, Adapter, Factors
from playground.errors import PlaygroundError
from playground.models.progress import Report, quiet

Method = Literal[
    "cat",
    "svd",
    "linear",
    "ties",
    "dare_linear",
    "dare_ties",
    "magnitude_prune",
    "ties_svd",
    "dare_linear_svd",
    "dare_ties_svd",
    "magnitude_prune_svd",
]
METHODS: tuple[Method, ...] = get_args(Method)
Election = Literal["total", "frequency"]


@dataclass(frozen=True, eq=False)
class Composition:
    """One adapter in place of several."""

    adapter: Adapter
    names: tuple[str, ...]
    weights: tuple[float, ...]
    method: Method
    rank: int
    density: float | None
    seed: int | None  # of what DARE drops; None: nothing is drawn
    error: float  # ||made - sum|| / ||sum||, Frobenius, over all layers
    by_layer: dict[str, float]  # the same for each layer
    n_parameters: int


def compose(
    adapters: Sequence[Adapter],
    weights: Sequence[float],
    method: Method = "cat",
    density: float | None = None,
    rank: int | None = None,
    seed: int = 0,
    election: Election = "total",
    report: Report = quiet,
    stop: threading.Event | None = None,
) -> Composition:
    """Makes one adapter of several for the same model.

    Args:
        density: share of numbers that are kept, above 0 to 1; for the methods that prune.
        rank: of the result, for svd and ..._svd; the largest of the adapters' when None.
        election: how TIES finds the sign: by the sum of the values, or by their number.

    Raises:
        PlaygroundError: there is no such method, or what it needs is missing or impossible; stopped.
    """
    _check(adapters, weights, method, density, rank, election)
    prunes, cuts = method not in ("cat", "svd", "linear"), method.endswith("svd")
    drawn = torch.Generator().manual_seed(seed) if method.startswith("dare") else None
    merge = _merging(method.removesuffix("_svd"), density, election, drawn)
    rank = rank or max(adapter.rank for adapter in adapters)
    layers, by_layer, off, size = {}, {}, 0.0, 0.0
    paths = list(dict.fromkeys(path for adapter in adapters for path in adapter.layers))
    for n, path in enumerate(paths):
        if stop is not None and stop.is_set():
            raise PlaygroundError("Stopped before all layers were composed.")
        report(n / len(paths), f"Composing layer {n + 1} of {len(paths)}")
        pairs = [(w, a.layers[path]) for w, a in zip(weights, adapters, strict=True) if path in a.layers]
        exact = _summed(pairs)
        if method == "cat":
            made = _cat(pairs)
        elif method == "svd":
            made = cut(_cat(pairs), rank)
        elif cuts:
            made = truncated(merge([f.delta for _, f in pairs], [w for w, _ in pairs]).double(), rank)
        else:
            made = _apart(pairs, merge)
        layers[path] = made
        missed = (made.scaling * (made.b.double() @ made.a.double()) - exact).norm().item()
        by_layer[path] = missed / max(exact.norm().item(), 1e-30)
        off, size = math.hypot(off, missed), math.hypot(size, exact.norm().item())
    adapter = Adapter("+".join(a.name for a in adapters), layers)
    return Composition(
        adapter,
        tuple(a.name for a in adapters),
        tuple(float(w) for w in weights),
        method,
        adapter.rank,
        density if prunes else None,
        seed if drawn is not None else None,
        off / max(size, 1e-30),
        by_layer,
        adapter.n_parameters,
    )


def _check(
    adapters: Sequence[Adapter],
    weights: Sequence[float],
    method: str,
    density: float | None,
    rank: int | None,
    election: str,
) -> None:
    if not adapters:
        raise PlaygroundError("There is no adapter to compose. Give at least one a weight.")
    if len(weights) != len(adapters):
        raise PlaygroundError(f"There are {len(adapters)} adapters and {len(weights)} weights. Give one weight each.")
    if not all(isinstance(w, (int, float)) and not isinstance(w, bool) and abs(w) <= HEAVIEST for w in weights):
        raise PlaygroundError(f"The weights must be numbers from {-HEAVIEST:g} to {HEAVIEST:g}.")
    if not any(weights):
        raise PlaygroundError("All weights are 0, so nothing would be left. Move a slider.")
    if method not in METHODS:
        raise PlaygroundError(f"There is no method “{method}”. There are: {', '.join(METHODS)}.")
    if method not in ("cat", "svd", "linear") and not (
        isinstance(density, (int, float)) and not isinstance(density, bool) and 0 < density <= 1
    ):
        raise PlaygroundError(f"{method} needs a density above 0 and up to 1: the share of numbers that is kept.")
    if rank is not None and (isinstance(rank, bool) or not isinstance(rank, int) or rank < 1):
        raise PlaygroundError(f"The rank is {rank!r}; it must be a whole number from 1.")
    if election not in get_args(Election):
        raise PlaygroundError(f"There is no election “{election}”. There are: {', '.join(get_args(Election))}.")
    if method not in ("cat",) and not method.endswith("svd"):
        for path in {path for adapter in adapters for path in adapter.layers}:
            ranks = {a.layers[path].a.shape[0] for a in adapters if path in a.layers}
            if len(ranks) > 1:
                raise PlaygroundError(
                    f"{method} sums the factors themselves, and these adapters have the ranks "
                    f"{', '.join(map(str, sorted(ranks)))}. Use cat, svd or {method}_svd."
                    if method != "linear"
                    else "linear sums the factors themselves, which these ranks do not allow. Use cat or svd."
                )


# one layer

Pairs = Sequence[tuple[float, Factors]]  # weight, factors
_Merge = Callable[[Sequence[Tensor], Sequence[float]], Tensor]


def _summed(pairs: Pairs) -> Tensor:
    """The exact sum, (out, in), float64."""
    return functools.reduce(torch.add, (weight * f.scaling * (f.b.double() @ f.a.double()) for weight, f in pairs))


def _cat(pairs: Pairs) -> Factors:
    a = torch.cat([f.a for _, f in pairs])
    return Factors(a, torch.cat([weight * f.scaling * f.b for weight, f in pairs], dim=1))


def cut(factors: Factors, rank: int) -> Factors:
    """The nearest factors of a rank. The large matrix is never made: B = QR and A' = PS, so B A = Q (R S') P'."""
    q, r = torch.linalg.qr(factors.scaling * factors.b.double())
    p, s = torch.linalg.qr(factors.a.double().T)
    u, values, vh = torch.linalg.svd(r @ s.T)
    rank = min(rank, len(values))
    root = values[:rank].sqrt()
    return Factors((root[:, None] * (vh[:rank] @ p.T)).float(), ((q @ u[:, :rank]) * root).float())


def truncated(delta: Tensor, rank: int) -> Factors:
    """The nearest factors of a rank to a whole matrix, (out, in), float64."""
    vectors, values = principal(delta)
    b = vectors[:, :rank]
    root = values[:rank].sqrt().clamp(min=1e-12)
    return Factors(((b.T @ delta) / root[:, None]).float(), (b * root).float())


def principal(delta: Tensor) -> tuple[Tensor, Tensor]:
    """Left singular vectors, (out, rank), and singular values, (rank,), largest first, of a float64 matrix (out, in).

    By the eigenvectors of the smaller Gram matrix, which takes a fraction of a full SVD's time; values below 1e-8 of
    the largest are lost in rounding.
    """
    if delta.shape[0] <= delta.shape[1]:
        values, vectors = torch.linalg.eigh(delta @ delta.T)
        return vectors.flip(1), values.flip(0).clamp(min=0).sqrt()
    values, right = torch.linalg.eigh(delta.T @ delta)
    values = values.flip(0).clamp(min=0).sqrt()
    vectors = delta @ right.flip(1) / values.clamp(min=1e-30)
    return torch.nan_to_num(vectors), values


def _apart(pairs: Pairs, merge: _Merge) -> Factors:
    """A and B each merged by themselves, with the root of weight and scaling on either side."""
    products = [weight * f.scaling for weight, f in pairs]
    roots = [math.sqrt(abs(product)) for product in products]
    signed = [math.copysign(root, product) for root, product in zip(roots, products, strict=True)]
    return Factors(merge([f.a for _, f in pairs], signed), merge([f.b for _, f in pairs], roots))


# how tensors are merged


def _merging(method: str, density: float | None, election: Election, drawn: torch.Generator | None) -> _Merge:
    """(tensors, weights) -> one tensor."""

    def prune(tensor: Tensor) -> Tensor:
        if density is None or density >= 1:
            return tensor
        if drawn is not None:  # drops at random and makes up for it
            return tensor * torch.bernoulli(torch.full_like(tensor, density), generator=drawn) / density
        kept = torch.zeros(tensor.numel())
        kept[tensor.abs().flatten().topk(int(density * tensor.numel())).indices] = 1
        return tensor * kept.view_as(tensor)

    def merge(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        pruned = torch.stack([prune(tensor) for tensor in tensors])
        weighted = pruned * torch.tensor(weights).view(-1, *[1] * (pruned.dim() - 1))
        if not method.endswith("ties"):
            return weighted.sum(0)
        votes = pruned if election == "total" else pruned.sign()
        elected = torch.where(votes.sum(0) >= 0, 1, -1)
        agree = pruned.sign() == elected
        return (weighted * agree).sum(0) / agree.sum(0).clamp(min=1)

    return merge
