"""A progress bar on stderr: second by second for a person, every ten seconds in a log file."""

import sys
from typing import Any

from tqdm import tqdm


def progress(total: int, what: str) -> "tqdm[Any]":
    """A bar to be updated by the number of pictures done."""
    calm = 0.2 if sys.stderr.isatty() else 10
    return tqdm(total=total, desc=what, unit="picture", smoothing=0.05, mininterval=calm, dynamic_ncols=True)
