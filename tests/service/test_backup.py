"""Backups made while pictures are added, and what comes out when they are put back."""

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from index_store import Catalog, CatalogUnavailable, StorageFull
from index_store.backup import CatalogFacts
from retrieval import backup
from retrieval.copied_files import read_list
from retrieval.errors import BackupRefused
from retrieval.settings import Settings
from scripts.backup import main
from tests.disk import no_room
from tests.service.asking import body, small

pytestmark = pytest.mark.any_extractor


def quiet(what: str, done: int, of: int) -> None:
    """Nobody is told."""


@pytest.fixture
def served(make_client) -> Iterator:
    """A service with 20 pictures, one waiting in the inbox, one in the library."""
    client = make_client()
    service = client.application.extensions["service"].wait_until_ready()
    for number in range(20):
        client.post("/add", json=body(small(number), id=str(number), metadata={"n": number}))
    client.post("/pairs", json={"a": "1", "b": "2", "verdict": "duplicates"})
    client.post("/add", json=body(small(30), id="waits", wait=False))
    library = service.settings.data_dir / "library/default/old.jpg"
    library.parent.mkdir(parents=True)
    library.write_bytes(small(31))
    return client


@pytest.fixture
def own(served) -> Settings:
    return served.application.extensions["service"].settings


@pytest.fixture
def made(own, tmp_path) -> Path:
    backup.create(own, tmp_path / "backup", library=True, since=None, report=quiet)
    return tmp_path / "backup"


def elsewhere(own: Settings, tmp_path: Path) -> Settings:
    """The same settings over another data folder."""
    return own.model_copy(update={"data_dir": tmp_path / "elsewhere"})


def test_what_is_put_back_is_what_there_was(made, own, served, make_client, tmp_path):
    other = elsewhere(own, tmp_path)
    assert backup.restore(other, made, quiet) == []
    client = make_client(data_dir=other.data_dir)
    client.application.extensions["service"].wait_until_ready()
    for path in ("/images", "/pairs", "/collections"):
        assert client.get(path).json == served.get(path).json
    assert client.post("/search", json=body(small(3), top_k=1)).json["matches"][0]["id"] == "3"
    files = [path.relative_to(own.data_dir) for path in (own.data_dir / "inbox").rglob("*") if path.is_file()]
    files += [Path("library/default/old.jpg")]
    assert len(files) == 3
    for path in files:
        assert (other.data_dir / path).read_bytes() == (own.data_dir / path).read_bytes()


def test_what_was_acknowledged_before_the_backup_began_is_in_it(served, own, tmp_path, make_client):
    done: list[str] = []

    def add(start: int) -> None:
        for number in range(start, start + 25):
            data = body(small(number % 50), id=f"new{number}")
            assert served.application.test_client().post("/add", json=data).status_code == 201
            done.append(f"new{number}")

    with ThreadPoolExecutor(3) as pool:
        adding = [pool.submit(add, 1000 * hand) for hand in range(3)]
        while len(done) < 10:
            time.sleep(0.01)
        before = list(done)
        backup.create(own, tmp_path / "backup", library=False, since=None, report=quiet)
        after = len(done)
        for each in adding:
            each.result()
    assert after < 75, "the backup was made when nothing was added any more"
    other = elsewhere(own, tmp_path)
    backup.restore(other, tmp_path / "backup", quiet)
    with_all = make_client(data_dir=other.data_dir)
    with_all.application.extensions["service"].wait_until_ready()
    held = {image["id"] for image in with_all.get("/images?limit=1000").json["images"]}
    assert set(before) <= held <= set(done) | {str(number) for number in range(20)}
    assert with_all.get("/collections/default").json["kept"]["images"] == len(held)


def test_putting_back_waits_for_the_service_to_stop_and_keeps_what_was_there(made, served, own):
    with pytest.raises(CatalogUnavailable, match="stop that first"):
        backup.restore(own, made, quiet)
    served.post("/add", json=body(small(40), id="later"))
    served.application.extensions["service"].close()
    (replaced,) = backup.restore(own, made, quiet)
    with_later = Catalog(f"sqlite:///{replaced / 'catalog.db'}")
    now = Catalog(own.catalog_url)
    try:
        collection = now.collection("default")
        assert not now.known_ids(collection, ["later"])
        assert with_later.known_ids(collection, ["later"])
    finally:
        with_later.close()
        now.close()
    assert not list(own.data_dir.glob(".*partial"))


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _lie(path: Path) -> None:
    manifest = json.loads(path.read_text())
    manifest["catalog"]["clock"] += 1
    path.write_text(json.dumps(manifest))


def _misname(path: Path) -> None:
    path.write_text(path.read_text().replace('"inbox"', '"inbnx"'))


def _add(path: Path) -> None:
    (path / "another.jpg").write_bytes(small(50))


HARM = [(name, harm) for name in ("catalog.db", "files.jsonl", "library/default/old.jpg") for harm in (_flip, _cut)]
HARM += [(name, Path.unlink) for name in ("catalog.db", "files.jsonl", "library/default/old.jpg", "manifest.json")]
HARM += [("manifest.json", _lie), ("manifest.json", _cut), ("manifest.json", _misname), ("inbox", _add)]


def test_a_damaged_backup_is_found_out_and_not_put_back(made, own, tmp_path, capsys):
    other = elsewhere(own, tmp_path)
    for number, (name, harm) in enumerate(HARM):
        damaged = tmp_path / f"damaged{number}"
        shutil.copytree(made, damaged)
        harm(damaged / name)
        with pytest.raises((BackupRefused, CatalogUnavailable)):
            backup.restore(other, damaged, quiet)
        assert not other.data_dir.exists()
        assert main(["verify", str(damaged)]) == 1
        assert capsys.readouterr().err


def test_a_backup_is_whole_or_absent(own, made, tmp_path):
    with pytest.raises(BackupRefused, match="there already"):
        backup.create(own, made, library=False, since=None, report=quiet)
    before = set(tmp_path.iterdir())
    with no_room(), pytest.raises(StorageFull):
        backup.create(own, tmp_path / "another", library=True, since=None, report=quiet)
    assert set(tmp_path.iterdir()) == before


def test_what_has_not_changed_is_linked_from_an_earlier_backup(own, made, tmp_path):
    (own.data_dir / "library/default/new.jpg").write_bytes(small(32))
    backup.create(own, tmp_path / "next", library=True, since=made, report=quiet)
    old = "library/default/old.jpg"
    assert (made / old).samefile(tmp_path / "next" / old)
    assert backup.verify(tmp_path / "next", quiet).files == 4
    shutil.rmtree(made)
    assert {each.path for each in read_list(tmp_path / "next/files.jsonl")} >= {old, "library/default/new.jpg"}
    backup.verify(tmp_path / "next", quiet)


def test_another_database_is_backed_up_by_its_own_tools(settings, tmp_path):
    own = settings(catalog={"url": "postgresql://somewhere/pictures"})
    with pytest.raises(BackupRefused, match="pg_dump"):
        backup.create(own, tmp_path / "backup", library=False, since=None, report=quiet)


def test_the_command_line_makes_verifies_and_puts_back(own, served, tmp_path, capsys):
    data, copy, other = (str(path) for path in (own.data_dir, tmp_path / "copy", tmp_path / "other"))
    assert main(["create", copy, "--data-dir", data]) == 0
    assert main(["verify", copy]) == 0
    assert main(["restore", copy, "--data-dir", other]) == 0
    told = capsys.readouterr().out
    assert "20 pictures in 1 collections, 2 files" in told
    assert main(["create", copy, "--data-dir", data]) == 1
    assert main(["restore", copy, "--data-dir", data]) == 1
    assert "stop that first" in capsys.readouterr().err


def test_backups_and_data_folders_do_not_lie_in_each_other(own, made, settings, tmp_path):
    for inside in (own.data_dir / "backup", own.data_dir / "inbox/x"):
        with pytest.raises(BackupRefused, match="may not lie in each other"):
            backup.create(own, inside, library=False, since=None, report=quiet)
    other = tmp_path / "other"
    backup.create(own, other, library=False, since=None, report=quiet)
    for target, why in ((made, "in each other"), (made / "sub", "in each other"), (other, "is a backup itself")):
        with pytest.raises(BackupRefused, match=why):
            backup.restore(settings(data_dir=target), made, quiet)
    for each in (made, other):
        backup.verify(each, quiet)


@pytest.fixture
def another_disk() -> Iterator[Path]:
    """A folder of another file system than the temporary files'."""
    if not Path("/dev/shm").is_mount():
        pytest.skip("there is no other file system here")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def test_a_catalog_on_another_disk_is_put_back_there(own, made, settings, tmp_path, another_disk):
    path = another_disk / "deep" / "pictures.db"
    there = settings(data_dir=tmp_path / "other", catalog={"url": f"sqlite:///{path}"})
    assert backup.restore(there, made, quiet) == []
    replaced = backup.restore(there, made, quiet)
    assert [folder.parent for folder in replaced] == sorted([path.parent, there.data_dir])
    assert CatalogFacts.read(path).collections == {"default": 20}
    assert [each.name for each in path.parent.iterdir() if each.name.startswith(".")] == []


def test_a_restore_without_room_says_so_before_it_begins(own, made, settings, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(1000, 900, 100))
    target = settings(data_dir=tmp_path / "other")
    with pytest.raises(StorageFull, match="100 are free"):
        backup.restore(target, made, quiet)
    assert list(target.data_dir.iterdir()) == []


def test_a_backup_may_lie_in_a_folder_that_is_not_there_yet(own, tmp_path):
    backup.create(own, tmp_path / "a/b/backup", library=False, since=None, report=quiet)
    backup.verify(tmp_path / "a/b/backup", quiet)
