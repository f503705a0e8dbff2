"""A task: pictures to search for, pictures to search among, and which of the pairs are right."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image


class Item(Protocol):
    """A picture of a task, made or read whenever it is opened."""

    @property
    def name(self) -> str:
        """Of the file that it is or was made of."""

    @property
    def edits(self) -> str:
        """What was done to it; empty for a file as it is."""

    @property
    def chain(self) -> int:
        """How many edits that was."""

    def open(self) -> Image:
        """Upright RGB. Raises InputError, OSError."""


@dataclass(frozen=True, eq=False)
class Task:
    """What every configuration under comparison is given.

    pairs:      int (P, 2), the right pairs: number of the query, number of the reference. A query in none is a
                stranger's.
    parameters: everything that, with the configuration, settles the result.
    same:       int (S, 2), query and reference that are one file: a picture found by itself counts for nothing.
    """

    kind: str
    references: Sequence[Item]
    queries: Sequence[Item]
    pairs: NDArray[np.int64]
    parameters: dict[str, Any]
    same: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), np.int64))

    @property
    def strangers(self) -> int:
        """How many queries have no right reference."""
        return len(self.queries) - len(np.unique(self.pairs[:, 0]))
