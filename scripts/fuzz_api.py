"""Fuzz the HTTP API with schemathesis, held to its own /openapi.json: `python scripts/fuzz_api.py --examples 300`.

Starts a service of its own on a free port, with some pictures in it, no model and no fetching, and sends it what the
document allows and what it forbids. Fails on any 5xx, on any status, content type, header or shape that the document
does not tell, on bad input that is accepted, and on a traceback in the service's log. Exit status 0: none.
"""

import argparse
import subprocess
import sys
import tempfile
from base64 import b64encode
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import requests
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from retrieval.settings import load_settings
from scripts.serving import serving

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
    "use_after_free",
)
PHASES = ("examples", "coverage", "fuzzing", "stateful")


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=300, metavar="N", help="requests of each operation and phase")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="another one asks other things")
    parser.add_argument("--short", action="store_true", help="without /query and /insert, which are /search and /add")
    parser.add_argument("--phases", default=",".join(PHASES), help="some of: %(default)s")
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serving(load_settings(environ={}, data_dir=folder, **_settings())) as port:
            url = f"http://127.0.0.1:{port}"
            _fill(url)
            status = _fuzz(url, folder, given)
            requests.get(f"{url}/readyz", timeout=10).raise_for_status()
        return status or _complaints((folder / "service.log").read_text(encoding="utf-8"))


def _settings() -> dict[str, Any]:
    """Nobody else's server is asked for a picture."""
    return {
        "server": {"port": 0},
        "extractor": {"name": "thumbnail"},
        "input": {"fetch": {"enabled": False}},
        "maintenance": {"enabled": False},
    }


def _fill(url: str) -> None:
    """So that the ids of the document's examples are there, and some searches find something."""
    for collection in ("default", "cats"):
        for number, data in enumerate(_pictures(8)):
            fields = {"id": f"cats/{number}.jpg", "collection": collection}
            added = requests.post(f"{url}/add", json={"base64": b64encode(data).decode(), **fields}, timeout=60)
            added.raise_for_status()


def _pictures(count: int) -> Iterator[bytes]:
    """Soft blots of colour, every other one a smaller copy of the one before."""
    random = np.random.default_rng(7)
    for _ in range(count // 2):
        blots = Image.fromarray(random.integers(0, 256, (4, 5, 3), dtype=np.uint8)).resize((160, 120))
        for picture in (blots, blots.resize((120, 90))):
            buffer = BytesIO()
            picture.save(buffer, "JPEG")
            yield buffer.getvalue()


def _fuzz(url: str, folder: Path, given: argparse.Namespace) -> int:
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--checks", ",".join(CHECKS)]
    command += ["--phases", given.phases, "--max-examples", str(given.examples), "--seed", str(given.seed)]
    command += ["--generation-database", "none", "--request-timeout", "30", "--no-color"]
    command += ["--continue-on-failure", *(["--exclude-deprecated"] if given.short else [])]
    command += ["--suppress-health-check", "all"]
    return subprocess.run(command, cwd=folder, check=False).returncode  # noqa: S603  # our own words


def _complaints(log: str) -> int:
    if "Traceback" in log:
        print(log[log.index("Traceback") :][:5000], file=sys.stderr)
    return int("Traceback" in log)


if __name__ == "__main__":
    sys.exit(main())
