"""What the processes of a service take: memory, threads, file descriptors; and what lies in its data folder."""

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

PROC = Path("/proc")
JOB = b"retrieval.job_runner"
MB = 1 << 20


@dataclass(frozen=True)
class Sample:
    """Of all processes together; a job's process, which comes and goes, is counted by its memory alone.

    rss, anonymous, job_rss: MB; load: the machine's load average of the last minute.
    """

    at: float
    rss: float
    anonymous: float
    threads: int
    descriptors: int
    processes: int
    job_rss: float
    load: float


def sample(pid: int) -> Sample:
    """The process and all its descendants, as they are now. Raises ProcessLookupError if there are none."""
    serving: list[tuple[float, float, int, int]] = []
    job_rss = 0.0
    for each in family(pid):
        try:
            taken = _taken(each)
            is_job = JOB in (PROC / str(each) / "cmdline").read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        if is_job:
            job_rss += taken[0]
        else:
            serving.append(taken)
    if not serving:
        raise ProcessLookupError(f"process {pid} has ended")
    rss, anonymous, threads, descriptors = (sum(column) for column in zip(*serving, strict=True))
    load = os.getloadavg()[0]
    return Sample(monotonic(), rss, anonymous, int(threads), int(descriptors), len(serving), job_rss, load)


def family(pid: int) -> Iterator[int]:
    """The process and all its descendants."""
    children: dict[int, list[int]] = defaultdict(list)
    for folder in PROC.glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        children[int(parent)].append(int(folder.name))
    waiting = [pid]
    while waiting:
        yield (one := waiting.pop())
        waiting += children[one]


def disk(folder: Path) -> dict[str, float]:
    """MB of each file and folder directly in a data folder."""
    return {each.name: _size(each) / MB for each in sorted(folder.iterdir())}


def generations(folder: Path) -> int:
    """How many generations of an index lie in a data folder."""
    return len(list((folder / "index").glob("*/gen-*")))


def _taken(pid: int) -> tuple[float, float, int, int]:
    lines = (PROC / str(pid) / "status").read_text().splitlines()
    facts = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    rss, anonymous = (int(facts[name][0]) / 1024 if name in facts else 0.0 for name in ("VmRSS", "RssAnon"))
    return rss, anonymous, int(facts["Threads"][0]), len(os.listdir(PROC / str(pid) / "fd"))  # noqa: PTH208


def _size(path: Path) -> int:
    try:
        return sum(_size(each) for each in path.iterdir()) if path.is_dir() else path.stat().st_size
    except FileNotFoundError:  # swept meanwhile
        return 0
