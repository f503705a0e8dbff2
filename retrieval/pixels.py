"""A picture as its file has it -> upright 8-bit RGB.

Transparency is composited on white; colour profiles are not applied, so files that differ in nothing else have the
same pixels.
"""

import numpy as np
from PIL import ExifTags, Image, ImageFile

ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright_rgb(opened: ImageFile.ImageFile) -> Image.Image:
    """The loaded file's picture in mode RGB, turned as its EXIF says. Raises whatever Pillow runs into."""
    image = _upright(_rgb(opened), _orientation(opened))
    image.info = {}  # or a later reader of the EXIF would turn the picture once more
    return image


def _orientation(opened: ImageFile.ImageFile) -> int:
    """EXIF orientation, 1 where it is missing or cannot be read."""
    try:
        return int(opened.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - broken metadata, in as many ways, must not cost a good picture
        return 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    method = ORIENTATIONS.get(orientation)
    return image if method is None else image.transpose(method)


def _rgb(image: Image.Image) -> Image.Image:
    """The picture in mode RGB; itself, not a copy, where it is that already."""
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        image = _eight_bits(image)
    if image.has_transparency_data:
        return _on_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of more than 8 bits -> L. Pillow's own conversion clips: everything from 256 up would be white."""
    values = np.asarray(image)
    if values.dtype.kind == "u":  # modes I;16, of either byte order
        grey = (values >> 8).astype(np.uint8)
        grey[values == image.info.get("transparency", -1)] = 255
    else:
        values = np.nan_to_num(values.astype(np.float32), nan=0, posinf=0, neginf=0).clip(min=0)
        grey = (values * (255 / _white(float(values.max())))).astype(np.uint8)
    return Image.fromarray(grey)


def _white(brightest: float) -> float:
    """What means white in a 32-bit file, which does not say: the end of the narrowest usual range that holds it all."""
    return next((white for white in (1.0, 255.0, 65535.0) if brightest <= white), brightest)


def _on_white(image: Image.Image) -> Image.Image:
    layer = image.convert({"La": "LA", "RGBa": "RGBA"}.get(image.mode, image.mode)).convert("RGBA")
    canvas = Image.new("RGB", layer.size, "white")
    canvas.paste(layer, mask=layer.getchannel("A"))
    return canvas
