"""The environment of the peer immaculate, which takes another Python than this project may run on."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.benchmarking.figures import BenchmarkError

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".peers"  # ignored by git
REQUIREMENTS = Path(__file__).with_name("immaculate.txt")
LEAST = (3, 12)
PYTHONS = ("python3.13", "python3.12", "python3.14", "python3")


def command(python: str | None = None, folder: Path = FOLDER) -> Path:
    """The command `immaculate`, installed if need be. Raises BenchmarkError where that cannot be.

    python: to make the environment with; else one is looked for.
    """
    place = folder / "immaculate"
    done, found = place / ".done", place / "bin/immaculate"
    if not (done.exists() and done.read_text() == REQUIREMENTS.read_text()):
        _install(place, suitable(python))
        done.write_text(REQUIREMENTS.read_text())
    if (trouble := _ran([str(found), "--help"])).returncode:
        raise BenchmarkError(f"it does not run; remove {place.name} in {folder.name} to install anew\n{trouble.stderr}")
    return found


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
    told = _ran([python, "-c", "import sys; print(*sys.version_info[:2])"])
    if told.returncode:
        return None
    major, minor = map(int, told.stdout.split())
    return major, minor


def _candidates() -> Iterator[str]:
    yield sys.executable
    yield from filter(None, map(shutil.which, PYTHONS))


def _install(place: Path, python: str) -> None:
    print(f"installing immaculate into {place.parent.name} ...", file=sys.stderr)
    pip = [str(place / "bin/python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    for step in ([python, "-m", "venv", "--clear", str(place)], [*pip, "install", "-r", str(REQUIREMENTS)]):
        done = _ran(step)
        if done.returncode:
            raise BenchmarkError(f"it could not be installed:\n{done.stderr}")


def _ran(step: list[str]) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(step, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        return subprocess.CompletedProcess(step, 127, "", str(error))
