"""Pairs of the last run over the same folders, in the cache folder: only what is new is compared with what there is."""

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cleaning.nearness import Pairs

FILES = 16  # the newest are kept, one for each question
Digests = NDArray[np.void]


@dataclass(frozen=True)
class HeldPairs:
    """The file of one question, which `key` says all of that pairs depend on."""

    folder: Path
    key: str

    @property
    def path(self) -> Path:
        return self.folder / f"pairs-{hashlib.sha256(self.key.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}.npz"

    def load(self, hashes: list[str]) -> tuple[Pairs, NDArray[np.bool_]]:
        """Pairs among the contents (N,) by place, and which of these are new (N,) and in none of the pairs yet."""
        fresh = np.ones(len(hashes), np.bool_)
        try:
            with self.path.open("rb") as data, np.load(data, allow_pickle=False) as file:
                held, left, right, scores = (file[name] for name in ("digests", "left", "right", "scores"))
            place_of = {digest.tobytes(): place for place, digest in enumerate(_digests(hashes))}
            places = np.array([place_of.get(digest.tobytes(), -1) for digest in held], np.int64)
            pairs = Pairs(places[left], places[right], scores.astype(np.float64))
        except Exception:  # noqa: BLE001  # none yet, or damaged: whatever zipfile, zlib and NumPy raise, it is made anew
            return Pairs.none(), fresh
        fresh[places[places >= 0]] = False
        return pairs.where((pairs.left >= 0) & (pairs.right >= 0)), fresh

    def save(self, hashes: list[str], pairs: Pairs) -> None:
        """Whole or not at all. Raises OSError."""
        aside = self.path.with_suffix(f".{os.getpid()}.tmp")
        try:
            with aside.open("wb") as file:
                columns = {"left": pairs.left, "right": pairs.right, "scores": pairs.scores}
                np.savez(file, digests=_digests(hashes), **columns)  # type: ignore[arg-type]  # of NumPy's stub
            aside.replace(self.path)
        finally:
            aside.unlink(missing_ok=True)
        with suppress(FileNotFoundError):  # another run forgets them, too
            for old in sorted(self.folder.glob("pairs-*.npz"), key=lambda path: path.stat().st_mtime_ns)[:-FILES]:
                old.unlink()


def _digests(hashes: list[str]) -> Digests:
    return np.frombuffer(bytes.fromhex("".join(hashes)), np.dtype("V32"))
