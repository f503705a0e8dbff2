"""Programs that find copies in a folder, each as its users start it: a process of its own, watched as a whole."""

import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from cleaning.plan import Plan, PlanError
from scripts.benchmarking.environments import ROOT
from scripts.benchmarking.figures import BenchmarkError
from scripts.benchmarking.imagededup_python import interpreter
from scripts.benchmarking.immaculate import command as immaculate
from scripts.benchmarking.watched import Watched, watch

Pair = tuple[str, str]  # of absolute paths, the lesser first
METHODS = ("pdq", "sscd", "sscd_distilled")  # of immaculate; the first is its default
HASHES = ("PHash", "DHash")  # of imagededup; its CNN would download weights from elsewhere


@dataclass(frozen=True)
class Outcome:
    """What a program took, and the pairs of files that it says are copies of each other."""

    watched: Watched
    pairs: frozenset[Pair]


class FindsCopies(ABC):
    """`name` says what its figures are called."""

    name: str

    @abstractmethod
    def run(self, folder: Path) -> Outcome:
        """Once, through a folder (absolute) and its sub-folders. Raises BenchmarkError, OSError."""

    def _watched(self, command: Sequence[str], good: Iterable[int] = (0,)) -> Watched:
        watched = watch(command)
        if watched.status not in good:
            raise BenchmarkError(f"{self.name} failed with status {watched.status}:\n{watched.err}")
        return watched


class Dedupe(FindsCopies):
    """scripts/dedupe.py with a cache folder, where an earlier run may have left something; of a group, all pairs."""

    def __init__(self, name: str, kept: Path, config: Path | None = None) -> None:
        self.name = name
        self._plan = kept / "plan.json"
        self._options = ["--cache", str(kept / "cache"), "--plan", str(self._plan), "--quiet"]
        self._options += ["--config", str(config)] if config else []

    def run(self, folder: Path) -> Outcome:
        command = [sys.executable, str(ROOT / "scripts/dedupe.py"), str(folder), *self._options]
        watched = self._watched(command, (0, 1))
        try:
            groups = Plan.read(self._plan).groups
        except PlanError as error:
            raise BenchmarkError(f"{self.name} has written no plan: {error}\n{watched.err}") from error
        sets = ([group.keeper.path, *(copy.path for copy in group.copies)] for group in groups)
        return Outcome(watched, pairs_of(folder, sets))


class Immaculate(FindsCopies):
    """The command of the PyPI package; of a set, all pairs."""

    def __init__(self, command: Path, method: str) -> None:
        self.name = f"immaculate, {method}"
        self._command = [str(command), "--json", "--method", method]

    def run(self, folder: Path) -> Outcome:
        watched = self._watched([*self._command, str(folder)])
        told = _json(self.name, watched)
        return Outcome(watched, pairs_of(folder, [*told["exact"], *told["near"]]))


class PairLister(FindsCopies):
    """A program that prints pairs, as scripts/benchmarking/hash_pairs.py does."""

    def __init__(self, name: str, before: Sequence[str], after: Sequence[str] = ()) -> None:
        self.name = name
        self._before, self._after = before, after

    def run(self, folder: Path) -> Outcome:
        watched = self._watched([*self._before, str(folder), *self._after])
        return Outcome(watched, pairs_of(folder, _json(self.name, watched)["pairs"]))


def pairs_of(folder: Path, sets: Iterable[Sequence[str]]) -> frozenset[Pair]:
    """All pairs of the members of each set, whose paths may be relative to the folder."""
    absolute = (sorted({os.path.normpath(folder / path) for path in each}) for each in sets)
    return frozenset(pair for each in absolute for pair in combinations(each, 2))


def peers(python: str | None) -> Iterator[FindsCopies]:
    """Those that can be had; what cannot is told and left out."""
    yield PairLister("ImageHash, pHash", [sys.executable, "-m", "scripts.benchmarking.hash_pairs"])
    try:
        theirs = immaculate(python)
        yield from (Immaculate(theirs, method) for method in METHODS)
    except BenchmarkError as error:
        print(f"immaculate is left out: {error}", file=sys.stderr)
    try:
        script = [str(interpreter(python)), "-P", str(Path(__file__).with_name("imagededup_pairs.py"))]
        yield from (PairLister(f"imagededup, {method}", script, [method]) for method in HASHES)
    except BenchmarkError as error:
        print(f"imagededup is left out: {error}", file=sys.stderr)


def _json(name: str, watched: Watched) -> dict[str, list[list[str]]]:
    try:
        told: dict[str, list[list[str]]] = json.loads(watched.out)
    except ValueError as error:
        raise BenchmarkError(f"{name} has not printed JSON: {error}\n{watched.err}") from error
    return told
