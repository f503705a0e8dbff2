"""The deployment files as they lie in the repository, and what they would bring along."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def tool(name: str) -> str:
    """Path of a program, beside Python's or of the system; skips the test where it is not installed."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin")
    if found is None:
        pytest.skip(f"{name} is not installed; .ci/run installs it")
    return found


def run(*command: str | Path, **options: str) -> tuple[int, str]:
    """Exit status of a command, and what it printed."""
    ended = subprocess.run(
        [str(each) for each in command], capture_output=True, text=True, timeout=60, check=False, **options
    )
    return ended.returncode, ended.stdout + ended.stderr


def setting(text: str, name: str, pattern: str = r"\S+") -> str:
    """What `name` is set to in one of the files: `name=...`, `name: ...` or `name ...;`."""
    found = re.search(rf"^\s*{re.escape(name)}(?:=|:|\s)\s*({pattern}?)[;\s]", text, re.MULTILINE)
    assert found, name
    return found[1]


def copied() -> list[str]:
    """What the image's last stage takes from the repository, as the Dockerfile says."""
    last = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    lines = [line.split()[1:-1] for line in last.splitlines() if line.startswith("COPY ") and "--from" not in line]
    return [name for line in lines for name in line]


def ignored(name: str) -> bool:
    """Whether .dockerignore keeps a file or folder at the repository's top from the builder."""
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert patterns[0] == "*"
    return f"!{name}" not in patterns


def environment() -> dict[str, str]:
    """The service's variables that the image sets."""
    return dict(re.findall(r"(IMAGERETRIEVAL__\w+)=(\S+)", (ROOT / "Dockerfile").read_text()))
