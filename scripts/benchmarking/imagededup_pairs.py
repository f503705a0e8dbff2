"""Pairs of copies in a folder and its sub-folders as imagededup finds them, as JSON; run by the Python that has it.

python -P scripts/benchmarking/imagededup_pairs.py FOLDER PHash
"""

import json
import sys

from imagededup import methods


def main(folder: str, method: str) -> None:
    """With its own threshold, on all cores."""
    found = getattr(methods, method)(verbose=False).find_duplicates(image_dir=folder, recursive=True)
    pairs = {tuple(sorted((name, other))) for name, others in found.items() for other in others}
    print(json.dumps({"pairs": sorted(pairs)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
