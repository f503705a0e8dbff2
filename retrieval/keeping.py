"""What is kept of a picture besides its vector, so that another extractor can embed it one day."""

from io import BytesIO

from PIL.Image import Image, Resampling

from index_store import KeptPicture
from retrieval.picture import Picture
from retrieval.settings import KeepSettings

# WebP would save a twentieth of the bytes, at the same loss, for more than ten times the time (docs/architecture.md).
THUMBNAIL_FORMAT = "JPEG"
QUALITY = 90  # with 85, the vector of one picture in a hundred is 0.1 off
FILTER = Resampling.HAMMING  # as good as bicubic here, at half its time
REDUCING_GAP = 1.5


def kept_of(data: bytes, picture: Picture, settings: KeepSettings) -> KeptPicture | None:
    """What the settings want kept of a picture and its file's bytes; nothing is decoded again."""
    if settings.pictures == "nothing":
        return None
    if settings.pictures == "original":
        return KeptPicture("original", data)
    return KeptPicture("thumbnail", _thumbnail(picture.image, settings.side))


def _thumbnail(image: Image, side: int) -> bytes:
    """The picture as a JPEG file whose longer side has at most `side` pixels."""
    buffer = BytesIO()
    _at_most(image, side).save(buffer, THUMBNAIL_FORMAT, quality=QUALITY)
    return buffer.getvalue()


def _at_most(image: Image, side: int) -> Image:
    longer = max(image.size)
    if longer <= side:
        return image
    width, height = (max(1, round(length * side / longer)) for length in image.size)
    return image.resize((width, height), FILTER, reducing_gap=REDUCING_GAP)
