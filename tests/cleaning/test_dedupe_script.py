"""The command line from folders to a plan, mostly with an extractor that needs no model."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from cleaning.cache import NAME
from cleaning.keeping import DEFAULT
from cleaning.plan import Plan
from cleaning.scan import QUARANTINE
from scripts import dedupe, evaluate_dedupe, make_redundant
from tests.cleaning.drawn import drawn, saved

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., Plan]
# Of the samples, photographs of different scenes, none of them twice.
DIFFERENT = [
    *("astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png"),
    *("hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png", "retina.jpg", "rocket.jpg"),
]


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    """Options of every run."""
    config = tmp_path / "config.yaml"
    config.write_text("extractor: {name: thumbnail}\n")
    folders = ["--cache", str(tmp_path / "cache"), "--plan", str(tmp_path / "plan.json")]
    return ["--config", str(config), *folders, "--quiet"]


@pytest.fixture
def run(tmp_path: Path, given: list[str]) -> Run:
    """Runs over a folder `pictures`, expects an exit status, gives the plan."""

    def start(*options: str | Path, status: int = 1, folders: Sequence[Path] = ()) -> Plan:
        where = folders or [tmp_path / "pictures"]
        assert dedupe.main([*map(str, where), *given, "--threshold", "0.95", *map(str, options)]) == status
        return Plan.read(tmp_path / "plan.json")

    return start


def names(plan: Plan, base: Path) -> list[tuple[str, list[tuple[str, str]]]]:
    return [
        (
            os.path.relpath(group.keeper.path, base),
            [(os.path.relpath(copy.path, base), copy.relation) for copy in group.copies],
        )
        for group in plan.groups
    ]


def test_exact_identical_and_near_copies_in_one_group(tmp_path: Path, run: Run) -> None:
    pictures = tmp_path / "pictures"
    saved(pictures / "a.png", 1)
    saved(pictures / "sub/pixels.bmp", 1)
    saved(pictures / "sub/small.jpg", 1, (48, 32), quality=60)
    shutil.copy(pictures / "a.png", pictures / "sub/a (copy).png")
    saved(pictures / "other.png", 2)
    plan = run("--keep", "largest-resolution,shortest-path")
    assert names(plan, pictures) == [
        ("a.png", [("sub/a (copy).png", "exact"), ("sub/pixels.bmp", "identical"), ("sub/small.jpg", "near")])
    ]
    (group,) = plan.groups
    assert group.kept_for == "shortest-path"
    assert plan.about.pictures == 5
    assert all(copy.score >= 0.95 for copy in group.copies)


@pytest.mark.parametrize(("relation", "count"), [("exact", 1), ("identical", 2), ("near", 3)])
def test_copies_of_a_kind(tmp_path: Path, given: list[str], relation: str, count: int) -> None:
    for name in ("a.png", "b.bmp", "c.jpg"):
        saved(tmp_path / "pictures" / name, 1)
    shutil.copy(tmp_path / "pictures/a.png", tmp_path / "pictures/d.png")
    assert (
        dedupe.main([str(tmp_path / "pictures"), *given, "--relation", relation, "--keep", "best-format,smallest-file"])
        == 1
    )
    (group,) = Plan.read(tmp_path / "plan.json").groups
    assert len(group.copies) == count
    assert (group.keeper.width, group.keeper.format) == (96, "PNG")


def test_no_copies_is_status_0_and_a_plan_all_the_same(tmp_path: Path, run: Run) -> None:
    saved(tmp_path / "pictures/a.png", 1)
    assert run(status=0).groups == ()


def test_broken_files_are_told_and_are_no_copies_of_each_other(tmp_path: Path, run: Run) -> None:
    saved(tmp_path / "pictures/a.png", 1)
    for number in range(4):
        (tmp_path / f"pictures/broken {number}.jpg").write_bytes(b"" if number % 2 else b"<html>")
    plan = run(status=0)
    assert len(plan.about.troubles) == 4
    assert run(status=0).about.troubles == plan.about.troubles


def test_what_is_too_large_to_be_decoded_is_compared_by_its_bytes(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cleaning.finding.LEAST_PIXELS", 1)
    with (tmp_path / "config.yaml").open("a") as file:
        file.write("input: {max_pixels: 1000}\n")
    for name in ("a.png", "b.png"):
        saved(tmp_path / "pictures" / name, 1)
    plan = run()
    assert [copy.relation for group in plan.groups for copy in group.copies] == ["exact"]
    assert plan.groups[0].keeper.width == 0


def test_a_second_run_decodes_nothing_and_a_moved_file_is_not_embedded_again(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(6):
        saved(tmp_path / f"pictures/{seed}.png", seed % 3)
        saved(tmp_path / f"pictures/{seed}.jpg", seed % 3)
    first = run()

    def refuse(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr("cleaning.reading.decode", refuse)
    assert run().groups == first.groups
    (tmp_path / "pictures/sub").mkdir()
    (tmp_path / "pictures/0.png").rename(tmp_path / "pictures/sub/moved.png")
    assert {copy.path for group in run().groups for copy in (group.keeper, *group.copies)} >= {
        str(tmp_path / "pictures/sub/moved.png")
    }


def test_a_new_file_is_found_beside_pairs_that_are_held(tmp_path: Path, run: Run) -> None:
    saved(tmp_path / "pictures/a.png", 1)
    saved(tmp_path / "pictures/b.png", 2)
    run(status=0)
    saved(tmp_path / "pictures/c.jpg", 1)
    assert names(run(), tmp_path / "pictures") == [("a.png", [("c.jpg", "near")])]
    (tmp_path / "pictures/a.png").unlink()
    assert run(status=0).groups == ()


def test_a_file_that_was_changed_is_read_again(tmp_path: Path, run: Run) -> None:
    saved(tmp_path / "pictures/a.png", 1)
    saved(tmp_path / "pictures/b.png", 1)
    run()
    saved(tmp_path / "pictures/b.png", 2)
    assert run(status=0).groups == ()


def test_protected_folders_lose_nothing_and_are_kept_before_all(tmp_path: Path, run: Run) -> None:
    pictures = tmp_path / "pictures"
    saved(pictures / "large.png", 1, (192, 128))
    saved(pictures / "best/small.jpg", 1)
    saved(pictures / "best/again.jpg", 1)
    plan = run("--protect", pictures / "best")
    assert names(plan, pictures) == [("best/small.jpg", [("large.png", "near")])]
    assert plan.groups[0].kept_for == "protected"


def test_a_protected_folder_elsewhere_is_searched_too(tmp_path: Path, run: Run) -> None:
    saved(tmp_path / "pictures/a.png", 1)
    saved(tmp_path / "best/b.jpg", 1)
    plan = run("--protect", tmp_path / "best")
    assert names(plan, tmp_path) == [("best/b.jpg", [("pictures/a.png", "near")])]


def test_a_protected_keeper_of_several_groups_is_one_group(tmp_path: Path, run: Run) -> None:
    for seed in range(3):
        saved(tmp_path / f"pictures/{seed}.png", 1, (96 + seed, 64))
    saved(tmp_path / "best/a.png", 1, (90, 60))
    shutil.copy(tmp_path / "best/a.png", tmp_path / "pictures/a.png")
    (group,) = run("--protect", tmp_path / "best").groups
    assert len(group.copies) == 4


def test_hard_links_are_one_picture(tmp_path: Path, run: Run) -> None:
    saved(tmp_path / "pictures/a.png", 1)
    os.link(tmp_path / "pictures/a.png", tmp_path / "pictures/b.png")
    plan = run(status=0)
    assert plan.about.pictures == 1
    saved(tmp_path / "pictures/c.png", 1, (192, 128))
    (group,) = run("--keep", "largest-resolution").groups
    assert "hard links" in group.copies[0].held
    assert group.saves_bytes == 0


@pytest.mark.parametrize(("companion", "held"), [("b.cr2", "raw"), ("b.mov", "film"), ("b.xmp", "sidecar")])
def test_nothing_that_belongs_to_a_copy_is_lost(tmp_path: Path, run: Run, companion: str, held: str) -> None:
    pictures = tmp_path / "pictures"
    saved(pictures / "a.jpg", 1, (192, 128))
    saved(pictures / "b.jpg", 1)
    (pictures / companion).write_bytes(b"unique")
    keep = ("--keep", "largest-resolution")
    copy = run(*keep).groups[0].copies[0]
    assert [each.path for each in copy.companions] == [str(pictures / companion)]
    assert held in copy.held
    shutil.copy(pictures / companion, pictures / companion.replace("b", "a"))
    copy = run(*keep).groups[0].copies[0]
    assert (copy.held, copy.missing) == ("", {})


def test_pictures_of_one_live_photo_are_no_copies_of_each_other(tmp_path: Path, run: Run) -> None:
    pictures = tmp_path / "pictures"
    for name in ("a.jpg", "a.heic"):
        saved(pictures / name, 1)
    (pictures / "a.mov").write_bytes(b"film")
    assert run(status=0).groups == ()
    saved(pictures / "b.png", 1, (192, 128))
    held = {copy.path: copy.held for group in run("--keep", "largest-resolution").groups for copy in group.copies}
    assert all("share" in held[str(pictures / name)] for name in ("a.jpg", "a.heic"))


def test_what_moves_is_held_unless_its_bytes_are_kept(tmp_path: Path, run: Run) -> None:
    pictures = tmp_path / "pictures"
    saved(pictures / "a.png", 1, (192, 128))
    drawn(1).save(pictures / "b.gif", save_all=True, append_images=[drawn(2)])
    (copy,) = run("--keep", "largest-resolution").groups[0].copies
    assert "frames" in copy.held


def rich(path: Path, name: str) -> str:
    """A picture of the pixels of `drawn(1)`, as they are compared, that holds more; and what the reason says."""
    image = drawn(1)
    if name == "bits":
        image = image.convert("L")
        Image.fromarray(np.asarray(image).astype(np.uint16) << 8 | 7).save(path / "b.png")
        image.save(path / "a.png")
        return "16 bits"
    image.save(path / "a.png")
    if name == "alpha":
        image.putalpha(255)
        image.paste((9, 9, 9, 0), (0, 0, 20, 20))
        image.save(path / "b.png")
        Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB").save(path / "a.png")
        return "transparent"
    image.save(path / "a.jpg")
    (path / "a.png").unlink()
    (path / "b.jpg").write_bytes((path / "a.jpg").read_bytes() + b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 100)
    return "behind the picture"


@pytest.mark.parametrize("name", ["bits", "alpha", "film"])
def test_what_holds_more_than_is_compared_is_kept_or_held(tmp_path: Path, run: Run, name: str) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    reason = rich(pictures, name)
    (group,) = run("--keep", "smallest-file").groups
    assert (Path(group.keeper.path).stem, group.kept_for, group.copies[0].relation) == ("b", "holds-more", "identical")
    assert group.copies[0].held == ""
    (pictures / "best").mkdir()
    next(pictures.glob("a.*")).rename(pictures / "best/a")
    (pictures / "best/a").rename(pictures / f"best/a{Path(group.copies[0].path).suffix}")
    (copy,) = run("--protect", pictures / "best").groups[0].copies
    assert reason in copy.held


def test_a_screenshot_with_a_transparent_edge_is_not_kept_for_that(tmp_path: Path, run: Run) -> None:
    saved(tmp_path / "pictures/a.png", 1)
    image = drawn(1)
    image.putalpha(255)
    image.putpixel((0, 0), (0, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 255))
    image.save(tmp_path / "pictures/b.png")
    (group,) = run("--keep", "shortest-path").groups
    assert (Path(group.keeper.path).name, group.kept_for) == ("a.png", "path")
    assert "transparent" in group.copies[0].held


def test_a_colour_profile_that_would_go_is_named(tmp_path: Path, run: Run) -> None:
    lab, srgb = (ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes() for name in ("LAB", "sRGB"))
    saved(tmp_path / "pictures/a.png", 1, icc_profile=srgb)
    for ending in ("png", "tiff"):
        saved(tmp_path / f"pictures/copy.{ending}", 1, icc_profile=lab)
    (group,) = run("--keep", "shortest-path").groups
    assert [copy.missing for copy in group.copies] == [{"ICC profile": "Lab identity built-in"}] * 2


def test_metadata_that_would_go_are_named(tmp_path: Path, run: Run) -> None:
    pictures = tmp_path / "pictures"
    saved(pictures / "a.png", 1, (192, 128))
    exif = Image.Exif()
    exif[0x010F] = "Leica"
    saved(pictures / "b.jpg", 1, exif=exif)
    assert run("--keep", "largest-resolution").groups[0].copies[0].missing == {"Make": "Leica"}
    assert Path(run().groups[0].keeper.path).name == "b.jpg"


def test_the_quarantine_and_the_cache_are_not_searched(tmp_path: Path, run: Run) -> None:
    for name in ("pictures/a.png", f"pictures/{QUARANTINE}/b.png", "pictures/cache/c.png"):
        saved(tmp_path / name, 1)
    assert run("--cache", tmp_path / "pictures/cache", status=0).about.pictures == 1


def test_names_that_are_not_utf_8(tmp_path: Path, run: Run) -> None:
    path = saved(tmp_path / "pictures/a.png", 1)
    for name in (b"\xff.png", "Überraschung \n \u202e.png".encode()):
        shutil.copy(path, os.fsencode(tmp_path) + b"/pictures/" + name)
    (group,) = run().groups
    assert {os.fsencode(copy.path)[-5:] for copy in group.copies} == {b"\xff.png", "\u202e.png".encode()[-5:]}


def test_a_damaged_cache_is_set_aside(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.png", "b.png"):
        saved(tmp_path / "pictures" / name, 1)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / NAME).write_bytes(b"nonsense" * 1000)
    assert len(run().groups) == 1
    assert "damaged" in capsys.readouterr().err
    assert (tmp_path / "cache" / f"{NAME}.damaged").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--keep", "largest"], "no rule"),
        (["--threshold", "2"], "cosine"),
        (["--precision", "1"], "below 1"),
        (["--threshold", "0.5", "--precision", "0.9"], "not both"),
        (["--relation", "exact", "--threshold", "0.5"], "no meaning"),
        (["--protect", "/nowhere"], "no such folder: /nowhere"),
    ],
)
def test_what_is_wrong_is_said(
    tmp_path: Path, given: list[str], options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        dedupe.main([str(tmp_path), *given, *options])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("act", ["--apply", "--undo", "--empty-quarantine"])
@pytest.mark.parametrize(
    "option",
    [
        *("--protect=/", "--keep=oldest", f"--keep={DEFAULT}", "--threshold=0.9", "--precision=0.9"),
        *("--relation=near", "--plan=x", "--cache=x", "--config=x", "--html=x", "--no-html", "--json"),
    ],
)
def test_what_only_a_search_heeds_is_refused_where_a_plan_is_acted_on(
    tmp_path: Path, act: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        dedupe.main([act, str(tmp_path / "plan.json"), "--quiet", "--yes", option])
    assert ended.value.code == 2
    assert f"made with its own options, and {option.partition('=')[0]} would" in capsys.readouterr().err


def test_no_file_but_a_plan_is_replaced_by_one(
    tmp_path: Path, given: list[str], run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path / "pictures/a.png", 1)
    saved(tmp_path / "pictures/b.png", 1)
    trap = tmp_path / ".plan.json.try"
    trap.write_text("mine")
    run()
    run()
    assert trap.read_text() == "mine"
    photo = saved(tmp_path / "photo.jpg", 2)
    before = photo.read_bytes()
    assert dedupe.main([str(tmp_path / "pictures"), *given, "--plan", str(photo)]) == 2
    assert photo.read_bytes() == before
    assert "photo.jpg is no plan" in capsys.readouterr().err
    assert not (tmp_path / "photo-report").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--precision", "0.9"], "give --threshold"),
        (["--plan", "/nowhere/plan.json"], "in the folder /nowhere: No such file"),
        (["--config", "/nowhere.yaml"], "nowhere"),
    ],
)
def test_what_cannot_be_done_is_status_2(
    tmp_path: Path, given: list[str], options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dedupe.main([str(tmp_path), *given, *options]) == 2
    assert says in capsys.readouterr().err


def test_figures_as_json(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.png", "b.png"):
        saved(tmp_path / "pictures" / name, 1)
    run("--json")
    figures = json.loads(capsys.readouterr().out)
    assert (figures["pictures"], figures["groups"], figures["copies"]["exact"]) == (2, 1, 1)


def test_ctrl_c_leaves_no_plan_and_keeps_what_was_done(tmp_path: Path, given: list[str], run: Run) -> None:
    for seed in range(1500):
        saved(tmp_path / f"pictures/{seed}.png", seed)
    command = [sys.executable, ROOT / "scripts/dedupe.py", tmp_path / "pictures", *given]
    process = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not (tmp_path / "cache" / NAME).exists() and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert (process.returncode, told.splitlines()[-1]) == (
        130,
        "dedupe: interrupted; nothing was changed, and the same command goes on from here",
    )
    assert not (tmp_path / "plan.json").exists()
    assert run(status=0).about.pictures == 1500


@pytest.mark.model
@pytest.mark.slow
def test_copies_of_photographs_are_found_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in DIFFERENT:
        shutil.copy(ROOT / ".samples/skimage/data" / name, photos)
    usual = ["--pictures", "12", "--copies", "36", "--exact", "3", "--broken", "5"]
    assert make_redundant.main([str(photos), str(tmp_path / "made"), *usual]) == 0
    options = ["--cache", str(tmp_path / "cache"), "--plan", str(tmp_path / "plan.json"), "--quiet"]
    assert dedupe.main([str(tmp_path / "made"), *options]) == 1
    plan = Plan.read(tmp_path / "plan.json")
    measured = evaluate_dedupe.measure(evaluate_dedupe.read_truth(tmp_path / "made"), plan)
    assert measured.wrong == ()
    assert measured.recall >= 0.8
    assert len(plan.about.troubles) == 5
    assert evaluate_dedupe.main([str(tmp_path / "made"), str(tmp_path / "plan.json")]) == 0
    assert "precision 1.0000" in capsys.readouterr().out
