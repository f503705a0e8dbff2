"""Every hostile file gets the answer that docs/security.md says, soon and in little memory."""

import re
import time
from pathlib import Path

import pytest

from retrieval.errors import BadImage, PictureTooLarge
from retrieval.picture import decode
from retrieval.settings import load_settings
from tests.corpus import encoded, photo
from tests.hostile import FILES, Hostile

LIMITS = load_settings(environ={"-": ""}).input
DOCS = Path(__file__).resolve().parents[2] / "docs" / "security.md"
ERRORS = {"BadImage": BadImage, "PictureTooLarge": PictureTooLarge}
WORDS = {"BadImage": "422", "PictureTooLarge": "413", "picture": "read"}
SECONDS = 10.0  # a tenth of that on an idle machine


@pytest.fixture(scope="module", autouse=True)
def warmed_up():
    """The child process takes a while to start."""
    decode(encoded(photo(1), "WEBP"), LIMITS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.attack)
def test_a_hostile_file_gets_its_answer(file: Hostile):
    data = file.make()
    started = time.monotonic()
    if file.answer == "picture":
        assert decode(data, LIMITS).image.mode == "RGB"
    else:
        with pytest.raises(ERRORS[file.answer], match=r"; .+|pixels"):
            decode(data, LIMITS)
    assert time.monotonic() - started < SECONDS


def test_there_are_forty_and_no_two_of_one_name():
    assert len({file.attack for file in FILES}) == len(FILES) >= 40


def test_the_documentation_tells_each_attack_and_its_answer():
    section = DOCS.read_text(encoding="utf-8").split("## Decoding\n")[1].split("\n## ")[0]
    table = section.split("### Files tried\n")[1].split("\n### ")[0]
    told = dict(re.findall(r"^\| ([^|]+) \| (\d+|read)", table, re.MULTILINE))
    assert told == {file.attack: WORDS[file.answer] for file in FILES}
