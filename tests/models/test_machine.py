"""The choice of precision and threads, from measured seconds; the memory that is left."""

import pytest
import torch

from playground.engine import rows
from playground.errors import PlaygroundError
from playground.models import machine
from playground.settings import Settings

F32, BF16 = torch.float32, torch.bfloat16


@pytest.fixture(autouse=True)
def restore_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def chosen(monkeypatch, seconds, mv=10.0, reading=1.0, gain=1.0, two=1.0, **settings):
    """What is chosen when a pass takes `seconds`, by precision and threads, and `mv` times as long row by row, `two`
    times with each row twice; and a prompt `reading` times as long in bfloat16 as in float32, and with several threads
    is read `gain` times as fast."""
    times = {"linear": 1.0, "mv": mv, "in two": two}
    every = {(*key, name): factor * s for name, factor in times.items() for key, s in seconds.items()}
    monkeypatch.setattr(machine, "_decoding_seconds", lambda dtypes, threads: every)
    of_prompts = {F32: 1.0, BF16: reading}

    def reads(dtypes=(F32, BF16), counts=(1,)):
        return {(d, n): of_prompts[d] / (gain if n > 1 else 1) for d in dtypes for n in counts}

    monkeypatch.setattr(machine, "_reading_seconds", reads)
    found = machine.measure(Settings(device="cpu", **settings))
    return found.dtype, found.threads, found.products


def test_bfloat16_unless_it_is_much_slower(monkeypatch):
    assert chosen(monkeypatch, {(F32, 1): 1.0, (BF16, 1): 1.2}) == (BF16, 1, (rows.USUAL, rows.IN_TWO))
    assert chosen(monkeypatch, {(F32, 1): 1.0, (BF16, 1): 1.5}) == (F32, 1, (rows.USUAL, rows.IN_TWO))


def test_bfloat16_not_where_prompts_take_much_longer_in_it(monkeypatch):
    quick = {(F32, 1): 1.5, (BF16, 1): 1.0}  # as on CPUs without its instructions: half the bytes, and slow arithmetic
    assert chosen(monkeypatch, quick, reading=5.0) == (F32, 1, (rows.USUAL, rows.IN_TWO))
    assert chosen(monkeypatch, quick, reading=0.5) == (BF16, 1, (rows.USUAL, rows.IN_TWO))
    assert chosen(monkeypatch, quick, reading=5.0, dtype="bfloat16") == (BF16, 1, (rows.USUAL, rows.IN_TWO))


def test_more_threads_only_where_they_gain(monkeypatch):
    assert chosen(monkeypatch, {(F32, 1): 3, (BF16, 1): 1.0, (F32, 2): 3, (BF16, 2): 0.95})[1] == 1
    assert chosen(monkeypatch, {(F32, 1): 3, (BF16, 1): 1.0, (F32, 2): 3, (BF16, 2): 0.6})[1] == 2
    assert chosen(monkeypatch, {(F32, 1): 3, (BF16, 1): 1.0, (F32, 2): 3, (BF16, 2): 7.0})[1] == 1


def test_a_second_thread_that_only_prompts_gain_from_is_worth_it(monkeypatch):
    assert chosen(monkeypatch, {(F32, 1): 1.0, (F32, 2): 0.95}, gain=1.9, dtype="float32")[1] == 2
    assert chosen(monkeypatch, {(F32, 1): 1.0, (F32, 2): 1.3}, gain=1.9, dtype="float32")[1] == 1, "tokens come first"
    assert chosen(monkeypatch, {(F32, 1): 1.0, (F32, 2): 1.0}, gain=1.1, dtype="float32")[1] == 1
    assert chosen(monkeypatch, {(F32, 1): 1.0, (F32, 2): 7.0}, gain=1.9, dtype="float32")[1] == 1, "a busy machine"
    assert chosen(monkeypatch, {(F32, 1): 1.0, (F32, 2): 0.5}, gain=1.9, dtype="float32", threads=1)[1] == 1
    many = {(F32, 1): 3.0, (F32, 8): 1.05, (F32, 16): 1.0, (F32, 32): 1.6}
    assert chosen(monkeypatch, many, gain=4.0, dtype="float32")[1] == 8


def test_rows_have_a_product_of_their_own_where_it_gains(monkeypatch):
    seconds = {(F32, 1): 3, (BF16, 1): 1.0}
    chosen_products = [chosen(monkeypatch, seconds, mv)[2] for mv in (0.5, 0.95, 1.0, 2.0)]
    assert chosen_products == [(rows.VECTOR,)] + 3 * [(rows.USUAL, rows.IN_TWO)]


def test_a_row_is_not_multiplied_twice_where_that_takes_long(monkeypatch):
    seconds = {(F32, 1): 3, (BF16, 1): 1.0}
    assert [len(chosen(monkeypatch, seconds, two=two)[2]) for two in (0.8, 1.1, 1.3)] == [2, 2, 1]
    assert chosen(monkeypatch, {(F32, 1): 1.0, (BF16, 1): 1.5}, two=0.5)[0] == F32, "it says nothing of the precision"


def test_the_operators_word_wins():
    found = machine.measure(Settings(device="cpu", dtype="float32", threads=2, memory_budget="3GB"))
    assert (found.dtype, found.threads, found.budget) == (F32, 2, 3 * 10**9)
    assert torch.get_num_threads() == 2


def test_measuring_for_real_takes_moments_and_gives_positive_times():
    seconds = machine._decoding_seconds((F32, BF16), 1)
    assert set(seconds) == {(d, 1, p) for d in (F32, BF16) for p in ("linear", "mv", "in two")} and all(
        0 < s < 5 for s in seconds.values()
    )
    reading = machine._reading_seconds((F32, BF16), (1, 2))
    assert set(reading) == {(F32, 1), (F32, 2), (BF16, 1), (BF16, 2)} and all(0 < s < 5 for s in reading.values())


def test_a_device_that_is_not_here_is_named_with_the_choices():
    with pytest.raises(PlaygroundError, match=r"There is no device cuda:97 here\. .* cpu"):
        machine.measure(Settings(device="cuda:97"))


V2 = ("memory.max", "memory.current", "memory.stat", "inactive_file")
V1 = (
    "memory/memory.limit_in_bytes",
    "memory/memory.usage_in_bytes",
    "memory/memory.stat",
    "total_inactive_file",
)


@pytest.mark.parametrize("names", [V2, V1])
def test_what_a_container_leaves_counts_cached_files_as_free(names, tmp_path):
    limit, used, counts, cached = names
    (tmp_path / limit).parent.mkdir(exist_ok=True)
    assert machine._container_bytes(tmp_path) == float("inf")
    (tmp_path / limit).write_text("8000\n")
    (tmp_path / used).write_text("7000\n")
    assert machine._container_bytes(tmp_path) == 1000
    (tmp_path / counts).write_text(f"anon 2000\nactive_file 1\n{cached} 5000\ntotal_active_file 2\n")
    assert machine._container_bytes(tmp_path) == 6000
    (tmp_path / limit).write_text("max\n")
    assert machine._container_bytes(tmp_path) == float("inf")


def test_free_memory_is_something():
    assert 0 < machine.free_bytes(torch.device("cpu")) < 2**50
