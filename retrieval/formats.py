"""The picture formats that can be read, and what to say of a file that cannot.

Importing this registers the readers with Pillow; what is opened is always restricted to formats by name.
"""

import pillow_heif
from PIL import AvifImagePlugin, Image, TiffImagePlugin, WebPImagePlugin

from retrieval.errors import BadImage

# Importing a plug-in registers it; preinit does so for JPEG, PNG, GIF and BMP. AVIF goes before HEIF because only
# Pillow's AVIF reader tells the two apart in a file that starts with the brand they share.
PLUGINS = (AvifImagePlugin, TiffImagePlugin, WebPImagePlugin)
Image.preinit()
pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
MAGIC = 16  # bytes by which Pillow tells formats apart
ORDER = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
MEDIA_TYPES = {name: f"image/{name.lower()}" for name in ORDER}
# Decoded in one call of a native library, which nothing but the end of its process can stop, or, BMP's run lengths, in
# Python, while no other thread can run; the others come back to Pillow for every 64 kB of the file.
ONE_CALL = ("WEBP", "BMP", "TIFF", "AVIF", "HEIF")

# Ours is the only limit: it is judged before decoding too, and Pillow's own would overrule an operator's larger one.
Image.MAX_IMAGE_PIXELS = None

FOREIGN = {
    b"%PDF": "A PDF document",
    b"PK\x03\x04": "A ZIP archive",
    b"<": "An SVG, HTML or XML document",
    b"8BPS": "A Photoshop file",
    b"\x00\x00\x00\x0cJXL ": "A JPEG XL file",
    b"\xff\x0a": "A JPEG XL file",
    b"\x00\x00\x00\x0cjP": "A JPEG 2000 file",
    b"\x00\x00\x01\x00": "An icon file",
}


def begins_like(data: bytes, names: tuple[str, ...]) -> str | None:
    """The first of the formats that the file looks like by its first bytes."""
    return next((name for name in ORDER if name in names and Image.OPEN[name][1](data[:MAGIC])), None)  # type: ignore[misc]


def refusal(data: bytes, formats: tuple[str, ...]) -> BadImage:
    """Says why the file could not be opened as one of the `formats`."""
    accepted = "send one of " + ", ".join(formats)
    found = begins_like(data, ORDER)
    if found in formats:
        return BadImage(f"The {found} file is damaged or cut short; send the complete file.")
    if found:
        return BadImage(f"{found} pictures are not accepted here; {accepted}.")
    other = next((what for prefix, what in FOREIGN.items() if data.lstrip().startswith(prefix)), "This")
    return BadImage(f"{other} is not a picture in an accepted format; {accepted}.")
