"""Walking folders: each picture once, no loops, nothing hidden, nothing fatal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cleaning.companions import Beside
from cleaning.scan import QUARANTINE, Found, roots, scan

ROOT = Path(__file__).resolve().parents[2]
Troubles = dict[str, str]


def scanned(*folders: Path, troubles: Troubles | None = None, leave: tuple[str, ...] = ()) -> list[Found]:
    told = {} if troubles is None else troubles
    return list(scan(roots(folders), told.__setitem__, leave))


def test_pictures_in_a_stable_order_and_nothing_else(tmp_path: Path) -> None:
    for name in ("b/z.PNG", "b/a.jpg", "a.heic", "notes.txt", "c/film.mov"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    names = [os.path.relpath(found.path, tmp_path) for found in scanned(tmp_path)]
    assert names == ["a.heic", "b/a.jpg", "b/z.PNG"]


def test_folders_twice_inside_each_other_and_by_a_link_are_scanned_once(tmp_path: Path) -> None:
    inner = tmp_path / "outer/inner"
    inner.mkdir(parents=True)
    (inner / "a.jpg").write_bytes(b"x")
    (tmp_path / "link").symlink_to(inner)
    found = scanned(inner, tmp_path / "outer", inner, tmp_path / "link", tmp_path / "outer/../outer")
    assert [each.path for each in found] == [str(inner / "a.jpg")]


def test_a_folder_whose_name_begins_like_another_is_not_inside_it(tmp_path: Path) -> None:
    for name in ("a", "ab"):
        (tmp_path / name).mkdir()
    assert roots([tmp_path / "a", tmp_path / "ab"]) == [str(tmp_path / "a"), str(tmp_path / "ab")]


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/loop").symlink_to(tmp_path)
    (tmp_path / "sub/a.jpg").write_bytes(b"x")
    (tmp_path / "sub/b.jpg").symlink_to("a.jpg")
    (tmp_path / "sub/gone.jpg").symlink_to("nowhere")
    assert [found.path for found in scanned(tmp_path)] == [str(tmp_path / "sub/a.jpg")]


def test_pipes_are_no_pictures(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    assert scanned(tmp_path) == []


def test_quarantine_and_what_is_to_be_left_are_passed_over(tmp_path: Path) -> None:
    for name in (QUARANTINE, "cache", "kept"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").write_bytes(b"x")
    found = scanned(tmp_path, leave=(str(tmp_path / "cache"),))
    assert [each.path for each in found] == [str(tmp_path / "kept/a.jpg")]


def test_hard_links_are_told_by_their_inode(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    os.link(tmp_path / "a.jpg", tmp_path / "b.jpg")
    one, other = scanned(tmp_path)
    assert one.identity == other.identity
    assert one.links == 2


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.jpg"
    Path(os.fsdecode(path)).write_bytes(b"x")
    assert [os.fsencode(found.path) for found in scanned(tmp_path)] == [path]


def test_paths_longer_than_the_system_takes_are_told(tmp_path: Path) -> None:
    here = Path.cwd()
    try:
        os.chdir(tmp_path)
        for _ in range(25):
            Path("d" * 200).mkdir()
            os.chdir("d" * 200)
        Path("a.jpg").write_bytes(b"x")
    finally:
        os.chdir(here)
    troubles: Troubles = {}
    assert scanned(tmp_path, troubles=troubles) == []
    assert len(troubles) == 1


def test_folders_that_may_not_be_read_are_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    for name in ("closed", "open"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").write_bytes(b"x")
    (tmp_path / "closed").chmod(0)
    program = "from cleaning.scan import *; import sys; print([f.path for f in scan([sys.argv[1]], print)])"
    command = [sys.executable, "-c", program, str(tmp_path)]
    if os.geteuid() == 0:
        tmp_path.chmod(0o755)
        for parent in tmp_path.parents[:3]:
            parent.chmod(parent.stat().st_mode | 0o055)
        command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *command]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    (tmp_path / "closed").chmod(0o700)
    if "closed" not in done.stdout and "Permission" in done.stderr:
        pytest.skip("nobody else may run Python here")
    assert f"{tmp_path}/closed Permission denied" in done.stdout
    assert f"['{tmp_path}/open/a.jpg']" in done.stdout


@pytest.mark.parametrize("companion", ["a.xmp", "a.jpg.xmp", "A.XMP", "a.aae", "a.CR2", "a.dng", "a.mov", "a.MP4"])
def test_companions(tmp_path: Path, companion: str) -> None:
    for name in ("a.jpg", companion, "b.xmp", "ab.xmp"):
        (tmp_path / name).write_bytes(b"x")
    (found,) = scanned(tmp_path)
    assert [beside.name for beside in found.unit.beside] == [companion]
    assert not found.unit.shared


@pytest.mark.parametrize("companion", ["a.jpg.pp3", "a.jpg.json", "A.JPG.JSON", "a.wav", "a_01.jpg.xmp", "a.nef.xmp"])
def test_what_other_programs_put_beside_it_goes_along(tmp_path: Path, companion: str) -> None:
    for name in ("a.jpg", "a.nef", companion, "a.json", "ab.jpg.json", "b_01.nef.xmp", "a_1.nef.xmp"):
        (tmp_path / name).write_bytes(b"x")
    (found,) = scanned(tmp_path)
    assert {beside.name for beside in found.unit.beside} == {"a.nef", companion}


def test_sidecars_of_a_raw_file_belong_to_all_pictures_that_share_it(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "a.nef", "a.nef.xmp", "a_01.nef.xmp", "a_02.NEF.pp3"):
        (tmp_path / name).write_bytes(b"x")
    one, other = scanned(tmp_path)
    assert [each.name for each in one.unit.beside] == ["a.nef", "a.nef.xmp", "a_01.nef.xmp", "a_02.NEF.pp3"]
    assert one.unit == other.unit
    assert one.unit.shared


def test_a_sidecar_of_a_file_that_is_a_picture_itself_is_in_one_unit(tmp_path: Path) -> None:
    for name in ("a.jpg", "a_01.jpg", "a_01.jpg.json"):
        (tmp_path / name).write_bytes(b"x")
    assert [[each.name for each in found.unit.beside] for found in scanned(tmp_path)] == [[], ["a_01.jpg.json"]]


def test_a_film_beside_a_png_is_another_thing(tmp_path: Path) -> None:
    for name in ("a.png", "a.mov"):
        (tmp_path / name).write_bytes(b"x")
    (found,) = scanned(tmp_path)
    assert found.unit.beside == ()


def test_pictures_of_one_name_share_what_belongs_to_it(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.heic", "a.mov", "a.jpg.xmp"):
        (tmp_path / name).write_bytes(b"x")
    heic, jpeg = scanned(tmp_path)
    assert heic.unit.beside == (Beside("a.mov", "film"),)
    assert jpeg.unit.beside == (Beside("a.jpg.xmp", "sidecar"), Beside("a.mov", "film"))
    assert heic.unit.shared and jpeg.unit.shared
