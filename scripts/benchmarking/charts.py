"""Charts of a run, as PNG."""

from collections.abc import Callable
from typing import Any

from evaluation.charts import new_figure, png
from scripts.benchmarking.figures import Columns, Measured, Rounds
from scripts.benchmarking.report import OURS
from scripts.benchmarking.service import CLIENTS, search_by

# Lines across the chart of throughput: figure, and what it is called there.
BARE = {
    "bare batched: pictures/s": "bare pipeline, batched",
    "bare, ONNX Runtime: pictures/s": "bare, ONNX Runtime and Pillow",
    "bulk: pictures/s": "bulk indexing",
}


def charts(part: str, measured: Measured) -> dict[str, bytes]:
    """Of a part, by file name."""
    if isinstance(measured, Columns):
        return {f"index-{name}.png": draw(measured) for name, draw in INDEX.items()}
    if part == "files":
        return {"files.png": files(measured)}
    return {"service-throughput.png": throughput(measured), "service-latency.png": latency(measured)}


def throughput(measured: Rounds) -> bytes:
    """Requests a second by clients, between the lines of what needs no HTTP."""
    figure, axes = new_figure(7, 4.5)
    rates = [measured.figures[f"{search_by(clients)}: requests/s"] for clients in CLIENTS]
    axes.plot(CLIENTS, rates, marker="o", label="/search")
    for number, (name, title) in enumerate(BARE.items(), start=1):
        if name in measured.figures:
            axes.axhline(measured.figures[name], color=f"C{number}", linestyle="--", label=title)
    _by_clients(axes)
    axes.set(ylabel="pictures a second", ylim=(0, None), title="Throughput over HTTP")
    _legend_below(figure)
    return png(figure)


def latency(measured: Rounds) -> bytes:
    """Percentiles by clients."""
    figure, axes = new_figure(7, 4.5)
    for percentile in ("p50", "p99"):
        ms = [measured.figures[f"{search_by(clients)}: {percentile} ms"] for clients in CLIENTS]
        axes.plot(CLIENTS, ms, marker="o", label=f"/search, {percentile}")
    axes.axhline(measured.figures["bare one by one: ms"], color="C2", linestyle="--", label="bare pipeline, one by one")
    _by_clients(axes)
    axes.set(yscale="log", ylabel="ms", title="Latency over HTTP")
    _plain(axes.yaxis)
    _legend_below(figure)
    return png(figure)


def files(measured: Rounds) -> bytes:
    """Files a second of whole processes, and after their start."""
    names = [name.removesuffix(": files/s") for name in measured.figures if name.endswith(": files/s")][::-1]
    figure, axes = new_figure(7, 1.6 + 0.6 * len(names))
    for number, (figure_name, title) in enumerate(
        (("files/s after start-up", "after start-up"), ("files/s", "whole process"))
    ):
        places = [place + 0.4 * number for place in range(len(names))]
        bars = axes.barh(places, [measured.figures[f"{name}: {figure_name}"] for name in names], 0.38, label=title)
        axes.bar_label(bars, fmt="%.1f", padding=3)
    axes.set_yticks([place + 0.2 for place in range(len(names))], names)
    axes.set(xlabel="files a second", title="Folders of files")
    axes.margins(x=0.12)
    axes.grid(axis="x", alpha=0.3)
    _legend_below(figure)
    return png(figure)


def by_size(name: str, unit: str, title: str) -> Callable[[Columns], bytes]:
    """A chart of one figure by size, log-log, ours and each peer."""

    def draw(measured: Columns) -> bytes:
        figure, axes = new_figure(7, 4.8)
        for engine, sizes in ({OURS: measured.sizes} | measured.peers).items():
            ours = engine == OURS
            values = [figures[name] for figures in sizes.values()]
            axes.plot(
                list(sizes), values, marker="o", label=engine, linewidth=3 if ours else 1.5, zorder=3 if ours else 2
            )
        axes.set(xscale="log", yscale="log", xlabel="vectors", ylabel=unit, title=title)
        _ticks_at(axes.xaxis, sorted(measured.sizes))
        _plain(axes.yaxis)
        axes.grid(which="both", alpha=0.3)
        _legend_below(figure)
        return png(figure)

    return draw


def found(measured: Columns) -> bytes:
    """What is found, over what a search takes: a point for each engine, at the largest size that all have."""
    shared = set(measured.sizes).intersection(*(sizes for sizes in measured.peers.values()))
    size = max(shared or measured.sizes)
    figure, axes = new_figure(7, 4.8)
    for engine, sizes in ({OURS: measured.sizes} | measured.peers).items():
        if size in sizes:
            at = sizes[size]
            axes.scatter(at["index: p50 ms"], at["found first, turned as by edits"], s=70, label=engine)
    axes.set(xscale="log", xlabel="ms a query, p50", ylabel="source found first", ylim=(0, 1.05))
    axes.set_title(f"Found among {size:,} vectors")
    _plain(axes.xaxis)
    axes.grid(which="both", alpha=0.3)
    _legend_below(figure)
    return png(figure)


INDEX: dict[str, Callable[[Columns], bytes]] = {
    "latency": by_size("index: p50 ms", "ms a query, p50, one thread", "Search"),
    "build": by_size("build: s", "seconds", "Build"),
    "memory": by_size("memory, private: bytes a vector", "bytes a vector", "Memory of the process's own"),
    "disk": by_size("disk, index: bytes a vector", "bytes a vector", "On the disk"),
    "found": found,
}


def _by_clients(axes: Any) -> None:
    axes.set(xscale="log", xlabel="clients")
    _ticks_at(axes.xaxis, list(CLIENTS))
    axes.grid(alpha=0.3)


def _ticks_at(axis: Any, values: list[int]) -> None:
    axis.set_ticks(values, [f"{value:,}" for value in values])
    axis.set_ticks([], minor=True)


def _plain(axis: Any) -> None:
    """Numbers as they are, not as powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: PLC0415  # as in evaluation.charts

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _legend_below(figure: Any) -> None:
    figure.legend(loc="outside lower center", ncols=3)
