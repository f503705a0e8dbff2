"""A folder of pictures, made once a session."""

from pathlib import Path

import pytest

from tests.corpus import photo

COUNT = 14


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """COUNT pictures of different shapes, some of them in a sub-folder."""
    root = tmp_path_factory.mktemp("pictures")
    (root / "more").mkdir()
    for seed in range(COUNT):
        name = f"more/{seed:02}.png" if seed % 3 == 0 else f"{seed:02}.jpg"
        photo(seed, (160, 120) if seed % 2 else (110, 150)).save(root / name)
    return root
