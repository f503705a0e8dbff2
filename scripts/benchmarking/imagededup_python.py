"""The peer imagededup, in an environment of its own: it brings PyTorch, some 6 GB."""

from pathlib import Path

from scripts.benchmarking.environments import FOLDER, environment, works

REQUIREMENTS = Path(__file__).with_name("imagededup.txt")


def interpreter(python: str | None = None, folder: Path = FOLDER) -> Path:
    """The Python that can import it, installed if need be. Raises BenchmarkError where that cannot be.

    python: to make the environment with; else one is looked for.
    """
    place = environment(REQUIREMENTS, python, folder)
    found = place / "bin/python"
    works(place, [str(found), "-P", "-c", "import imagededup.methods"])
    return found
