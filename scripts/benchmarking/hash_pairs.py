"""Pairs of copies in a folder and its sub-folders by the perceptual hashes that ImageHash makes, as JSON.

python -m scripts.benchmarking.hash_pairs FOLDER
"""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from scripts.benchmarking.hashes import hashed

CUTOFF = 5  # bits that may differ; "close enough" in the article that ImageHash refers to


def hash_of(path: Path) -> int | None:
    """None of what is no picture."""
    try:
        return int(hashed(path), 16)
    except (OSError, SyntaxError, ValueError):  # what Pillow raises over broken files
        return None


def pairs(hashes: dict[str, int]) -> Iterator[tuple[str, str]]:
    """Each pair of names once whose hashes, of 64 bits, differ in few bits."""
    names, values = list(hashes), np.array(list(hashes.values()), np.uint64)
    for place, name in enumerate(names):
        differ = np.unpackbits((values[place + 1 :] ^ values[place])[:, None].view(np.uint8), axis=1).sum(axis=1)
        for further in np.flatnonzero(differ <= CUTOFF).tolist():
            yield name, names[place + 1 + further]


def main(folder: Path) -> None:
    """Hash all on all cores, compare all with all, print the pairs."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with ProcessPoolExecutor() as pool:
        made = pool.map(hash_of, files, chunksize=8)
        hashes = {str(path): value for path, value in zip(files, made, strict=True) if value is not None}
    print(json.dumps({"pairs": list(pairs(hashes))}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
