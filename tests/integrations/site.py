"""A web site of photographs that repeat: served from memory, in this process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

from PIL import Image

from tests.corpus import photo
from tests.service.server import ROOT

SAMPLES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "hubble_deep_field.jpg", "ihc.png")
DRAWN = 10
COPIES: dict[str, dict[str, Any]] = {
    "jpg": {"format": "JPEG", "quality": 40},
    "png": {"format": "PNG"},
    "webp": {"format": "WEBP", "quality": 60},
    "avif": {"format": "AVIF", "quality": 60},
    "half.jpg": {"format": "JPEG", "quality": 85},
}


@cache
def originals() -> dict[str, bytes]:
    """Pictures that are clearly different, by name."""
    folder = ROOT / ".samples" / "skimage" / "data"
    photographs = {name.partition(".")[0]: Image.open(folder / name).convert("RGB") for name in SAMPLES}
    pictures = photographs | {f"drawn{seed}": photo(seed, (400, 300)) for seed in range(DRAWN)}
    for picture in pictures.values():
        picture.thumbnail((480, 480))
    return {name: _encoded(picture, format="JPEG", quality=95) for name, picture in pictures.items()}


@cache
def files() -> dict[str, bytes]:
    """Every file of the site by its name: each original, the very same again, and copies of it."""
    found = {}
    for name, data in originals().items():
        picture = Image.open(BytesIO(data))
        found |= {f"{name}.orig.jpg": data, f"{name}.again.jpg": data}
        for kind, how in COPIES.items():
            size = (picture.width // 2, picture.height // 2) if "half" in kind else picture.size
            found[f"{name}.copy.{kind}"] = _encoded(picture.resize(size), **how)
    return found


def _encoded(picture: Image.Image, **how: Any) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, **how)
    return buffer.getvalue()


@dataclass
class Site:
    """`pages`: the names of the pictures of each item, page by page."""

    url: str
    pages: list[list[list[str]]]
    asked: list[str] = field(default_factory=list)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    site: Site


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        site, name = self.server.site, self.path.rpartition("/")[2].partition("?")[0]
        site.asked.append(self.path)
        if self.path.startswith("/page/") and int(name) < len(site.pages):
            self._answer("text/html", _page(site, int(name)))
        elif name in files():
            self._answer("image/jpeg", files()[name])
        else:
            self._answer(
                "text/plain", b"not an image" if name == "broken.jpg" else b"", 200 if name == "broken.jpg" else 404
            )

    def _answer(self, kind: str, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


def _page(site: Site, number: int) -> bytes:
    items = ["".join(f'<img src="/img/{name}">' for name in item) for item in site.pages[number]]
    articles = "".join(f"<article>{item}</article>" for item in items)
    following = f'<a class="next" href="/page/{number + 1}">more</a>' if number + 1 < len(site.pages) else ""
    return f"<html>{articles}{following}</html>".encode()


@contextmanager
def served(pages: list[list[list[str]]]) -> Iterator[Site]:
    """The site with these pages."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.site = Site(f"http://127.0.0.1:{server.server_address[1]}", pages)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.site
        finally:
            server.shutdown()
            thread.join()
