"""Environments of their own for peers, which may take another Python or other packages than this project."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.benchmarking.figures import BenchmarkError

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".peers"  # ignored by git
LEAST = (3, 12)
PYTHONS = ("python3.13", "python3.12", "python3.14", "python3")


def environment(requirements: Path, python: str | None, folder: Path) -> Path:
    """Named after the file of requirements, made if need be. Raises BenchmarkError where that cannot be.

    python: to make the environment with; else one is looked for.
    """
    place = folder / requirements.stem
    done, wanted = place / ".done", requirements.read_text()
    if not (done.exists() and done.read_text() == wanted):
        _install(place, requirements, suitable(python))
        done.write_text(wanted)
    return place


def works(place: Path, command: list[str]) -> None:
    """Raises BenchmarkError where a command of the environment does not run."""
    if (trouble := ran(command)).returncode:
        raise BenchmarkError(
            f"it does not run; remove {place.name} in {place.parent.name} to install anew\n{trouble.stderr}"
        )


def suitable(python: str | None = None) -> str:
    """A Python that is new enough. Raises BenchmarkError."""
    for candidate in [python] if python else _candidates():
        version = version_of(candidate)
        if version is not None and version >= LEAST:
            return candidate
        if python:
            says = "does not run" if version is None else f"is Python {version[0]}.{version[1]}"
            raise BenchmarkError(f"it needs Python {LEAST[0]}.{LEAST[1]} or newer, and {python} {says}")
    tried = ", ".join(PYTHONS)
    needs = f"it needs Python {LEAST[0]}.{LEAST[1]} or newer"
    raise BenchmarkError(f"{needs}, and none of {tried} is one that runs; say which: --peer-python COMMAND")


def version_of(python: str) -> tuple[int, int] | None:
    """None for what does not run, such as pyenv's stand-in for a version that it was not told to use."""
    told = ran([python, "-c", "import sys; print(*sys.version_info[:2])"])
    if told.returncode:
        return None
    major, minor = map(int, told.stdout.split())
    return major, minor


def ran(step: list[str]) -> "subprocess.CompletedProcess[str]":
    """The command and what it said; status 127 where there is no such command."""
    try:
        return subprocess.run(step, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        return subprocess.CompletedProcess(step, 127, "", str(error))


def _candidates() -> Iterator[str]:
    yield sys.executable
    yield from filter(None, map(shutil.which, PYTHONS))


def _install(place: Path, requirements: Path, python: str) -> None:
    print(f"installing {place.name} into {place.parent.name} ...", file=sys.stderr)
    pip = [str(place / "bin/python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    for step in ([python, "-m", "venv", "--clear", str(place)], [*pip, "install", "-r", str(requirements)]):
        done = ran(step)
        if done.returncode:
            raise BenchmarkError(f"it could not be installed:\n{done.stderr}")
