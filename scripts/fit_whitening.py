"""Fits what is learned from a sample of pictures: PCA, whitening or SVD of vectors, or the channels of PWA pooling.

    python scripts/fit_whitening.py FOLDER --config my.yaml --kind pca_whiten --dim 256 --out .models/whiten.npz
    python scripts/fit_whitening.py --collection mine --config my.yaml --kind centre --out .models/centre.npz
    python scripts/fit_whitening.py FOLDER --config my.yaml --kind pwa --dim 25 --out .models/pwa.npz

Take pictures like those to be served, and several times as many as dimensions are kept. The lines to put into the
configuration are printed. Vectors then have another fingerprint: collections are embedded again.
"""

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import yaml
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from extractor import Extractor, ExtractorError, load_untransformed
from extractor.channels import Channels
from extractor.interface import Vectors
from extractor.transform import KINDS, fit
from index_store import Catalog, StoreError
from index_store.rows import vector_chunks
from retrieval.errors import BadImage, PictureTooLarge
from retrieval.picture import Picture, decode
from retrieval.settings import BadSettings, Settings, load_settings
from scripts.build_index import pictures

PWA = "pwa"
PARTS = 25  # of PWA's paper
BATCH = 32


def main(argv: Sequence[str] | None = None) -> int:
    """Fit what the command line names; returns the exit status."""
    options = _parser().parse_args(argv)
    try:
        _check(options)
        settings = load_settings(options.config)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        lines = _fit_channels(settings, options) if options.kind == PWA else _fit_transform(settings, options)
    except (BadSettings, ExtractorError, StoreError, ValueError, OSError) as error:
        print(f"fit_whitening: {error}", file=sys.stderr)
        return 2
    print(yaml.safe_dump({"extractor": lines}, sort_keys=False), end="")
    return 0


def _check(options: argparse.Namespace) -> None:
    """Raises ValueError where the command line makes no sense."""
    if bool(options.folders) == bool(options.collection):
        raise ValueError("name folders, or --collection NAME: one of the two")
    for folder in options.folders:
        if not folder.is_dir():
            raise ValueError(f"no such folder: {folder}")
    for name in ("dim", "sample"):
        if (value := getattr(options, name)) is not None and value < 1:
            raise ValueError(f"--{name}: at least 1, not {value}")


def _fit_transform(settings: Settings, options: argparse.Namespace) -> dict[str, object]:
    extractor = load_untransformed(settings.extractor)
    if options.collection:
        vectors = stored_vectors(settings, options.collection, extractor.fingerprint, options.sample)
    else:
        vectors = embedded(extractor, _sampled(settings, options))
    transform = fit(vectors, options.kind, options.dim, extractor.fingerprint)
    transform.save(options.out)
    print(f"{transform.name}, fitted on {len(vectors):,} pictures", file=sys.stderr)
    return {"transform": str(options.out.resolve())}


def _fit_channels(settings: Settings, options: argparse.Namespace) -> dict[str, object]:
    if settings.extractor.name != "resnet" or options.collection:
        raise ValueError("the channels of PWA are chosen from folders of pictures, with extractor.name: resnet")
    from extractor.resnet import chosen_channels  # noqa: PLC0415  # brings PyTorch

    images = (picture.image for picture in _sampled(settings, options))
    channels = Channels(chosen_channels(settings.extractor, images, options.dim or PARTS))
    channels.save(options.out)
    return {"resnet": {"pooling": PWA, "pwa_channels": str(options.out.resolve())}}


def stored_vectors(settings: Settings, name: str, fingerprint: str, sample: int) -> Vectors:
    """Vectors (N, D) of a collection, `sample` at most, evenly spread over it. Raises StoreError, ValueError."""
    catalog = Catalog(settings.catalog_url)
    collection = catalog.collection(name)
    if collection.fingerprint != fingerprint:
        raise ValueError(f"collection {name!r} holds vectors of {collection.fingerprint}, not of {fingerprint}")
    count = catalog.count(collection)
    wanted = np.unique(np.linspace(0, count - 1, min(sample, count)).round().astype(int))
    parts, seen = [np.empty((0, collection.dim), np.float32)], 0
    with catalog.reading() as connection:
        for _, vectors in vector_chunks(connection, collection, 0, collection.clock):
            parts.append(vectors[wanted[(wanted >= seen) & (wanted < seen + len(vectors))] - seen])
            seen += len(vectors)
    catalog.close()
    return np.concatenate(parts)


def embedded(extractor: Extractor, sample: Iterator[Picture]) -> Vectors:
    """Vectors (N, D) of pictures, a few of which are in memory at a time."""
    parts = [np.empty((0, extractor.dim), np.float32)]
    while batch := list(islice(sample, BATCH)):
        parts.append(extractor.embed([picture.image for picture in batch]))
    return np.concatenate(parts)


def _sampled(settings: Settings, options: argparse.Namespace) -> Iterator[Picture]:
    """Pictures chosen at random, but the same in each run; what cannot be read is passed over."""
    paths = [file.path for file in pictures(options.folders)]
    chosen = random.Random(options.seed).sample(paths, min(options.sample, len(paths)))  # noqa: S311
    for path in tqdm(chosen, unit="picture", dynamic_ncols=True):
        try:
            yield decode(path.read_bytes(), settings.input)
        except (BadImage, PictureTooLarge, OSError) as error:
            tqdm.write(f"passed over: {path}: {error}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="searched with its sub-folders")
    parser.add_argument("--collection", metavar="NAME", help="take the vectors of a collection, without its pictures")
    parser.add_argument("--config", type=Path, metavar="FILE", help="what differs from config.yaml")
    parser.add_argument("--kind", choices=(*KINDS, PWA), default="pca_whiten", help="default: %(default)s")
    kept = f"dimensions kept (all that the sample supports), or parts of PWA ({PARTS})"
    parser.add_argument("--dim", type=int, metavar="D", help=kept)
    parser.add_argument("--sample", type=int, default=10_000, metavar="N", help="pictures at most (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of pictures (%(default)s)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .npz file to write")
    return parser


if __name__ == "__main__":
    sys.exit(main())
