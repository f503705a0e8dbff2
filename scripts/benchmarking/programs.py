"""What goes through a folder of picture files, each as its users start it: a process of its own, timed as a whole."""

import json
import os
import re
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from scripts.benchmarking.figures import BenchmarkError

ROOT = Path(__file__).resolve().parents[2]
ADDED = re.compile(r"^([\d,]+) added.*; ([\d.]+) s, [\d.]+ pictures/s$", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """files: that were worked on. seconds: of the whole process. adding: without its start, where it says so."""

    files: int
    seconds: float
    adding: float | None = None


class Program(ABC):
    """Goes through a folder; `name` says what its figures are called."""

    name: str

    @abstractmethod
    def run(self, folder: Path) -> Run:
        """Once, through all of the folder. Raises BenchmarkError."""


class BuildIndex(Program):
    """scripts/build_index.py, into a catalog and an index of its own each time."""

    def __init__(self, extractor: str, config: Path | None = None) -> None:
        self.name = f"build_index, {extractor}"
        self._extractor = extractor
        self._config = ["--config", str(config)] if config else []

    def run(self, folder: Path) -> Run:
        with tempfile.TemporaryDirectory() as data:
            command = [sys.executable, str(ROOT / "scripts/build_index.py"), str(folder), *self._config]
            ours = {"IMAGERETRIEVAL__DATA_DIR": data, "IMAGERETRIEVAL__EXTRACTOR__NAME": self._extractor}
            seconds, done = _timed(command, ours)
        found = ADDED.search(done.stderr)
        if found is None or found[1] == "0":
            raise BenchmarkError(f"{self.name} has added nothing:\n{done.stderr}")
        return Run(int(found[1].replace(",", "")), seconds, float(found[2]))


class Immaculate(Program):
    """The command of the PyPI package, from an environment of its own."""

    def __init__(self, command: Path, method: str) -> None:
        self.name = f"immaculate, {method}"
        self._command = [str(command), "--json", "--method", method]

    def run(self, folder: Path) -> Run:
        count = sum(path.is_file() for path in folder.iterdir())
        seconds, done = _timed([*self._command, str(folder)])
        if done.returncode:
            raise BenchmarkError(f"{self.name} failed:\n{done.stderr}")
        return Run(count - len(json.loads(done.stdout)["skipped"]), seconds)


class ImageHash(Program):
    """The 64-bit perceptual hash of each file, on all cores."""

    name = "imagehash, phash"

    def run(self, folder: Path) -> Run:
        seconds, done = _timed([sys.executable, str(ROOT / "scripts/benchmarking/hashes.py"), str(folder)])
        if done.returncode:
            raise BenchmarkError(f"{self.name} failed:\n{done.stderr}")
        return Run(int(done.stdout), seconds)


def _timed(command: list[str], more: dict[str, str] | None = None) -> tuple[float, "subprocess.CompletedProcess[str]"]:
    started = perf_counter()
    done = subprocess.run(  # noqa: S603
        command, env=os.environ | (more or {}), capture_output=True, text=True, check=False
    )
    return perf_counter() - started, done
