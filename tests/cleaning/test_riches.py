"""What a file holds beyond what is compared."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cleaning.riches import LEAST_BEHIND, PLAIN, riches_of
from tests.cleaning.drawn import drawn

FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF"]
FILM = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * (LEAST_BEHIND // 256)


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def transparent(alpha: int = 0) -> Image.Image:
    image = drawn(1)
    image.putalpha(alpha)
    return image


@pytest.mark.parametrize("form", FORMATS)
def test_an_ordinary_picture_holds_nothing_more(form: str) -> None:
    assert riches_of(encoded(drawn(1), form), form) == PLAIN


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits(form: str) -> None:
    grey = Image.fromarray(np.arange(6400, dtype=np.uint16).reshape(80, 80) * 10)
    assert riches_of(encoded(grey, form), form).bits == 16


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF", "TIFF", "AVIF", "HEIF"])
def test_transparency(form: str) -> None:
    assert riches_of(encoded(transparent(), form), form).alpha


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_a_channel_that_hides_nothing_is_none(form: str) -> None:
    assert riches_of(encoded(transparent(255), form), form) == PLAIN


@pytest.mark.parametrize("progressive", [False, True])
def test_a_film_behind_a_jpeg(progressive: bool) -> None:
    data = encoded(drawn(1), "JPEG", progressive=progressive, restart_marker_blocks=2)
    assert len(riches_of(data + FILM, "JPEG").behind) == 64
    assert riches_of(data + FILM, "JPEG") == riches_of(encoded(drawn(2), "JPEG") + FILM, "JPEG")
    assert riches_of(data + FILM[:100], "JPEG") == PLAIN
    assert riches_of(data + bytes(len(FILM)), "JPEG") == PLAIN


def test_the_film_box_of_a_heic() -> None:
    data = encoded(drawn(1), "HEIF")
    assert len(riches_of(data + (len(FILM) + 8).to_bytes(4, "big") + b"mpvd" + FILM, "HEIF").behind) == 64


@pytest.mark.parametrize("form", FORMATS)
def test_damage_raises_nothing(form: str) -> None:
    data = encoded(drawn(1) if form in ("JPEG", "BMP") else transparent(), form) + FILM
    for place in range(30, len(data), 31):
        riches_of(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :], form)
        riches_of(data[:place], form)
