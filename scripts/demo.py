"""`make run`: index a folder, start the service and leave it running, find an edited copy of one of the pictures."""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import requests
from PIL import Image, UnidentifiedImageError

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from evaluation.edits.shapes import centre_crop
from retrieval.settings import BadSettings, Settings, load_settings
from scripts.build_index import pictures

ROOT = Path(__file__).resolve().parents[1]
START_S = 60
NEXT = """
The service is running at {url} (log: {log}). What to try next:

    .venv/bin/python test_script/link_flask.py search PICTURE-OR-URL --server {url}
    .venv/bin/python test_script/link_flask.py add PICTURE-OR-URL --server {url}
    .venv/bin/python scripts/build_index.py FOLDER
    curl -F image=@PICTURE {url}/search
    curl {url}/collections/default

    make stop      stops it; the pictures stay in {data}, and `make serve` serves them again
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration, or end what it left running; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", nargs="?", type=Path, help="folder of pictures")
    parser.add_argument("--stop", action="store_true", help="stop the service that an earlier run left running")
    given = parser.parse_args(argv)
    try:
        settings = load_settings()
    except BadSettings as error:
        return _fail(str(error))
    if given.stop:
        return stop(settings)
    if given.images is None or not given.images.is_dir():
        return _fail(f"no such folder: {given.images}; say which: make run IMAGES=folder")
    return run(settings, given.images)


def run(settings: Settings, images: Path) -> int:
    """The whole demonstration."""
    url = f"http://{settings.server.host}:{settings.server.port}"
    print(f"1. Indexing the pictures in {images}", flush=True)
    indexed = _script("scripts/build_index.py", str(images))
    if indexed not in (0, 1):  # 1: some files could not be read, which it has said
        return indexed
    print(f"\n2. Starting the service at {url}", flush=True)
    log = settings.data_dir / "service.log"
    if not start(settings, url, log):
        return _fail(f"the service did not start; the end of {log}:\n{_tail(log)}")
    copy = settings.data_dir / "edited-copy.jpg"
    original = edited_copy(images, copy)
    print(f"\n3. Searching for {copy}: {original}, cropped to 70 %, mirrored, JPEG quality 40", flush=True)
    found = _script("test_script/link_flask.py", "search", str(copy), "--server", url)
    print(NEXT.format(url=url, log=log, data=settings.data_dir), end="")
    return found


def start(settings: Settings, url: str, log: Path) -> bool:
    """Start the service in the background, unless it is up already; waits until it is ready."""
    if _is_ready(url):
        if _pid(settings) is None:
            raise SystemExit(f"demo: another service answers at {url}; set IMAGERETRIEVAL__SERVER__PORT to a free port")
        print("   it is running already")
        return True
    with log.open("a") as output:
        command = [sys.executable, str(ROOT / "app.py")]
        service = subprocess.Popen(  # noqa: S603  # nothing in the command comes from outside
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and service.poll() is None:
        if _is_ready(url):
            _pid_file(settings).write_text(str(service.pid))
            return True
        time.sleep(0.2)
    service.terminate()
    return False


def stop(settings: Settings) -> int:
    """End the service that `run` left running."""
    pid = _pid(settings)
    if pid is None:
        print("no service of `make run` is running")
    else:
        os.kill(pid, signal.SIGTERM)
        print("the service is stopping")
    return 0


def edited_copy(images: Path, to: Path) -> str:
    """Save an edited copy of the largest of the pictures; gives that picture's name."""
    files = sorted(pictures([images]), key=lambda file: file.path.stat().st_size, reverse=True)
    for file in files:
        try:
            image = Image.open(file.path).convert("RGB")
        except (UnidentifiedImageError, OSError):
            continue
        centre_crop(image, 0.7).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(to, quality=40)
        return file.id
    raise SystemExit(f"no readable picture in {images}")


def _script(name: str, *arguments: str) -> int:
    return subprocess.run([sys.executable, str(ROOT / name), *arguments], check=False).returncode  # noqa: S603


def _is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=2).ok
    except requests.RequestException:
        return False


def _pid(settings: Settings) -> int | None:
    """The process that an earlier run left serving, if it is still that: the number may belong to another by now."""
    try:
        pid = int(_pid_file(settings).read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if str(ROOT / "app.py").encode() in command else None


def _pid_file(settings: Settings) -> Path:
    return settings.data_dir / "service.pid"


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-12:])


def _fail(message: str) -> int:
    print(f"demo: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
