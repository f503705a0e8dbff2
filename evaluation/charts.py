"""Charts as PNG files. matplotlib is imported when the first is drawn: only this tool needs it."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from evaluation.edits import EDITS
from evaluation.errors import EvaluationError
from evaluation.results import CHAIN, Accuracy, Result


def require_matplotlib() -> None:
    """Raises EvaluationError, so that it is known before an hour's work and not after."""
    try:
        import matplotlib.figure  # noqa: F401, PLC0415
    except ImportError as error:
        how = "pip install -r requirements-evaluate.txt"
        raise EvaluationError(f"the report's charts need {error.name}, which is not installed: {how}") from None


def curves(results: Sequence[Result]) -> bytes:
    """Precision over recall, a line for each configuration, as PNG."""
    figure, axes = new_figure(7, 4.5)
    for result, found in _pairs(results):
        axes.plot(found.recall, found.precision, label=result.name)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0.5, 1.01), title="Precision and recall")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left")
    return png(figure)


def edits(results: Sequence[Result]) -> bytes:
    """Recall of the copies with one edit, all its strengths together, at the threshold for 99 % precision, as PNG."""
    shown = list(_pairs(results))
    names = [group.name for group in shown[0][1].groups if group.name in EDITS or group.name.startswith(CHAIN)]
    figure, axes = new_figure(8, 1 + 0.25 * len(shown) + len(names) * (0.1 + 0.06 * len(shown)))
    height = 0.85 / len(shown)
    for number, (result, found) in enumerate(shown):
        recall = {group.name: group.above_threshold for group in found.groups}
        places = [place + number * height for place in range(len(names))]
        axes.barh(places, [recall[name] for name in names], height, label=result.name)
    middle = (len(shown) - 1) * height / 2
    axes.set_yticks([place + middle for place in range(len(names))], names)
    axes.set(xlim=(0, 1), ylim=(len(names), -0.5), title="Recall at 99 % precision, by edit")
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=1)  # one below the other: names may be long
    return png(figure)


def _pairs(results: Sequence[Result]) -> list[tuple[Result, Accuracy]]:
    return [(result, result.accuracy) for result in results if isinstance(result.accuracy, Accuracy)]


def new_figure(width: float, height: float) -> tuple[Any, Any]:
    """Inches. Without pyplot, which would look for a screen."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure((width, height), layout="constrained")
    return figure, figure.add_subplot()


def png(figure: Any) -> bytes:
    """What is drawn, as a file."""
    data = BytesIO()
    figure.savefig(data, format="png", dpi=110)
    return data.getvalue()
