"""The perceptual hash of every file in a folder, as ImageHash makes it, on all cores; prints how many there were.

python scripts/benchmarking/hashes.py FOLDER
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import imagehash
from PIL import Image


def hashed(path: Path) -> str:
    """The hash in hexadecimal."""
    with Image.open(path) as image:
        return str(imagehash.phash(image))


def main(folder: Path) -> None:
    """Hash all, print the count."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    with ProcessPoolExecutor() as pool:
        print(sum(1 for _ in pool.map(hashed, files, chunksize=8)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
