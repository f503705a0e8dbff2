"""What is left of an evaluation: results.json, report.html, the charts as PNG files."""

import importlib.metadata
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evaluation import charts
from evaluation.misses import uri, worst_false_alarms, worst_misses
from evaluation.results import Accuracy, Result
from evaluation.tables import by_edit, by_strength, overview
from evaluation.task import Task

LIBRARIES = ("numpy", "pillow", "openvino", "onnxruntime", "torch", "ImageHash", "pdqhash", "scipy")
SHOWN = 12


def write_report(task: Task, results: Sequence[Result], folder: Path) -> list[Path]:
    """Write everything into `folder`, over what an earlier evaluation left there; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = _charts(results)
    for name, png in drawn.items():
        (folder / name).write_bytes(png)
    (folder / "results.json").write_text(json.dumps(record(task, results), indent=2) + "\n", encoding="utf-8")
    (folder / "report.html").write_text(page(task, results, drawn), encoding="utf-8", errors="replace")
    return [folder / name for name in ("results.json", "report.html", *drawn)]


def record(task: Task, results: Sequence[Result]) -> dict[str, Any]:
    """The task, what it ran on, and every figure; for JSON."""
    return {
        "task": task.kind,
        "parameters": task.parameters,
        "references": len(task.references),
        "queries": len(task.queries),
        "strangers": task.strangers,
        "versions": versions(),
        "results": [result.record() for result in results],
    }


def versions() -> dict[str, str]:
    """Of Python and of the libraries that pictures go through; only of those that are installed."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def page(task: Task, results: Sequence[Result], drawn: dict[str, bytes]) -> str:
    """A page of HTML that needs no other file."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, loader=FileSystemLoader(Path(__file__).parent), trim_blocks=True
    )
    wrong = [
        (each.name, worst_misses(task, each, SHOWN), worst_false_alarms(task, each, SHOWN // 3)) for each in results
    ]
    return environment.get_template("report.html").render(
        about=about(task),
        tables=[overview(results), *([by_edit(results), by_strength(results)] if task.kind == "suite" else [])],
        charts=[uri("image/png", png) for png in drawn.values()],
        wrong=wrong if task.kind != "classes" else [],
    )


def about(task: Task) -> str:
    """What was measured, in a sentence."""
    if task.kind == "classes":
        classes = task.parameters["classes"]
        return f"{len(task.references)} pictures in {classes} classes, each searched for among the others."
    seed = f" Seed {task.parameters['seed']}." if "seed" in task.parameters else ""
    known = len(task.queries) - task.strangers
    return f"{known} copies and {task.strangers} strangers, searched for among {len(task.references)} pictures.{seed}"


def _charts(results: Sequence[Result]) -> dict[str, bytes]:
    """File name -> PNG."""
    accuracies = [result.accuracy for result in results if isinstance(result.accuracy, Accuracy)]
    if not accuracies:
        return {}
    drawn = {"precision_recall.png": charts.curves(results)}
    return drawn | ({"edits.png": charts.edits(results)} if accuracies[0].groups else {})
