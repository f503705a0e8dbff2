"""The store is a lower layer: it knows neither the web nor the extractor."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys, index_store
loaded = {name.split(".")[0] for name in sys.modules}
print(sorted(loaded & {"flask", "flask_restful", "extractor", "retrieval", "torch"}))
"""


def test_importing_the_store_imports_nothing_above_it() -> None:
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
