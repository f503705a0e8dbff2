"""What is counted and timed in this process, and the page that adds up all processes of the service.

Import it only once `gathering.open_folder` was called, if that is to be: prometheus_client decides then how it counts.
"""

import os
from collections.abc import Sequence
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from retrieval.gathering import VARIABLE
from retrieval.observing import Stage, Watch

NAMESPACE = "imageretrieval"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
PICTURES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics(Watch):
    """Counts what it is told. Labels have few values: routes, methods, stages and types, never what a client sends."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # several processes have none
        # Of several processes, what is counted here is read from their files and not from this registry.
        counted = CollectorRegistry()
        self._shown = counted
        if VARIABLE in os.environ:
            self._shown = CollectorRegistry()
            MultiProcessCollector(self._shown)  # type: ignore[no-untyped-call]
        counter = partial(Counter, namespace=NAMESPACE, registry=counted)
        seconds = partial(Histogram, namespace=NAMESPACE, registry=counted, buckets=SECONDS)
        # A gauge adds up the processes that live.
        gauge = partial(Gauge, namespace=NAMESPACE, registry=counted, multiprocess_mode="livesum")
        batches = partial(Histogram, namespace=NAMESPACE, registry=counted, buckets=PICTURES)
        self.requests = counter("http_requests", "Requests answered.", ["route", "method", "status"])
        self.request_seconds = seconds("http_request_duration_seconds", "From headers to reply.", ["route", "method"])
        self.requests_in_flight = gauge("http_requests_in_flight", "Requests being answered.")
        self.requests_waiting = gauge("http_requests_waiting", "Requests that wait for a thread.")
        self.connections = gauge("http_connections", "Open connections.")
        self.stage_seconds = seconds("stage_duration_seconds", "What a picture passes through.", ["stage"])
        self.queued = gauge("batcher_queue_pictures", "Pictures that wait to be embedded.")
        self.batches = batches("batch_pictures", "Pictures embedded together.")
        self.batch_seconds = seconds("batch_duration_seconds", "The model at work on a batch.")
        self.fetches = counter("fetches", "URLs fetched or not, and why not.", ["outcome"])
        self.searches = counter("searches", "Pictures searched for.", ["verdict"])
        self.adds = counter("adds", "Pictures to be remembered.", ["status"])
        self.problems = counter("problems", "Problem documents, of requests and of pictures in them.", ["type"])
        for defect in ("internal-error", "storage-full"):
            self.problems.labels(defect)  # there from the start: an alert on its increase sees the first one, too
        self.is_ready = gauge("ready", "Whether a worker can answer.", multiprocess_mode="liveall")
        self.is_owner = gauge("maintenance_owners", "Workers that look after maintenance: 0 or 1.")

    def register(self, collector: Collector) -> None:
        """Show what it finds out when asked, too."""
        self._shown.register(collector)

    def page(self, accept: str) -> tuple[bytes, str]:
        """All metrics in the format that the header `Accept` prefers, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._shown), content_type

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self.requests.labels(route, method, status).inc()
        self.request_seconds.labels(route, method).observe(seconds)

    def stage(self, stage: Stage, seconds: float) -> None:
        self.stage_seconds.labels(stage).observe(seconds)

    def waiting(self, pictures: int) -> None:
        self.queued.inc(pictures)

    def batched(self, pictures: int, waited_s: Sequence[float], took_s: float) -> None:
        self.batches.observe(pictures)
        self.batch_seconds.observe(took_s)
        for seconds in waited_s:
            self.stage("queue", seconds)

    def fetched(self, outcome: str) -> None:
        self.fetches.labels(outcome).inc()

    def searched(self, verdict: str) -> None:
        self.searches.labels(verdict).inc()

    def added(self, status: str) -> None:
        self.adds.labels(status).inc()

    def refused(self, slug: str) -> None:
        self.problems.labels(slug).inc()

    def received(self, waiting: int, connections: int) -> None:
        self.requests_waiting.set(waiting)
        self.connections.set(connections)

    def ready(self, is_ready: bool) -> None:
        self.is_ready.set(is_ready)

    def owner(self, is_owner: bool) -> None:
        self.is_owner.set(is_owner)
