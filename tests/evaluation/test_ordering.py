"""With the real models: what the evaluation is for shows."""

import json

import pytest

from scripts.evaluate import main
from tests.service.server import ROOT
from tests.service.test_copies import photographs

pytestmark = [pytest.mark.model, pytest.mark.slow]
STUDENT = "extractor.name=sscd_distilled"


def test_dhash_is_far_below_the_student_and_the_student_below_the_teacher(tmp_path):
    """On photographs, of which a clone has only a few; there the two models are nearly equal."""
    found = photographs()
    chosen = found[::4] if len(found) >= 400 else found
    (tmp_path / "photos").mkdir()
    for path in chosen:
        (tmp_path / "photos" / path.name).symlink_to(path.resolve())
    configs = [f"extractor.model_dir={ROOT / '.models'}", f"{STUDENT},extractor.model_dir={ROOT / '.models'}", "dhash"]
    flags = [flag for config in configs for flag in ("--config", config)]
    assert main([str(tmp_path / "photos"), "--copies", "300", *flags, "--out", str(tmp_path / "out")]) == 0
    results = json.loads((tmp_path / "out/results.json").read_text())["results"]
    teacher, student, dhash = (result["accuracy"]["micro_ap"] for result in results)
    assert dhash < student - 0.15
    assert student < teacher + (0 if len(chosen) >= 100 else 0.05)
