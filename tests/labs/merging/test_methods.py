"""Each merge method against an answer that does not come from it: worked vectors, float64 derivations, statistics."""

import math

import pytest
import torch

from playground.labs.merging import methods
from playground.labs.merging.methods import chance, della, largest
from tests.labs.merging.made import blended

W = (1.0, 0.5, 0.25)
TAUS = [
    (0.9, -0.4, 0.3, 0.0, 0.5, -0.2),
    (-0.6, -0.5, -0.3, 0.2, 0.1, 0.3),
    (-0.5, 0.8, 0.0, 0.1, -0.7, -0.2),
]
ZERO = (0.0,) * 6


def close(got, expected, tolerance: float = 2e-7) -> None:
    torch.testing.assert_close(got, torch.as_tensor(expected, dtype=got.dtype), rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({}, (0.9, -1.3 / 3, 0.3, 0.5 / 3, 1.1 / 3, -0.2)),
        ({"normalize": False}, (0.9, -0.65, 0.3, 0.125, 0.55, -0.25)),
        ({"dialect": "peft"}, (-0.2125, -0.325, 0.3, 0.0625, -0.175, -0.125)),
    ],
)
def test_ties_gives_the_worked_vector_of_each_dialect(how, expected):
    """Worked by hand from mergekit's and PEFT's definitions, and checked against both programs."""
    close(blended("ties", TAUS, ZERO, weights=W, **how), expected)


def test_ties_elects_by_count():
    assert blended("ties", TAUS, ZERO, weights=W, election="count")[0].item() == pytest.approx(-0.425 / 0.75)
    frequency = blended("ties", TAUS, ZERO, weights=W, election="count", dialect="peft")
    assert frequency[4].item() == pytest.approx(0.275)


def test_ties_of_the_paper_trims_over_the_whole_and_lets_the_majority_decide():
    """Of 12 changes 0.25 are int(3) + 1 = 4: in one flat list, whatever the rows."""
    first = torch.tensor([[9.0, -8.0, 0.1, 0.2], [7.0, 0.3, -6.0, 0.4], [0.5, 0.6, 0.7, 0.8]])
    second = -first
    second[0, 0] = 9.0
    got = blended(
        "ties", [first, second], torch.zeros(3, 4), densities=(0.25, 0.25), dialect="paper", weights=(5.0, 1.0)
    )
    # everywhere but at the first place the two cancel out; the commonest sign of the elected ones (a single +) is +
    expected = torch.zeros(3, 4)
    expected[0, 0], expected[0, 1], expected[1, 0], expected[1, 2] = 9.0, 8.0, 7.0, 6.0
    close(got, expected)


def test_linear_is_the_weighted_average_in_float64():
    torch.manual_seed(0)
    a, b, c = torch.randn(3, 40, 7)
    got = blended("linear", [a, b, c], rows=3, weights=(0.7, 0.2, 0.4))
    close(got, ((0.7 * a.double() + 0.2 * b.double() + 0.4 * c.double()) / 1.3).float())


@pytest.mark.parametrize("noise", [0.001, 0.3, 3.0])
def test_slerp_is_the_arc_of_a_float64_derivation(noise):
    """The arc built another way: turn A towards B by t of the angle, within their plane, lengths blended by sines."""
    torch.manual_seed(1)
    a = torch.randn(30, 20)
    b = a + noise * torch.randn(30, 20)
    x, y = a.double().flatten(), b.double().flatten()
    e1 = x / x.norm()
    e2 = y / y.norm() - (y / y.norm() @ e1) * e1
    e2 = e2 / e2.norm()
    angle = math.atan2(float(y @ e2), float(y @ e1))
    t = 0.3
    if math.cos(angle) > 0.9995:
        expected = (1 - t) * x + t * y
    else:
        first, second = math.sin((1 - t) * angle) / math.sin(angle), math.sin(t * angle) / math.sin(angle)
        expected = first * x.norm() * e1 + second * y.norm() * (math.cos(angle) * e1 + math.sin(angle) * e2)
    close(blended("slerp", [a, b], rows=4, t=t).flatten(), expected.float(), 1e-6)


def test_slerp_keeps_length_where_the_average_loses_it():
    a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    assert blended("slerp", [a, b], t=0.5).norm().item() == pytest.approx(1.0)
    assert blended("linear", [a, b]).norm().item() == pytest.approx(math.sqrt(0.5))


@pytest.mark.parametrize("method", ["linear", "slerp", "nuslerp"])
@pytest.mark.parametrize("noise", [0.001, 1.0])
def test_the_ends_are_the_parents_to_the_bit(method, noise):
    torch.manual_seed(2)
    a = torch.randn(9, 8)
    a[0, 0] = -0.0  # which adding 0 would turn into 0
    b = a + noise * torch.randn(9, 8)
    for t, parent in ((0.0, a), (1.0, b)):
        got = blended(method, [a, b], rows=2, t=t, weights=(1 - t, t))
        assert torch.equal(got.view(torch.int32), parent.view(torch.int32))


def test_nuslerp_turns_what_was_learned_and_goes_row_by_row():
    torch.manual_seed(3)
    base, a, b = torch.randn(3, 6, 5)
    weights = (1.0, 3.0)
    with_base = blended("nuslerp", [a, b], base, rows=2, weights=weights)
    close(with_base - base, blended("nuslerp", [a - base, b - base], rows=2, weights=weights), 1e-6)
    rows = blended("nuslerp", [a, b], rows=2, weights=weights, row_wise=True)
    one_by_one = torch.cat([blended("nuslerp", [a[i : i + 1], b[i : i + 1]], weights=weights) for i in range(6)])
    close(rows, one_by_one, 1e-6)


def test_nuslerp_takes_the_arc_where_slerp_takes_the_line():
    torch.manual_seed(4)
    a = torch.randn(200, 50)
    b = a + 0.02 * torch.randn(200, 50)  # cosine 0.9998
    x, y = a.double(), b.double()
    angle = torch.acos((x.flatten() @ y.flatten()) / (x.norm() * y.norm()))
    arc = (torch.sin(0.5 * angle) / torch.sin(angle)) * (x + y)
    close(blended("nuslerp", [a, b], rows=16), arc.float(), 1e-6)
    assert not torch.equal(blended("slerp", [a, b], rows=16, t=0.5), blended("nuslerp", [a, b], rows=16))


def test_task_arithmetic_adds_and_takes_away():
    torch.manual_seed(5)
    base, a, b = torch.randn(3, 4, 6)
    got = blended("task_arithmetic", [a, b], base, rows=3, weights=(0.8, -0.5), scale=0.6)
    close(got, (base.double() + 0.6 * (0.8 * (a - base).double() - 0.5 * (b - base).double())).float(), 1e-6)
    nothing = blended("task_arithmetic", [a, b], base, rows=3, scale=0.0)
    assert torch.equal(nothing, base)


def test_the_k_largest_are_exactly_k_and_ties_go_in_order():
    """Against torch's stable sort, on values of which most are tied, as differences in bfloat16 are."""
    torch.manual_seed(6)
    values = (torch.randn(60, 50) * 8).round() / 8
    values[values == 0] = 1 / 16
    pieces = lambda: ((i * 50, values[i : i + 7]) for i in range(0, 60, 7))  # noqa: E731
    for k in (1, 7, 600, 1500, 2999, 3000):
        cut = largest.cut(pieces, k)
        kept = torch.cat([cut.kept(start, piece) for start, piece in pieces()]).flatten()
        expected = torch.zeros(3000)
        largest_first = values.flatten().abs().sort(descending=True, stable=True).indices
        expected[largest_first[:k]] = values.flatten()[largest_first[:k]]
        assert (kept != 0).sum() == k == cut.n_kept
        assert torch.equal(kept, expected)
    with_ties = largest.cut(pieces, 600, all_ties=True)
    kth = values.flatten().abs().sort(descending=True).values[599]
    assert with_ties.n_kept == int((values.abs() >= kth).sum()) > 600


def test_ties_keeps_as_many_changes_as_the_density_says_in_bfloat16_too():
    torch.manual_seed(7)
    base = torch.randn(64, 64).bfloat16().float()
    model = (base + 0.01 * torch.randn(64, 64)).bfloat16().float()
    got = blended("ties", [model, base], base, rows=5, densities=(0.2, 1.0), weights=(1.0, 0.0), normalize=False)
    assert int((got != base).sum()) == int(0.2 * 64 * 64)


@pytest.mark.parametrize("dialect", ["paper", "mergekit", "peft"])
def test_dare_drops_by_chance_and_makes_up_for_it(dialect):
    """Statistics: as many survive as the density says, and the mean change stays, within five standard errors."""
    n, density = 400_000, 0.2
    base, model = torch.zeros(400, 1000), torch.ones(400, 1000)
    got = blended("dare_linear", [model], base, rows=64, densities=(density,), dialect=dialect)
    survivors = int((got != 0).sum())
    assert abs(survivors - n * density) < 5 * math.sqrt(n * density * (1 - density))
    factor = got.max().item()
    if dialect == "mergekit":
        assert got.abs().sum(dtype=torch.float64).item() == pytest.approx(n, rel=1e-6)  # the same mass
    else:
        assert factor == pytest.approx(1 / density)
    again = blended("dare_linear", [model], base, rows=64, densities=(density,), dialect=dialect)
    other = blended("dare_linear", [model], base, rows=64, densities=(density,), dialect=dialect, seed=1)
    assert torch.equal(got, again)
    assert 0.1 < (got.bool() & other.bool()).sum().item() / n / density < 0.3  # another seed, another fifth


def test_dare_refuses_to_drop_everything():
    with pytest.raises(Exception, match="density of 0"):
        blended("dare_ties", TAUS, ZERO, densities=(0.0, 0.5, 0.5))


def test_della_keeps_large_changes_more_often():
    sizes = torch.arange(1.0, 101.0).expand(5000, 100) / 100
    chances = della.probabilities(sizes, 0.5, 0.2)
    close(chances[0], torch.linspace(0.3, 0.7, 100), 1e-6)
    got = blended(
        "della_linear", [sizes], torch.zeros_like(sizes), rows=100, densities=(0.5,), epsilon=0.2, dialect="paper"
    )
    kept = (got != 0).double().mean(0)
    assert (kept - chances[0]).abs().max() < 5 * math.sqrt(0.25 / 5000)
    assert (got.double().mean(0) - sizes[0]).abs().max() < 5 * math.sqrt(1 / 0.3 / 5000)  # right on average
    narrow = della.probabilities(torch.ones(3, 1), 0.5, 0.2)
    assert narrow.tolist() == [[0.5]] * 3


def test_breadcrumbs_leaves_out_both_ends():
    values = torch.arange(1.0, 101.0).reshape(10, 10)
    got = blended("breadcrumbs", [values], torch.zeros(10, 10), rows=3, densities=(0.5,), gamma=0.1)
    assert sorted(got[got != 0].tolist()) == list(range(41, 91))
    none_out = blended("breadcrumbs", [values], torch.zeros(10, 10), rows=3, densities=(0.5,), gamma=0.001)
    assert sorted(none_out[none_out != 0].tolist()) == list(range(51, 101))  # int(gamma n) = 0: no outlier goes


def test_model_stock_goes_as_far_as_models_agree():
    torch.manual_seed(8)
    base, a, b, c = torch.randn(4, 12, 9)
    deltas = [(m - base).double().flatten() for m in (a, b, c)]
    cosines = [torch.cosine_similarity(deltas[i], deltas[j], dim=0).item() for i, j in ((0, 1), (0, 2), (1, 2))]
    cos = sum(cosines) / 3
    t = 3 * cos / (1 + 2 * cos)
    expected = t * (a + b + c).double() / 3 + (1 - t) * base.double()
    close(blended("model_stock", [a, b, c], base, rows=5), expected.float(), 1e-6)
    assert torch.equal(blended("model_stock", [a, 2 * base - a], base), base)  # opposite ways: stay


def test_chance_is_the_same_every_time_and_differs_by_place():
    shape = torch.Size([50, 20])
    masks = [
        chance.kept(0, "w", 0, 0, shape, 0.5),
        chance.kept(0, "w", 0, 1000, shape, 0.5),
        chance.kept(0, "v", 0, 0, shape, 0.5),
    ]
    assert torch.equal(masks[0], chance.kept(0, "w", 0, 0, shape, 0.5))
    assert all(0.4 < (masks[0] == mask).float().mean() < 0.6 for mask in masks[1:])
    assert chance.kept(0, "w", 0, 0, shape, 1.0).all()


def test_every_method_says_what_it_is():
    for name, method in methods.METHODS.items():
        assert method.name == name
        assert method.title and method.paper and method.formula and method.about
