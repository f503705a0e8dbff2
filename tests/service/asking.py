"""Pictures as requests carry them, and what an exact search over them finds."""

import functools
from base64 import b64encode
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from extractor import Extractor
from tests import chosen
from tests.corpus import encoded, photo

SMALL = (64, 48)


@functools.cache
def jpeg(seed: int, quality: int = 90) -> bytes:
    """A photo-like picture as a JPEG file; other seeds look clearly different."""
    return encoded(photo(seed), "JPEG", quality=quality)


@functools.cache
def png(seed: int) -> bytes:
    """The same pictures without loss."""
    return encoded(photo(seed), "PNG")


@functools.cache
def small(seed: int) -> bytes:
    """Smaller pictures of the same kind, quick to make by the hundred."""
    return encoded(photo(seed, SMALL), "JPEG", quality=90)


def body(data: bytes, **fields: Any) -> dict[str, Any]:
    """A JSON body with a picture."""
    return {"base64": b64encode(data).decode(), **fields}


def form(data: bytes, name: str = "photo.jpg", **fields: Any) -> dict[str, Any]:
    """The fields of a multipart form with a picture, for the Flask client."""
    return {"image": (BytesIO(data), name), **fields}


class Exact:
    """The oracle: cosines with every picture held, from the extractor's own vectors, with no index at all.

    Vectors are kept as float16, as the catalog keeps them, and their lengths are divided out of the scores.
    """

    def __init__(self, held: Mapping[str, bytes], extractor: Extractor | None = None) -> None:
        self._extractor = extractor or chosen.extractor()
        self._ids = list(held)
        kept = self._embedded(list(held.values())).astype(np.float16).astype(np.float64)
        self._vectors = kept / np.linalg.norm(kept, axis=1, keepdims=True)

    def search(self, data: bytes, top_k: int) -> list[tuple[str, float]]:
        """(id, score) of the nearest, best first."""
        scores = self._vectors @ self._embedded([data])[0].astype(np.float64)
        best = np.argsort(-scores, kind="stable")[:top_k]
        return [(self._ids[place], float(scores[place])) for place in best]

    def _embedded(self, files: list[bytes]) -> Any:
        return self._extractor.embed([Image.open(BytesIO(data)).convert("RGB") for data in files])
