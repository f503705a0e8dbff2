"""The peer immaculate, in an environment of its own."""

from pathlib import Path

from scripts.benchmarking.environments import FOLDER, environment, works

REQUIREMENTS = Path(__file__).with_name("immaculate.txt")


def command(python: str | None = None, folder: Path = FOLDER) -> Path:
    """The command `immaculate`, installed if need be. Raises BenchmarkError where that cannot be.

    python: to make the environment with; else one is looked for.
    """
    place = environment(REQUIREMENTS, python, folder)
    found = place / "bin/immaculate"
    works(place, [str(found), "--help"])
    return found
