"""Seeded vectors and pictures-to-be for tests of the store, and the oracle that searches them exactly."""

import hashlib

import numpy as np

from index_store import NewImage

DIM = 64


def unit_vectors(count: int, seed: int, dim: int = DIM) -> np.ndarray:
    """(count, dim) float32 of unit length, in random directions."""
    vectors = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def near(vectors: np.ndarray, cosine: float, seed: int = 9) -> np.ndarray:
    """Each of (N, D) turned in a random direction until its cosine to the original is `cosine`."""
    noise = unit_vectors(len(vectors), seed, vectors.shape[1])
    noise -= (noise * vectors).sum(axis=1, keepdims=True) * vectors
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    return (cosine * vectors + np.sqrt(1 - cosine**2) * noise).astype(np.float32)


def new_image(image_id: str, vector: np.ndarray, **changes) -> NewImage:
    """A picture with bytes and pixels of its own."""
    facts = {"width": 4, "height": 3, "size": 12, "format": "PNG"}
    facts["sha256"] = hashlib.sha256(image_id.encode()).hexdigest()
    facts["pixels_sha256"] = facts["sha256"][::-1]
    return NewImage(**{"id": image_id, "vector": vector, "source": None, "metadata": {}, **facts, **changes})


def new_images(vectors: np.ndarray, prefix: str = "") -> list[NewImage]:
    """One picture a vector; ids are `prefix` and its number."""
    return [new_image(f"{prefix}{number}", vector) for number, vector in enumerate(vectors)]


def oracle(query: np.ndarray, ids: list[str], vectors: np.ndarray, top_k: int) -> list[tuple[str, float]]:
    """Exact search over the vectors as the catalog keeps them (float16)."""
    kept = vectors.astype(np.float16).astype(np.float64)
    scores = np.clip((kept @ query) / np.linalg.norm(kept, axis=1), -1, 1).round(6)
    order = np.lexsort((np.arange(len(scores)), -scores))[:top_k]
    return [(ids[i], float(scores[i])) for i in order]


def answers(matches: list) -> list[tuple[str, float]]:
    """(id, score) of each match."""
    return [(match.image.id, match.score) for match in matches]
