"""Figures as rows of text: the same rows go to the terminal as Markdown and into the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.classes import KS
from evaluation.edits import CASES, EDITS, STRENGTHS
from evaluation.results import CHAIN, PRECISIONS, Accuracy, Result

NONE = "–"


@dataclass(frozen=True)
class Table:
    """A title, and rows of text below column names."""

    title: str
    columns: list[str]
    rows: list[list[str]]

    def markdown(self) -> str:
        """As Markdown, without the title."""
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def overview(results: Sequence[Result]) -> Table:
    """A row for each configuration."""
    accuracies = [_accuracy(result.record()["accuracy"]) for result in results]
    columns = ["configuration", *accuracies[0], *_COST]
    rows = [
        [result.name, *found.values(), *_cost(result.record())]
        for result, found in zip(results, accuracies, strict=True)
    ]
    return Table("Overview", columns, rows)


_COST = ("ms a picture", "ms a query", "dimension", "bytes a picture")


def _cost(record: dict[str, Any]) -> list[str]:
    times = [f"{record[key]:.1f}" for key in ("ms_per_picture", "ms_per_query")]
    return [*times, str(record["dim"]), str(record["bytes_per_picture"])]


def _accuracy(record: dict[str, Any]) -> dict[str, str]:
    """Column -> figure, of an accuracy as it stands in JSON."""
    if "mean_ap" in record:
        recalls = {f"recall@{k}": f"{record['recall_at'][k]:.3f}" for k in KS}
        return {"mAP": f"{record['mean_ap']:.3f}", **recalls, "queries": str(record["queries"])}
    cells = {"µAP": f"{record['micro_ap']:.3f}", "recall@1": f"{record['recall_at_1']:.3f}"}
    for precision in (f"{wanted:.0%}" for wanted in PRECISIONS):
        point = record["at_precision"][precision]
        cells[f"recall at {precision}"] = f"{point['recall']:.3f}"
        cells[f"threshold for {precision}"] = NONE if point["threshold"] is None else f"{point['threshold']:.3f}"
    return cells


def by_edit(results: Sequence[Result]) -> Table:
    """A row for each edit, its strengths together, and for the chains."""
    return _groups("By edit", results, [*EDITS, *(f"{CHAIN}{length}" for length in (2, 3))])


def by_strength(results: Sequence[Result]) -> Table:
    """A row for each strength of an edit."""
    return _groups("By strength", results, [str(case) for case in CASES])


def _groups(title: str, results: Sequence[Result], names: Sequence[str]) -> Table:
    """In each cell two figures, in percent of the copies; groups without copies are left out."""
    accuracies = [result.accuracy for result in results if isinstance(result.accuracy, Accuracy)]
    by_name = [{group.name: group for group in accuracy.groups} for accuracy in accuracies]
    rows = []
    for name in (name for name in names if name in by_name[0]):
        groups = [each[name] for each in by_name]
        cells = [f"{group.found_first:.0%} / {group.above_threshold:.0%}" for group in groups]
        rows.append([name, str(groups[0].copies), *cells])
    title += ": found first / at or above the threshold for 99 % precision"
    return Table(title, ["edit", "copies", *[result.name for result in results]], rows)


def of_edits() -> Table:
    """The suite's edits and the range that each strength is drawn from."""
    rows = []
    for edit in EDITS.values():
        ranges = [_range(edit.levels[name]) for name in STRENGTHS if name in edit.levels]
        rows.append([edit.name, edit.unit, *(ranges or ["", "always the same", ""])])
    return Table("Edits", ["edit", "amount", *STRENGTHS], rows)


def _range(amount: tuple[float, float]) -> str:
    low, high = amount
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def of_grid(records: Sequence[dict[str, Any]], keys: Sequence[str]) -> Table:
    """A row for each measured combination of a grid, in the order given."""
    rows: list[list[str]] = []
    columns: list[str] = []
    for record in records:
        found = _accuracy(record["result"]["accuracy"])
        columns = [*keys, *found, *_COST]
        rows.append([*[str(record["changes"][key]) for key in keys], *found.values(), *_cost(record["result"])])
    return Table("Grid", columns, rows)
