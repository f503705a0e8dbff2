"""FAISS's threads give way while they wait for each other, unless the operator wants otherwise."""

import os
import subprocess
import sys

import pytest

from tests.service.server import ROOT


@pytest.mark.parametrize(("given", "is_passive"), [({}, True), ({"OMP_WAIT_POLICY": "ACTIVE"}, False)])
def test_faiss_takes_the_policy(given: dict[str, str], is_passive: bool) -> None:
    environment = {name: value for name, value in os.environ.items() if "OMP_" not in name}
    told = subprocess.run(
        [sys.executable, "-c", "import index_store"],
        env=environment | given | {"OMP_DISPLAY_ENV": "verbose"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    rounds = [line for line in told.splitlines() if "GOMP_SPINCOUNT" in line]
    assert rounds
    assert all("'0'" in line for line in rounds) is is_passive
