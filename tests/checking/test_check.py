"""`scripts/check.py` as its users run it: against a service, and on a data folder; with the same verdicts."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from checking import files
from retrieval import endings
from scripts import check
from tests.corpus import encoded, photo
from tests.service.keyed import script
from tests.service.server import ROOT, Server, configuration, serving, until

SEARCH = {"threshold": 0.9}  # from which thumbnails of edited copies score, and of other pictures do not
EXPECTED = {
    "a first.png": "new",
    "a second.jpg": "near",
    "broken.jpg": "unreadable",
    "exact.png": "exact",
    "identical.bmp": "identical",
    "near.jpg": "near",
    "sub/new.png": "new",
    "sub/of near.jpg": "near",
    "white.png": "indeterminate",
}
Run = Callable[..., tuple[int, dict[str, dict[str, Any]]]]


@pytest.fixture
def delivery(tmp_path: Path) -> Path:
    """Copies of the pictures 0 to 2, which are stored; two new ones, 10 and 11, one of them twice; and what is none."""
    folder = tmp_path / "delivery"
    (folder / "sub").mkdir(parents=True)
    (folder / "exact.png").write_bytes(encoded(photo(0), "PNG"))
    (folder / "identical.bmp").write_bytes(encoded(photo(1), "BMP"))
    (folder / "near.jpg").write_bytes(encoded(photo(2), "JPEG", quality=30))
    (folder / "a first.png").write_bytes(encoded(photo(10), "PNG"))
    (folder / "a second.jpg").write_bytes(encoded(photo(10), "JPEG", quality=50))
    (folder / "sub/new.png").write_bytes(encoded(photo(11), "PNG"))
    (folder / "sub/of near.jpg").write_bytes(encoded(photo(2).resize((200, 150)), "JPEG", quality=60))
    (folder / "white.png").write_bytes(encoded(Image.new("RGB", (300, 300), "white"), "PNG"))
    (folder / "broken.jpg").write_bytes(encoded(photo(5), "JPEG")[:400])
    (folder / "notes.txt").write_text("not a picture")
    return folder


@pytest.fixture(params=["service", "data folder"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    """What says on the command line where the collection `masters` is."""
    data = tmp_path / "data"
    with serving(data, search=SEARCH) as server:
        stored(server)
        if request.param == "service":
            yield ["--server", server.url]
            return
        server.stop()
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps(configuration(data, search=SEARCH)))
    yield ["--config", str(config)]


def stored(server: Server) -> None:
    for seed in range(3):
        assert server.add(encoded(photo(seed), "PNG"), collection="masters", id=f"{seed}.png").status_code == 201


@pytest.fixture
def run(where: list[str], delivery: Path, tmp_path: Path) -> Run:
    """Checks the delivery; gives the exit status and what was told of each picture."""

    def run(*arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
        told = tmp_path / "told.jsonl"
        status = check.main([str(delivery), "--against", "masters", *where, "--jsonl", str(told), *arguments])
        return status, {each["path"]: each for each in map(json.loads, told.read_text().splitlines())}

    return run


def verdicts(told: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {path: each["verdict"] for path, each in told.items()}


def originals(told: dict[str, dict[str, Any]]) -> dict[str, list[tuple[str | None, str]]]:
    return {path: [(of["collection"], of["id"]) for of in each["of"]] for path, each in told.items() if each["of"]}


def test_every_picture_gets_its_verdict_and_what_it_repeats(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    status, told = run()
    assert (status, verdicts(told)) == (1, EXPECTED)
    assert originals(told) == {
        "a second.jpg": [(None, "a first.png")],
        "exact.png": [("masters", "0.png")],
        "identical.bmp": [("masters", "1.png")],
        "near.jpg": [("masters", "2.png")],
        "sub/of near.jpg": [("masters", "2.png")],
    }
    assert "damaged" in told["broken.jpg"]["detail"]
    out, err = capsys.readouterr()
    lines = sorted(line.split("  ")[0].strip() for line in out.splitlines())
    assert lines == sorted(verdict for verdict in EXPECTED.values() if verdict != "new")
    assert "9 pictures: 2 new, 1 exact copies, 1 identical, 3 near copies, 1 indeterminate, 1 unreadable" in err


def test_a_check_leaves_nothing_behind(run: Run) -> None:
    first = run()
    assert run() == first


def test_what_is_accepted_is_what_was_called_new(run: Run) -> None:
    _, checked = run()
    status, told = run("--accept")
    assert (status, verdicts(told)) == (1, verdicts(checked))
    assert originals(told) == originals(checked)
    assert [path for path, each in told.items() if each["accepted"]] == ["a first.png", "sub/new.png"]
    _, again = run()
    assert originals(again)["a first.png"] == [("masters", "a first.png")]
    assert originals(again)["a second.jpg"] == [("masters", "a first.png")]
    assert verdicts(again)["sub/new.png"] == "exact"


def test_a_delivery_of_new_pictures_is_told_by_the_exit_status(run: Run, delivery: Path) -> None:
    for path, verdict in EXPECTED.items():
        if verdict != "new":
            (delivery / path).unlink()
    assert run()[0] == 0
    assert run("--accept")[0] == 0
    assert run()[0] == 1


def test_pictures_of_the_delivery_are_not_compared_where_that_is_left_out(run: Run) -> None:
    _, told = run("--only-against")
    assert verdicts(told) == EXPECTED | {"a second.jpg": "new"}


def test_a_name_that_cannot_be_an_id_stops_nothing(run: Run, delivery: Path) -> None:
    (delivery / "sub/new.png").rename(delivery / "sub" / os.fsdecode(b"\xff.png"))
    (delivery / "a first.png").rename(delivery / ("a" * 200 + "\u2028 \N{SNOWMAN}.png"))
    _, told = run("--accept")
    accepted = [each["accepted"] for each in told.values() if each["verdict"] == "new"]
    assert verdicts(told)["sub/\N{REPLACEMENT CHARACTER}.png"] == "new"
    assert "not UTF-8" in told["sub/\N{REPLACEMENT CHARACTER}.png"]["detail"]
    assert len(told) == len(EXPECTED)
    assert False in accepted


def test_a_table_holds_no_formulas(run: Run, delivery: Path, tmp_path: Path) -> None:
    (delivery / "near.jpg").rename(delivery / "=HYPERLINK(1).jpg")
    run("--csv", str(tmp_path / "told.csv"))
    with (tmp_path / "told.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    row = rows["'=HYPERLINK(1).jpg"]
    assert (row["verdict"], row["of_collection"], row["of"]) == ("near", "masters", "2.png")
    assert 0.9 <= float(row["score"]) < 1


def test_a_report_shows_both_of_a_pair(run: Run, delivery: Path, tmp_path: Path) -> None:
    """The picture of the collection is what the service keeps of it."""
    run("--html", str(tmp_path / "report"))
    pages = "".join(page.read_text() for page in (tmp_path / "report").rglob("*.html"))
    assert "2.png" in pages
    assert "near.jpg" in pages
    thumbnails = [Image.open(path) for path in (tmp_path / "report/thumbs").rglob("*.jpg")]
    assert len(thumbnails) == 3 + len(EXPECTED) - 1  # those of the collection; all of the delivery but the broken one
    shown = [thumbnail for thumbnail in thumbnails if alike(thumbnail, photo(2))]
    assert len(shown) == 3  # the picture itself, and two copies


def alike(one: Image.Image, other: Image.Image) -> bool:
    small = [np.asarray(each.convert("RGB").resize((16, 12)), dtype=float) for each in (one, other)]
    return float(abs(small[0] - small[1]).mean()) < 8


def test_a_report_is_not_written_over_something_else(
    where: list[str], delivery: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        check.main([str(delivery), "--against", "masters", *where, "--html", str(delivery)])
    assert stopped.value.code == 2
    assert str(delivery) in capsys.readouterr().err


def test_links_are_told_and_not_followed(run: Run, delivery: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outside = delivery.parent / "outside.png"
    outside.write_bytes(encoded(photo(12), "PNG"))
    for name, target in (("sub/circle", delivery), ("gone.png", delivery / "nowhere.png"), ("link.png", outside)):
        (delivery / name).symlink_to(target)
    os.mkfifo(delivery / "pipe.png")
    assert verdicts(run()[1]) == EXPECTED
    told = capsys.readouterr().err
    assert [f"{name}'" in told for name in ("sub/circle", "gone.png", "link.png", "pipe.png")] == [True] * 4


def test_what_was_passed_over_is_not_all_new(run: Run, delivery: Path) -> None:
    for path, verdict in EXPECTED.items():
        if verdict != "new":
            (delivery / path).unlink()
    (delivery / "link.png").symlink_to(delivery / "a first.png")
    assert run()[0] == 1


def test_a_picture_is_checked_whatever_its_name(run: Run, delivery: Path) -> None:
    (delivery / "noext").write_bytes(encoded(photo(0), "PNG"))
    (delivery / "photo.dat").write_bytes(encoded(photo(1), "WEBP", lossless=True))
    assert verdicts(run()[1]) == EXPECTED | {"noext": "exact", "photo.dat": "identical"}


def test_no_file_of_somebody_is_written_over(
    where: list[str], delivery: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (delivery / "near.jpg").read_bytes()
    for arguments in (["--csv", str(delivery / "near.jpg")], ["--jsonl", "x", "--csv", "./x"]):
        with pytest.raises(SystemExit) as stopped:
            check.main([str(delivery), "--against", "masters", *where, *arguments])
        assert stopped.value.code == 2
    told = capsys.readouterr().err
    assert "something else" in told
    assert "the same file" in told
    assert (delivery / "near.jpg").read_bytes() == before


def test_a_service_that_is_started_again_is_waited_for(tmp_path: Path, delivery: Path) -> None:
    for number in range(600):
        (delivery / f"{number}.png").write_bytes(encoded(photo(100 + number, (64, 48)), "PNG"))
    data = tmp_path / "data"
    with serving(data, search=SEARCH) as server:
        stored(server)
        port = int(server.url.rpartition(":")[2])
        command = [sys.executable, str(ROOT / "scripts/check.py"), str(delivery), "--against", "masters"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen([*command, "--server", server.url], **pipes) as process:
            until(lambda: server.get("/collections")["collections"][1:], "the scratch collection")
            server.kill()
            with serving(data, search=SEARCH, server={"port": port}) as again:
                _, told = process.communicate(timeout=60)
                assert [each["name"] for each in again.get("/collections")["collections"]] == ["masters"]
    assert process.returncode == 1, told
    assert "609 pictures" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--against", "nowhere"], "there is no collection 'nowhere'"),
        (["--against", "../x"], "../x"),
        (["--csv", "/nowhere/x.csv"], "No such file or directory: '/nowhere/x.csv'"),
    ],
)
def test_what_cannot_be_done_is_told(
    where: list[str], delivery: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert check.main([str(delivery), "--against", "masters", *where, *arguments]) == 2
    assert told in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        check.main([str(tmp_path / "nowhere"), "--against", "masters"])
    assert stopped.value.code == 2
    assert "no such folder" in capsys.readouterr().err
    assert check.main([str(tmp_path), "--against", "masters", "--data-dir", str(tmp_path / "nowhere")]) == 2
    assert "no such data folder" in capsys.readouterr().err


def test_a_service_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for address in ("http://127.0.0.1:9", "notaurl"):
        assert check.main([str(tmp_path), "--against", "masters", "--server", address]) == 2
        assert address in capsys.readouterr().err


def test_with_a_key_that_may_not_make_a_collection_the_way_out_is_told(
    tmp_path: Path, delivery: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    with serving(data, search=SEARCH) as server:
        stored(server)
        key = script(data, "create", "checker", "--scope", "search", "--scope", "add")
        monkeypatch.setenv("IMAGERETRIEVAL_API_KEY", key)
        asked = [str(delivery), "--against", "masters", "--server", server.url]
        assert check.main(asked) == 2
        assert "--only-against" in capsys.readouterr().err
        assert check.main([*asked, "--only-against"]) == 1
        assert check.main([*asked, "--accept"]) == 1
        assert "2 accepted" in capsys.readouterr().err


def test_interrupted_it_takes_its_scratch_collection_away(tmp_path: Path, delivery: Path) -> None:
    for number in range(400):
        (delivery / f"{number}.png").write_bytes(encoded(photo(100 + number, (64, 48)), "PNG"))
    with serving(tmp_path / "data", search=SEARCH) as server:
        stored(server)
        command = [sys.executable, str(ROOT / "scripts/check.py"), str(delivery), "--against", "masters"]
        with subprocess.Popen([*command, "--server", server.url], stderr=subprocess.PIPE, text=True) as process:
            until(lambda: len(server.get("/collections")["collections"]) == 2, "the scratch collection")
            time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
        assert (process.returncode, "interrupted" in err, "Traceback" in err) == (130, True, False), err
        assert [each["name"] for each in server.get("/collections")["collections"]] == ["masters"]


def test_a_check_of_a_service_takes_no_server(tmp_path: Path) -> None:
    """Whoever checks deliveries elsewhere needs `requests` and `tqdm`."""
    absent = ("flask", "numpy", "faiss", "PIL", "pydantic", "sqlalchemy", "openvino", "retrieval")
    code = f"import sys; sys.modules.update(dict.fromkeys({absent})); sys.argv = ['check.py', '--help']; "
    code += "import runpy; runpy.run_path('scripts/check.py', run_name='__main__')"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, "--against" in run.stdout) == (0, True), run.stderr


def test_the_same_names_are_pictures_here_and_in_the_service() -> None:
    """Told twice, since a check takes no server."""
    assert files.ENDINGS == endings.ENDINGS
