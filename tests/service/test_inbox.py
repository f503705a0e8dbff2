"""Pictures that wait in folders: taken in once, moved where they belong, and never lost."""

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from index_store import Catalog, FingerprintMismatch, Once
from index_store.answers import keep
from index_store.schema import answers
from retrieval.bulk import FileOutcome, ImageFile
from retrieval.engine import Engine
from retrieval.inbox import Inbox
from retrieval.jobs import run_ingest
from retrieval.settings import Settings
from tests.conftest import MakeSettings
from tests.service.asking import body, jpeg

Ingest = Callable[..., dict[str, Any]]


@pytest.fixture
def own(settings: MakeSettings) -> Settings:
    """Settings of the service whose inbox is looked at; its data folder exists."""
    made = settings()
    made.data_dir.mkdir()
    return made


@pytest.fixture
def data(own: Settings) -> Path:
    return own.data_dir


@pytest.fixture
def catalog(own: Settings) -> Iterator[Catalog]:
    opened = Catalog(own.catalog_url)
    yield opened
    opened.close()


@pytest.fixture
def ingest(own: Settings, catalog: Catalog) -> Ingest:
    """Run an ingest here and now; gives its result."""

    def run(collection: str | None = None, settings: Settings = own) -> dict[str, Any]:
        return run_ingest(settings, catalog, collection, lambda progress: None)

    return run


def drop(data: Path, name: str | bytes, content: bytes) -> Path:
    """A file in the inbox."""
    path = data / "inbox" / os.fsdecode(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def below(folder: Path) -> list[str]:
    """Paths of all files in a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def held(own: Settings, catalog: Catalog, collection: str = "default") -> dict[str, dict[str, Any]]:
    """What a collection holds, by id."""
    with Engine.open(own, catalog) as engine:
        return {image.id: image.__dict__ for image in engine.store.images(collection, limit=1000)}


def test_pictures_are_registered_by_their_path_and_moved_to_the_library(own, data, catalog, ingest):
    names = ["a.jpg", "sub/folder/b.jpg", "Käse/猫 🐈.jpg", "no ending"]
    for seed, name in enumerate(names):
        drop(data, f"default/{name}", jpeg(seed))
    drop(data, "cats/a.jpg", jpeg(9))
    assert ingest() == {"collections": {"cats": {"added": 1}, "default": {"added": 4}}, "passed_over": []}
    images = held(own, catalog)
    assert {name: image["source"] for name, image in images.items()} == {name: name for name in names}
    assert list(held(own, catalog, "cats")) == ["a.jpg"]
    assert below(data / "inbox") == []
    assert below(data / "library/default") == sorted(names)
    assert (data / "library/default/sub/folder/b.jpg").read_bytes() == jpeg(1)


def test_an_empty_inbox_is_no_trouble(data, ingest):
    assert ingest() == {"collections": {}, "passed_over": []}
    (data / "inbox/default").mkdir(parents=True)
    assert ingest() == {"collections": {}, "passed_over": []}
    assert ingest("default") == {"collections": {}}


def test_a_bad_file_among_good_ones_is_put_aside_with_the_reason(own, data, catalog, ingest):
    for seed in range(40):
        drop(data, f"default/{seed:02}.jpg", jpeg(seed % 5))
    drop(data, "default/07.jpg", b"no picture")
    drop(data, "default/sub/half.jpg", jpeg(1)[:2000])
    assert ingest()["collections"] == {"default": {"added": 39, "failed": 2}}
    assert below(data / "failed/default") == ["07.jpg", "07.jpg.txt", "sub/half.jpg", "sub/half.jpg.txt"]
    assert "not a picture" in (data / "failed/default/07.jpg.txt").read_text()
    assert "cut short" in (data / "failed/default/sub/half.jpg.txt").read_text()
    assert len(held(own, catalog)) == 39


@pytest.mark.parametrize(
    "name", ["n" * 251 + ".jpg", b"\xff\xfe.jpg", "a\\b.jpg", "new\nline.jpg", "s/" * 254 + "deep.jpg"]
)
def test_a_file_whose_name_cannot_be_an_id_does_not_stop_the_others(data, ingest, name):
    drop(data, b"default/" + os.fsencode(name), jpeg(1))
    drop(data, "default/z.jpg", jpeg(2))
    assert ingest()["collections"]["default"]["added"] >= 1
    assert (data / "library/default/z.jpg").exists()
    assert below(data / "inbox") == []
    assert not Inbox(data_settings(data)).has_waited("default", -1)


def data_settings(data: Path) -> Settings:
    from retrieval.settings import load_settings

    return load_settings(environ={}, data_dir=data)


def test_the_longest_name_can_fail_and_clash_too(data, ingest):
    for content in (b"no picture", b"nor this"):
        drop(data, "default/" + "n" * 251 + ".jpg", content)
        assert ingest()["collections"] == {"default": {"failed": 1}}
    assert len(below(data / "failed")) == 4


def test_files_of_one_name_do_not_replace_each_other_in_the_library(own, data, catalog, ingest):
    drop(data, "default/a.jpg", jpeg(1))
    ingest()
    with Engine.open(own, catalog) as engine:
        engine.store.delete("default", "a.jpg")
    drop(data, "default/a.jpg", jpeg(2))
    assert ingest()["collections"] == {"default": {"added": 1}}
    assert (data / "library/default/a.jpg").read_bytes() == jpeg(1)
    assert (data / "library/default/a.1.jpg").read_bytes() == jpeg(2)


def test_an_id_in_use_is_refused_unless_it_is_the_same_picture(data, ingest):
    drop(data, "default/a.jpg", jpeg(1))
    ingest()
    drop(data, "default/a.jpg", jpeg(2))
    assert ingest()["collections"] == {"default": {"failed": 1}}
    assert "in use by another picture" in (data / "failed/default/a.jpg.txt").read_text()
    drop(data, "default/a.jpg", jpeg(1))
    assert ingest()["collections"] == {"default": {"known": 1}}


def test_what_was_registered_but_not_moved_is_moved_by_the_next_run(own, data, catalog, ingest):
    path = drop(data, "default/a.jpg", jpeg(1))
    ingest()
    (data / "library/default/a.jpg").rename(path)  # as if the process had died in between
    assert ingest()["collections"] == {"default": {"known": 1}}
    assert below(data / "library") == ["default/a.jpg"]
    assert len(held(own, catalog)) == 1


def test_queued_adds_keep_their_id_metadata_source_and_policy(own, data, catalog, ingest, make_client):
    client = make_client()
    client.application.extensions["service"].wait_until_ready()
    kept = client.post("/add", json=body(jpeg(1), id="q/1", metadata={"n": 1}, wait=False))
    again = client.post("/add", json=body(jpeg(1, 60), id="q/2", on_duplicate="reject", wait=False))
    given = client.post("/add", json=body(jpeg(2), wait=False)).json["id"]
    assert (kept.status_code, again.status_code) == (202, 202)
    assert ingest()["collections"] == {"default": {"added": 2, "duplicate": 1}}
    images = held(own, catalog)
    assert images.keys() == {"q/1", given}
    assert images["q/1"]["metadata"] == {"n": 1}
    assert below(data / "inbox") == []
    (reason,) = (data / "failed/default").glob("*.txt")
    assert "duplicate of 'q/1'" in reason.read_text()
    assert client.post("/search", json=body(jpeg(2))).json["matches"][0]["id"] == given


def test_a_file_that_still_changes_waits(settings, data, ingest):
    drop(data, "default/a.jpg", jpeg(1))
    os.utime(data / "inbox/default/a.jpg", (0, 0))  # copied with its old times
    slow = settings(maintenance={"inbox_settle_s": 0.4})
    assert ingest(settings=slow)["collections"] == {}
    time.sleep(0.4)
    assert ingest(settings=slow)["collections"] == {"default": {"added": 1}}


def test_a_file_from_the_future_does_not_wait_for_it(data, ingest):
    drop(data, "default/a.jpg", jpeg(1))
    os.utime(data / "inbox/default/a.jpg", (2**32, 2**32))
    assert ingest()["collections"] == {"default": {"added": 1}}


def test_links_hidden_files_and_pipes_are_left_alone(data, ingest, tmp_path):
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(jpeg(1))
    drop(data, "default/.hidden.jpg", jpeg(2))
    (data / "inbox/default/link.jpg").symlink_to(secret)
    (data / "inbox/default/folder").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(data / "inbox/default/pipe.jpg")
    assert ingest()["collections"] == {}
    assert secret.exists()
    assert not (data / "library").exists()


def test_what_belongs_to_no_collection_is_told(data, ingest, catalog):
    drop(data, "my photos/a.jpg", jpeg(1))
    drop(data, "loose.jpg", jpeg(2))
    drop(data, "good/a.jpg", jpeg(3))
    assert ingest() == {"collections": {"good": {"added": 1}}, "passed_over": ["loose.jpg", "my photos"]}
    assert [collection.name for collection in catalog.collections()] == ["good"]
    assert (data / "inbox/my photos/a.jpg").exists()


def test_a_collection_that_cannot_take_pictures_does_not_stop_the_others(data, ingest, catalog):
    catalog.create_collection("b-old", "another extractor", 512, None)
    for name in ("a", "b-old", "c"):
        drop(data, f"{name}/1.jpg", jpeg(1))
    with pytest.raises(FingerprintMismatch, match="b-old"):
        ingest()
    assert below(data / "library") == ["a/1.jpg", "c/1.jpg"]
    assert below(data / "inbox") == ["b-old/1.jpg"]


def test_a_file_that_is_taken_away_meanwhile_is_no_trouble(own, data):
    gone = ImageFile("a.jpg", data / "inbox/default/a.jpg")
    for status in ("added", "failed"):
        Inbox(own).settle("default", FileOutcome(gone, status, "why"))
    assert below(data / "failed") == below(data / "library") == []


def test_what_was_taken_in_and_deleted_before_it_could_be_moved_does_not_come_back(own, ingest, monkeypatch):
    drop(own.data_dir, "cats/a.jpg", jpeg(1))
    with monkeypatch.context() as killed:
        killed.setattr(Inbox, "settle", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            ingest()
    catalog = Catalog(own.catalog_url)
    collection = catalog.collection("cats")
    catalog.delete_image(collection, "a.jpg")
    with catalog.writing() as connection:  # two days pass, in which others get answers that are kept for one
        connection.execute(update(answers).values(created_at=datetime.now(UTC) - timedelta(days=2)))
        keep(connection, Once("key", "f" * 64, 86400.0), b"")
    assert ingest()["collections"]["cats"] == {"known": 1}
    assert catalog.count(collection) == 0
    drop(own.data_dir, "cats/a.jpg", jpeg(1))  # again, which is meant
    assert ingest()["collections"]["cats"] == {"added": 1}
    catalog.close()
