"""Files of named arrays (.npz): what is fitted on a sample of pictures and kept beside the model."""

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from extractor.errors import BadModel, ModelMissing

Arrays = dict[str, np.ndarray[Any, Any]]


def load_arrays(path: Path, names: tuple[str, ...], maker: str) -> Arrays:
    """The arrays `names` of a file that the script `maker` wrote. Raises ModelMissing, BadModel."""
    try:
        with path.open("rb") as file:  # NumPy leaves a file open that it cannot read
            content = np.load(file, allow_pickle=False)
            return {name: content[name] for name in names}
    except FileNotFoundError:
        raise ModelMissing(f"there is no {path}: make it with {maker}") from None
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
        raise BadModel(f"{path} was not made by {maker} ({error})") from None


def save_arrays(path: Path, arrays: Arrays) -> None:
    """Write a file under exactly this name, all of it or nothing."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("wb") as file:  # given the name, NumPy would add an ending
            np.savez(file, allow_pickle=False, **arrays)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
