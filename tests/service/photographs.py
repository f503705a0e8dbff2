"""Real photographs for tests with the real model."""

from pathlib import Path

import pytest

from tests.service.server import ROOT

# Photographs, not microscopy, and none twice.
SAMPLES = ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "hubble_deep_field.jpg", "camera.png"]


def photographs() -> list[Path]:
    """The 500 beside the checkout if they are there, or those that `make setup` has installed."""
    beside = sorted((ROOT / "../shared/data/photos").glob("*.jpg"))
    if beside:
        return beside
    return samples()


def samples() -> list[Path]:
    """Those that `make setup` has installed: the same everywhere."""
    found = [path for path in (ROOT / ".samples/skimage/data" / name for name in SAMPLES) if path.exists()]
    if len(found) < 5:
        pytest.fail("there are no photographs to search: run `make setup`")
    return found
