"""Numbers for Prometheus: what waits and runs, what was written, what models hold, what was asked, refused and failed.

Nothing of what people write is in them. It does not know who reads them.
"""

import logging
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from playground.models.cache import ModelCache
from playground.serving.load import Work
from playground.serving.visit import Visit

PAGE = "(page)"  # events of the page, which have no name of their own


class Metrics:
    """One server's numbers."""

    def __init__(self, models: ModelCache, work: Work) -> None:
        self._registry = CollectorRegistry(auto_describe=True)
        self._registry.register(_Now(models, work))
        self.requests = Counter(
            "playground_requests", "Calls of endpoints and events.", ["endpoint", "status"], registry=self._registry
        )
        self.refused = Counter(
            "playground_refused", "Requests that were turned away.", ["reason"], registry=self._registry
        )
        self.errors = Counter(
            "playground_errors", "Errors in the log, by their kind.", ["kind"], registry=self._registry
        )

    def count(self, here: Visit, status: int) -> None:
        """One request more. A queued call's answer comes apart: its status tells whether it was taken."""
        if here.refused:
            self.refused.labels(here.refused).inc()
        if here.function is not None:
            self.requests.labels(here.endpoint or PAGE, str(status)).inc()

    def text(self) -> bytes:
        """Prometheus's text format."""
        return generate_latest(self._registry)


class _Now(Collector):
    """What is so at the moment of asking."""

    def __init__(self, models: ModelCache, work: Work) -> None:
        self._models, self._work = models, work

    def collect(self) -> Iterable[Metric]:
        yield _gauge("queue_waiting", "Requests for models that wait.", len(self._work.waiting()))
        yield _gauge("queue_running", "Requests for models that run.", len(self._work.running()))
        yield CounterMetricFamily(
            "playground_tokens_written",
            "Tokens that models of this machine have written; rate() gives tokens a second.",
            value=self._models.written.n,
        )
        ledger = self._models.ledger()
        yield _gauge("models_budget_bytes", "Most that models may hold; 0 before the first is loaded.", ledger.budget)
        yield _gauge("models_used_bytes", "What models hold, those on their way included.", ledger.used)
        held = GaugeMetricFamily("playground_model_bytes", "What a model holds.", labels=["model", "device", "dtype"])
        lent = GaugeMetricFamily("playground_model_lent", "Requests that use a model now.", labels=["model"])
        for holding in ledger.holdings:
            held.add_metric([holding.reference, holding.device, holding.dtype], holding.n_bytes)
            lent.add_metric([holding.reference], holding.lent)
        yield from (held, lent)


def _gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"playground_{name}", about, value=value)


class CountErrors(logging.Handler):
    """Counts what is logged as an error, by the name of the exception."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__(logging.ERROR)
        self._metrics = metrics

    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else record.name
        self._metrics.errors.labels(kind).inc()
