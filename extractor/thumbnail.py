"""An 8x8 thumbnail as descriptor: needs no model, finds re-encoded pictures. For trials and fast tests."""

import numpy as np
from PIL.Image import Image, Resampling

from extractor.interface import Extractor, Fingerprint, Pixels, Vectors

SIDE = 8


class Thumbnail(Extractor):
    """RGB values of the thumbnail less their mean, scaled to norm 1."""

    dim = SIDE * SIDE * 3
    made_of = Fingerprint(
        model="thumbnail",
        preprocess=f"{SIDE}x{SIDE}-squash-box",
        head=f"mean-removed-{dim}",
        transform="no-whitening",
        engine="numpy-f32",
    )

    def prepare(self, image: Image) -> Pixels:
        return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Resampling.BOX))

    def _infer(self, batch: Pixels) -> Vectors:
        values = batch.reshape(len(batch), self.dim).astype(np.float32)
        values -= values.mean(axis=1, keepdims=True)
        # One step of one value in one channel has norm 0.997: below half of it, all values were equal. Such a picture
        # gets the one direction that no other has: cosine 1 to its like, 0 to all else.
        values[np.linalg.norm(values, axis=1) < 0.5] = 1
        normalised: Vectors = values / np.linalg.norm(values, axis=1, keepdims=True)
        return normalised
