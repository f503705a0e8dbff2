"""The channels that part-based pooling (PWA) takes for its part detectors, chosen once from a sample of pictures."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from extractor.arrays import load_arrays, save_arrays
from extractor.errors import BadModel

MAKER = "scripts/fit_whitening.py --kind pwa"


@dataclass(frozen=True, eq=False)
class Channels:
    """Numbers (K,) int64 of channels of a feature map, most selective first."""

    numbers: NDArray[np.int64]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote. Raises ModelMissing, BadModel."""
        numbers = load_arrays(path, ("channels",), MAKER)["channels"]
        if numbers.ndim != 1 or numbers.dtype != np.int64 or not len(numbers):
            raise BadModel(f"{path} was not made by {MAKER}: it holds no numbers of channels")
        return cls(numbers)

    def save(self, path: Path) -> None:
        """Write an .npz file."""
        save_arrays(path, {"channels": self.numbers})

    @property
    def digest(self) -> str:
        """SHA-256 of the numbers, 64 hex digits."""
        return hashlib.sha256(self.numbers.astype("<i8").tobytes()).hexdigest()
