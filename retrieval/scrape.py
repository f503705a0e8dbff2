"""What is found out when metrics are asked for: of the catalog, the disk, the processes; any worker says the same."""

import logging
import os
import platform
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from index_store import CatalogUnavailable, CollectionFigures, Figures, JobTotals
from retrieval import VERSION
from retrieval.gathering import VARIABLE
from retrieval.schemas import JobKind
from retrieval.service import Service

log = logging.getLogger(__name__)
MOST_COLLECTIONS = 200  # of more, the largest have figures of their own
LIVING = re.compile(r"gauge_liveall_(\d+)\.db")


class State(Collector):
    """The state of a service, read anew for each scrape; of a catalog that cannot be read, that alone is told."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._figures = Figures(service.catalog, service.settings.data_dir / "index")

    def describe(self) -> list[Metric]:
        """Nothing in advance: registering reads no catalog."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The metrics of one scrape."""
        yield self._build()
        yield from processes()
        try:
            known = list(self._of_catalog())
        except (CatalogUnavailable, OSError) as error:
            log.error("metrics without the catalog: %s", error)
            known = []
        yield GaugeMetricFamily("imageretrieval_catalog_up", "Whether the catalog can be read.", bool(known))
        yield from known

    def _build(self) -> Metric:
        about = {
            "version": VERSION,
            "python": platform.python_version(),
            "fingerprint": self._service.fingerprint or "",
        }
        return InfoMetricFamily("imageretrieval_build", "What runs; no fingerprint while the model loads.", about)

    def _of_catalog(self) -> Iterator[Metric]:
        catalog = self._service.catalog
        catalog.check()
        free = shutil.disk_usage(self._service.settings.data_dir).free
        yield GaugeMetricFamily("imageretrieval_data_free_bytes", "Free space where data_dir lies.", free)
        yield GaugeMetricFamily("imageretrieval_catalog_size_bytes", "Size of the catalog.", catalog.size())
        yield from of_collections(self._figures.read())
        yield from of_jobs(self._service.jobs.totals())


def of_collections(found: list[CollectionFigures]) -> Iterator[Metric]:
    """Figures of all collections together, and of each of the largest; `found` has the largest first."""
    yield GaugeMetricFamily("imageretrieval_collections", "Collections.", len(found))
    total = sum(each.images for each in found)
    yield GaugeMetricFamily("imageretrieval_images", "Pictures remembered, in all collections.", total)
    images = GaugeMetricFamily("imageretrieval_collection_images", "Pictures remembered.", labels=["collection"])
    pending = GaugeMetricFamily(
        "imageretrieval_collection_pending_changes", "Adds and deletes not yet in the index.", labels=["collection"]
    )
    vectors = GaugeMetricFamily(
        "imageretrieval_index_vectors", "Vectors in the index, by its kind.", labels=["collection", "kind"]
    )
    built = GaugeMetricFamily(
        "imageretrieval_index_built_timestamp_seconds", "When the index was made.", labels=["collection"]
    )
    for each in found[:MOST_COLLECTIONS]:
        images.add_metric([each.name], each.images)
        pending.add_metric([each.name], each.pending)
        vectors.add_metric([each.name, each.kind or "none"], each.indexed)
        if each.built_at is not None:
            built.add_metric([each.name], each.built_at)
    yield from (images, pending, vectors, built)


def of_jobs(totals: list[JobTotals]) -> Iterator[Metric]:
    """Jobs that wait or run, and what became of the others."""
    active = GaugeMetricFamily("imageretrieval_jobs", "Jobs that wait or run.", labels=["kind", "state"])
    ended = CounterMetricFamily("imageretrieval_jobs_ended", "Jobs done or failed.", labels=["kind", "outcome"])
    took = CounterMetricFamily(
        "imageretrieval_jobs_duration_seconds", "Time that ended jobs ran.", labels=["kind", "outcome"]
    )
    success = GaugeMetricFamily(
        "imageretrieval_job_last_success_timestamp_seconds", "When a job was last done.", labels=["kind"]
    )
    ends = {(kind, outcome) for kind in get_args(JobKind) for outcome in ("done", "failed")}
    for kind, outcome in sorted(ends - {(each.kind, each.state) for each in totals}):
        ended.add_metric([kind, outcome], 0)  # so that the first one is an increase
    for each in totals:
        labels = [each.kind, each.state]
        if each.state in ("queued", "running"):
            active.add_metric(labels, each.count)
            continue
        ended.add_metric(labels, each.count)
        took.add_metric(labels, each.seconds)
        if each.state == "done" and each.last_finished_at:
            success.add_metric([each.kind], each.last_finished_at.timestamp())
    yield from (active, ended, took, success)


def processes() -> Iterator[Metric]:
    """The standard metrics of each worker, with its pid as label."""
    families: dict[str, Metric] = {}
    for pid in _workers():
        for metric in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect():  # type: ignore[misc]
            family = families.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
            for sample in metric.samples:
                family.add_sample(sample.name, {"pid": str(pid)}, sample.value)
    yield from families.values()


def _workers() -> list[int]:
    if VARIABLE not in os.environ:
        return [os.getpid()]
    names = (LIVING.fullmatch(path.name) for path in Path(os.environ[VARIABLE]).iterdir())
    return sorted(int(name[1]) for name in names if name)
