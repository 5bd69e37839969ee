"""/health and /metrics: whether the page can be used, and numbers that agree with what was done."""

import logging

import pytest
from prometheus_client.parser import text_string_to_metric_families

from playground.serving.metrics import CountErrors
from tests.serving.conftest import Site, basic


def numbers(page: Site, **options) -> dict[tuple, float]:
    """Every sample of /metrics, by its name and labels."""
    answer = page.get("/metrics", **options)
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_health_says_why_not_until_the_models_are_ready(site):
    page = site()
    waiting = page.get("/health")
    assert (waiting.status_code, waiting.json()["ready"]) == (503, False)
    assert "made ready" in waiting.json()["why"]
    page.serving.health.started.set()
    assert (page.get("/health").status_code, page.get("/health").json()) == (200, {"ready": True})


def test_health_says_that_the_first_model_cannot_be_had(site, tmp_path):
    page = site(default_models=(str(tmp_path / "nowhere"),))
    page.serving.health.started.set()
    page.ask("next_tokens", text="a")
    answer = page.get("/health")
    assert answer.status_code == 503 and "could not be had" in answer.json()["why"]
    assert "nowhere" not in answer.text, "which is the operator's own"


def test_tokens_models_and_calls_are_counted(site, writer):
    page = site()
    before = numbers(page)
    text = page.ask("complete", text="Paris", max_new_tokens=7, temperature=1.0, seed=3)[1]
    page.ask("no_such_endpoint")
    page.ask("next_tokens", text=5)
    after = numbers(page)

    def more(*name) -> float:
        return after[name] - before.get(name, 0)

    written = more("playground_tokens_written_total")
    assert f'"new_tokens": {int(written)}' in text and written >= 1
    held = [value for name, value in after.items() if name[0] == "playground_model_bytes"]
    assert held == [sum(h.n_bytes for h in page.models.ledger().holdings)] and held[0] > 0
    assert after[("playground_models_used_bytes",)] == page.models.ledger().used
    assert after[("playground_queue_running",)] == after[("playground_queue_waiting",)] == 0
    assert more("playground_requests_total", ("endpoint", "complete"), ("status", "200")) == 1
    assert more("playground_refused_total", ("reason", "no such endpoint")) == 1
    assert not any("Paris" in str(name) for name in after)


def test_errors_are_counted_by_kind(site):
    page = site()
    handler, log = CountErrors(page.serving.metrics), logging.getLogger("playground.test")
    log.addHandler(handler)
    try:
        for error in (ValueError("x"), ValueError("y"), KeyError("z")):
            log.error("it broke", exc_info=error)
        log.warning("it did not", exc_info=ValueError("w"))
    finally:
        log.removeHandler(handler)
    seen = {dict(name[1:])["kind"]: n for name, n in numbers(page).items() if name[0] == "playground_errors_total"}
    assert seen == {"ValueError": 2, "KeyError": 1}


@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        ({}, {}, 200),
        ({"public": True}, {}, 401),
        ({"auth": ("ann:sesame",)}, {}, 401),
        ({"auth": ("ann:sesame",)}, basic("ann", "sesame"), 200),
        ({"metrics_token": "open"}, {}, 401),
        ({"metrics_token": "open"}, {"Authorization": "Bearer shut"}, 401),
        ({"metrics_token": "open"}, {"Authorization": "Bearer open"}, 200),
        ({"auth": ("ann:sesame",), "metrics_token": "open"}, {"Authorization": "Bearer open"}, 200),
    ],
    ids=repr,
)
def test_who_may_read_the_numbers(site, settings, headers, status):
    page = site(**settings)
    assert page.get("/metrics", headers=headers).status_code == status
    assert page.get("/health").status_code in (200, 503), "which is everybody's"
