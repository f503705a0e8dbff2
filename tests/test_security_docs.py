"""The tables of docs/security.md: every attack has an answer, and a test that tries it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TESTS = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))


def rows(section: str) -> list[list[str]]:
    """Cells of the rows of the table in a section."""
    text = (ROOT / "docs/security.md").read_text()
    _, _, found = text.partition(f"\n## {section}\n")
    lines = [line for line in found.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize(("section", "least"), [("Slow and rude clients", 13), ("The API", 20), ("Access", 38)])
def test_each_row_names_a_test_that_is_there(section: str, least: int) -> None:
    table = rows(section)
    assert len(table) >= least
    for attack, answer, tests in table:
        assert attack and answer
        for test in tests.split(", "):
            assert re.search(rf"^def {test.strip('`')}\(", TESTS, re.MULTILINE), test
