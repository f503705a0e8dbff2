"""A command as a whole: how long it took, and the most memory that it and its children had at once."""

import os
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

EVERY_S = 0.2


@dataclass(frozen=True)
class Watched:
    """seconds: of the clock. peak: bytes, what processes share being counted once; 0 where the system does not say."""

    status: int
    out: str
    err: str
    seconds: float
    peak: int


def watch(command: Sequence[str]) -> Watched:
    """Run it, in the root of this project, until it ends. It does not outlive this call. Raises OSError."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=err, start_new_session=True)  # noqa: S603
        try:
            peak = _peak(process)
        finally:
            _end(process)
        seconds = perf_counter() - started
        return Watched(process.returncode, _text(out), _text(err), seconds, peak)


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
