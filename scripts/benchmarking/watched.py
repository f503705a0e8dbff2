"""A command as a whole: what it took of the clock and of the processor, and the most memory it had at once."""

import os
import resource
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from typing import IO

from scripts.benchmarking.environments import ROOT
from scripts.soaking.watch import PROC, family

EVERY_S = 0.5


@dataclass(frozen=True)
class Watched:
    """What it took, its children's share among it.

    seconds: of the clock. processor: seconds of all cores. peak: bytes, what processes share being counted once;
    0 where the system does not say.
    """

    status: int
    out: str
    err: str
    seconds: float
    processor: float
    peak: int


def watch(command: Sequence[str]) -> Watched:
    """Run it, in the root of this project, until it ends. It does not outlive this call. Raises OSError."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started, before = perf_counter(), _processor()
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=err, start_new_session=True)  # noqa: S603
        try:
            peak = _peak(process)
        finally:
            _end(process)
        seconds, processor = perf_counter() - started, _processor() - before
        return Watched(process.returncode, _text(out), _text(err), seconds, processor, peak)


def _processor() -> float:
    """Seconds that children took that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _peak(process: "subprocess.Popen[bytes]") -> int:
    """Of all looks until it ended."""
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(map(_memory, family(process.pid))))
        with suppress(subprocess.TimeoutExpired):
            process.wait(EVERY_S)
    return peak


def _memory(pid: int) -> int:
    """Bytes; of pages that several processes have, its part."""
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended meanwhile, or there is no such file here
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _end(process: "subprocess.Popen[bytes]") -> None:
    """With its children."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")
