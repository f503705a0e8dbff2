"""Check that edited copies are found, over real HTTP: `python scripts/verify_copies.py FOLDER`.

Indexes every picture of FOLDER, then searches for each one re-encoded at JPEG quality 40, at half its size, cropped to
70 %, mirrored, and rotated by 10 degrees. The exit status is 0 if at least 99 % of the copies are found first.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import requests
from PIL import Image
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from evaluation.edits import REQUIRED
from index_store import Catalog
from retrieval.bulk import BulkAdder, ImageFile
from retrieval.engine import Engine
from retrieval.settings import Settings, load_settings
from scripts.build_index import pictures
from scripts.serving import serving

AIM = 0.99


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--config", type=Path, metavar="FILE", help="what differs from config.yaml")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="search for every Nth picture only")
    given = parser.parse_args(argv)
    files = list(pictures([given.folder]))
    if not files:
        print(f"verify_copies: no pictures in {given.folder}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(given.config, data_dir=folder, server={"host": "127.0.0.1", "port": 0})
        fill(settings, files)
        with serving(settings) as port:
            first, flagged, searched = find(port, files[:: given.every])
    return report(first, flagged, searched)


def fill(settings: Settings, files: list[ImageFile]) -> None:
    """Index the files."""
    with Engine.open(settings, Catalog(settings.catalog_url)) as engine:
        for _ in tqdm(BulkAdder(settings, engine, "default").add(files), total=len(files), desc="index"):
            pass


def find(port: int, files: list[ImageFile]) -> tuple[Counter[str], Counter[str], int]:
    """For each edit, how many copies were found first and how many of these as duplicates; and how many there were."""
    first: Counter[str] = Counter()
    flagged: Counter[str] = Counter()
    with requests.Session() as session:
        for file in tqdm(files, desc="search"):
            for name, edit in REQUIRED.items():
                body = _encoded(edit(Image.open(file.path).convert("RGB")))
                reply = session.post(f"http://127.0.0.1:{port}/search", files={"image": body}, timeout=60).json()
                found = bool(reply["matches"]) and reply["matches"][0]["id"] == file.id
                first[name] += found
                flagged[name] += found and reply["duplicate"]
    return first, flagged, len(files)


def report(first: Counter[str], flagged: Counter[str], searched: int) -> int:
    """Print what was found; the exit status."""
    print(f"{'edit':24}{'found first':>14}{'as duplicate':>14}   of {searched}")
    for name in REQUIRED:
        print(f"{name:24}{first[name] / searched:14.1%}{flagged[name] / searched:14.1%}")
    share = first.total() / (searched * len(REQUIRED))
    print(f"{'all':24}{share:14.1%}{flagged.total() / (searched * len(REQUIRED)):14.1%}   aim {AIM:.0%} found first")
    return 0 if share >= AIM else 1


def _encoded(image: Image.Image) -> bytes:
    """As PNG, so that nothing but the edit changes the pixels."""
    data = BytesIO()
    image.save(data, "PNG", compress_level=1)
    return data.getvalue()


if __name__ == "__main__":
    sys.exit(main())
