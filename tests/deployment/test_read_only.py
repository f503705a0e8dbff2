"""What the image holds is enough, on a read-only root file system, without home, capabilities or bytecode."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment.files import ROOT, copied, environment, tool
from tests.service.asking import body, small
from tests.service.server import Server

pytestmark = pytest.mark.slow

# Data and, small, temporary files can be written; everything else is seen read-only from here on.
SHUT = """
set -e
mount --bind "$DATA" "$DATA"
mount -t tmpfs -o size=8m tmpfs "$TMPDIR"
mount -o remount,bind,ro /
touch "$PWD/written" 2>/dev/null && exit 9
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with what the Dockerfile copies, and two that can be written."""
    (tmp_path / "app").mkdir()
    for name in copied():
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / "app" / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tmp_path / "app")
    (tmp_path / "data").mkdir()
    (tmp_path / "tmp").mkdir()
    return tmp_path


@pytest.fixture
def shut(folder: Path) -> dict[str, str]:
    """The environment of the image's processes, over these folders."""
    own = {
        "HOME": "/nonexistent",
        "TMPDIR": str(folder / "tmp"),
        "DATA": str(folder / "data"),
        "PATH": os.environ["PATH"],
    }
    service = {"DATA_DIR": str(folder / "data"), "SERVER__PORT": "0", "EXTRACTOR__NAME": "thumbnail"}
    return environment() | own | {f"IMAGERETRIEVAL__{name}": value for name, value in service.items()}


def command(*arguments: str) -> list[str]:
    """`python ARGUMENTS` with everything read-only but the two folders; skips the test where that cannot be had."""
    unshare, _ = tool("unshare"), tool("setpriv")
    if os.geteuid() != 0 or subprocess.run([unshare, "-m", "mount", "--bind", "/", "/"], check=False).returncode != 0:
        pytest.skip("mounting takes root")
    return [unshare, "--mount", "sh", "-c", SHUT, "sh", sys.executable, *arguments]


@pytest.fixture
def key(folder: Path, shut: dict[str, str]) -> str:
    making = command("scripts/keys.py", "create", "me", "--scope", "admin")
    made = subprocess.run(making, cwd=folder / "app", env=shut, check=True, capture_output=True, text=True)
    return made.stdout.strip()


@pytest.fixture
def server(folder: Path, shut: dict[str, str], key: str) -> Iterator[Server]:
    log = folder / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command("app.py"), cwd=folder / "app", env=shut, stdout=output, stderr=output, start_new_session=True
        )
    server = Server(process, log)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.kill()


def test_it_starts_adds_finds_and_ends_and_leaves_nothing_behind(server: Server, folder: Path, key: str) -> None:
    headers = {"X-API-Key": key}
    assert server.ask("POST", "/add", json=body(small(1), id="one"), headers=headers).status_code == 201
    large = small(1) + bytes(3 << 20)  # what follows a picture is no part of it; so much goes to temporary files
    answer = server.ask("POST", "/search", files={"image": large}, headers=headers)
    assert [each["id"] for each in answer.json()["matches"]] == ["one"]
    assert not list(Path(f"/proc/{server.process.pid}/root{folder}/tmp").iterdir())
    assert server.stop() == 0
    assert "rror" not in server.log.read_text().replace("gunicorn.error", "")
    assert not list(folder.rglob("*.pyc"))


@pytest.mark.parametrize("megabytes", [10, 6], ids=["while it arrives", "while it is taken apart"])
def test_a_body_that_finds_no_room_is_refused_and_others_go_on(server: Server, key: str, megabytes: int) -> None:
    headers = {"X-API-Key": key}
    answer = server.ask("POST", "/search", files={"image": bytes(megabytes << 20)}, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (507, "urn:imageretrieval:storage-full")
    answer = server.ask("POST", "/add", files={"image": small(1) + bytes(2 << 20)}, headers=headers)
    assert answer.status_code == 201
