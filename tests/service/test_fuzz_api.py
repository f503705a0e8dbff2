"""The API asked by schemathesis what its document allows and forbids; scripts/fuzz_api.py asks longer."""

import pytest

from scripts import fuzz_api

pytestmark = pytest.mark.any_extractor


@pytest.mark.slow
def test_whatever_is_asked_is_answered_as_documented():
    assert fuzz_api.main(["--examples", "10", "--seed", "5", "--short"]) == 0
