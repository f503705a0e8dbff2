"""A scrape of /metrics, read as Prometheus reads it."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Scrape:
    """The samples of one page, by name and labels; 0 of what is not there."""

    def __init__(self, page: str) -> None:
        self.families = list(text_string_to_metric_families(page))
        samples = [sample for family in self.families for sample in family.samples]
        self.samples: Samples = {(each.name, frozenset(each.labels.items())): each.value for each in samples}
        assert len(self.samples) == len(samples), "the same series twice"

    def __call__(self, name: str, **labels: str) -> float:
        return self.samples.get((f"imageretrieval_{name}", frozenset(labels.items())), 0.0)

    def labels(self, name: str, label: str) -> set[str]:
        """The values of a label."""
        return {dict(labels)[label] for found, labels in self.samples if found == f"imageretrieval_{name}"}


def scrape(client: Any) -> Scrape:
    """Of a Flask client."""
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.content_type.startswith("text/plain; version=")
    return Scrape(answer.text)
