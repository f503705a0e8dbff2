"""What the client does with a service, over HTTP and with the application in this process: it is all the same."""

import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import requests

from client import (
    Added,
    Client,
    Duplicate,
    Failure,
    Found,
    JobFailed,
    Queued,
    ServiceError,
    Stored,
    TookTooLong,
    UnreadableFile,
    Url,
)
from tests.service.asking import jpeg, small


@pytest.fixture
def photo(tmp_path):
    """A picture on the disk under a name that is hard to send."""
    path = tmp_path / 'grün "1"\r\n🐈.jpg'
    path.write_bytes(jpeg(1))
    return path


def test_a_file_is_added_described_changed_and_forgotten(client, home, photo):
    added = client.add(photo, id="cats/50% grün?#1.jpg", metadata={"licence": "CC0", "n": [1, None]}, collection=home)
    assert (added.id, added.collection, added.matches) == ("cats/50% grün?#1.jpg", home, ())
    image = client.image(added.id, home)
    assert (image.width, image.height, image.size, image.format) == (320, 240, len(jpeg(1)), "JPEG")
    assert image.source == 'grün "1"%0D%0A🐈.jpg'
    assert image.metadata == {"licence": "CC0", "n": [1, None]}
    assert abs(image.created_at - datetime.now(UTC)).total_seconds() < 60
    assert image.kept.kind == "thumbnail"
    assert client.update(added.id, {"a": 1}, home).metadata == {"a": 1}
    client.delete(added.id, home)
    with pytest.raises(ServiceError) as refused:
        client.image(added.id, home)
    assert (refused.value.status, refused.value.slug) == (404, "unknown-image")
    assert added.id in refused.value.detail


def test_a_str_is_a_path_and_bytes_are_a_picture(client, home, photo):
    client.add(str(photo), collection=home)
    found = client.search(jpeg(1), collection=home)
    assert (found.duplicate, found.verdict, found.matches[0].relation) == (True, "duplicate", "exact")
    assert found.took_ms.total > 0
    client.add(jpeg(2), id="two", collection=home)
    assert client.image("two", home).source is None


def test_options_of_a_search_arrive(client, home):
    client.add_many([jpeg(seed) for seed in range(4)], collection=home)
    assert len(client.search(jpeg(1), collection=home, top_k=2).matches) == 2
    assert len(client.search(jpeg(1), collection=home, min_score=0.99).matches) == 1
    refined = client.search(jpeg(1), collection=home, refine={"expand": "average", "expand_k": 2})
    assert refined.matches[0].refined_score is not None
    assert client.search(jpeg(1), collection=home, mode="thorough").duplicate
    with pytest.raises(ServiceError, match="unknown field"):
        client.search(jpeg(1), colection=home)


def test_every_picture_of_a_batch_has_its_result(client, home, photo, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    pictures = [
        photo, jpeg(1, 50), b"broken", tmp_path / "missing.jpg", fifo, tmp_path, "a\0b", "https://no.file", b"",
        Url("http://127.0.0.1:9/private"), jpeg(2),
    ]  # fmt: skip
    ids = [f"p{number}" for number in range(len(pictures))]
    results = client.add_many(pictures, ids=ids, collection=home, on_duplicate="reject")
    kinds = [Added, Duplicate, *[Failure] * 8, Added]
    assert [type(result) for result in results] == kinds
    assert results[1].best.id == "p0"
    assert results[1].best.relation == "near"
    assert [result.slug for result in results[2:10]] == [
        "bad-image", *["unreadable-file"] * 5, "bad-image", "fetch-refused"
    ]  # fmt: skip
    assert "Url(" in results[7].detail
    assert {image.id for image in client.images(home)} == {"p0", "p10"}


def test_names_that_are_not_utf8_and_surrogates_go(client, home, tmp_path):
    path = tmp_path / os.fsdecode(b"\xff\xfe.jpg")
    path.write_bytes(jpeg(3))
    added = client.add(path, collection=home)
    assert client.image(added.id, home).source == "??.jpg"
    (gone,) = client.add_many([f"{path}x"], collection=home)
    assert gone.slug == "unreadable-file"
    gone.detail.encode()


def test_a_batch_is_split_by_count_and_repeats_are_told(client, home):
    pictures = [jpeg(seed % 5) for seed in range(11)]
    found = client.search_many(pictures, collection=client.collections.create(home).name, batch=4)
    assert all(isinstance(each, Found) for each in found)
    assert len(found) == 11
    many = client.add_many(pictures, collection=home, on_duplicate="reject", batch=4)
    assert [type(each) for each in many] == [Added] * 5 + [Duplicate] * 6
    repeats = client.search_many([jpeg(7), jpeg(8), jpeg(7)], collection=home)[2].repeats
    assert [(each.index, each.relation) for each in repeats] == [(0, "exact")]


def test_against_other_collections(client, home):
    client.add(jpeg(1), collection=f"{home[:50]}-masters", id="m")
    added = client.add(jpeg(1, 60), collection=home, on_duplicate="reject", against=[f"{home[:50]}-masters"])
    assert (added.best.collection, added.best.id) == (f"{home[:50]}-masters", "m")
    assert isinstance(client.add(jpeg(1, 60), collection=home, on_duplicate="reject", against=()), Added)


def test_one_picture_that_nothing_comes_of_raises(client, home, tmp_path):
    with pytest.raises(UnreadableFile, match="No such file"):
        client.search(tmp_path / "none.jpg")
    with pytest.raises(ServiceError) as refused:
        client.add(b"broken", collection=home)
    assert (refused.value.status, refused.value.slug) == (422, "bad-image")
    with pytest.raises(TypeError, match="not int"):
        client.add(7, collection=home)
    with pytest.raises(ValueError, match="one of each"):
        client.add_many([jpeg(1)], ids=["a", "b"])


def test_what_has_room_in_no_request_is_a_failure_and_harms_no_other(client, home, tmp_path):
    large = tmp_path / "large.jpg"
    with large.open("wb") as file:
        file.truncate(40 * 2**20)
    results = client.add_many([jpeg(1), large, jpeg(2)], collection=home)
    assert [type(each) for each in results] == [Added, Failure, Added]
    assert results[1].status == 413


def test_pictures_too_large_together_go_one_by_one(client, home, tmp_path, monkeypatch):
    monkeypatch.setattr("client.batches.BATCH_BYTES", 2**30)
    large = []
    for number in range(3):
        large.append(tmp_path / f"{number}.jpg")
        large[-1].write_bytes(jpeg(number) + bytes(15 * 2**20))
    results = client.add_many([*large, jpeg(9)], collection=home)
    assert [type(each) for each in results] == [Added] * 4


def test_compare_what_is_sent_with_what_is_stored(client, home, photo):
    client.add(jpeg(2), id="two", collection=home)
    assert client.compare(photo, jpeg(1)).relation == "exact"
    other = client.compare(photo, Stored("two", home))
    assert (other.duplicate, other.marked) == (False, None)
    with pytest.raises(ServiceError, match="403"):
        client.compare(photo, Url("http://127.0.0.1:9/x"))


def test_images_are_listed_over_pages(client, home):
    client.add_many([small(seed) for seed in range(7)], ids=[str(seed) for seed in range(7)], collection=home)
    assert [image.id for image in client.images(home, page=3)] == list("0123456")


def test_collections(client, home):
    made = client.collections.create(home, threshold=0.7)
    assert (made.name, made.threshold) == (home, 0.7)
    assert home in [each.name for each in client.collections.list()]
    with pytest.raises(ServiceError) as refused:
        client.collections.create(home)
    assert refused.value.slug == "collection-exists"
    client.add(jpeg(1), collection=home)
    info = client.collections.get(home)
    assert (info.images, info.threshold, info.kept.images) == (1, 0.7, 1)
    assert info.index.pending == 1
    assert client.collections.update(home, threshold=None).threshold == 0.5
    client.collections.delete(home)
    with pytest.raises(ServiceError, match="404"):
        client.collections.get(home)


def test_duplicates_and_marks(client, home):
    for seed in range(3):
        client.add(jpeg(seed), id=f"{seed}", collection=home)
        client.add(jpeg(seed, 40), id=f"{seed}-copy", collection=home)
    groups = list(client.collections.duplicates(home, page=2))
    assert sorted(group.keeper.id for group in groups) == ["0", "1", "2"]
    assert {member.id for group in groups for member in group.members} == {"0-copy", "1-copy", "2-copy"}
    assert groups[0].members[0].relation == "near"
    assert groups[0].keeper.kept_for
    pair = client.collections.mark("1-copy", "1", "not_duplicates", collection=home)
    assert (pair.a, pair.b, pair.verdict) == ("1", "1-copy", "not_duplicates")
    assert [each.a for each in client.collections.marks(home)] == ["1"]
    assert len(list(client.collections.duplicates(home, relation="near", keep="oldest"))) == 2
    client.collections.unmark("1", "1-copy", collection=home)
    assert not list(client.collections.marks(home))


def test_a_job_is_waited_for_and_its_progress_told(server, home):
    told = []
    with Client(server.url) as client:
        client.add(jpeg(1), collection=home)
        job = client.jobs.wait(client.jobs.start("rebuild", home), told.append, poll=0.02, timeout=60)
        assert job.result["collections"][home]
        assert told[-1].state == "done"
        assert client.jobs.get(job.id) == job
        assert job.id in [each.id for each in client.jobs.list()]
        failed = client.jobs.start("calibrate", home)
        with pytest.raises(JobFailed) as error:
            client.jobs.wait(failed, poll=0.02)
        assert error.value.job.id == failed.id


def test_a_job_that_takes_too_long_is_told(client, home):
    client.collections.create(home)
    with pytest.raises(TookTooLong, match="is still"):
        client.jobs.wait(client.jobs.start("rebuild", home), poll=0.001, timeout=0)


def test_queued(client, home):
    assert isinstance(client.add(jpeg(1), collection=home, wait=False), Queued)


def test_threads_share_a_client(client, home):
    """Of one picture that all add, exactly one is kept, and nobody gets another's answer."""
    barrier = threading.Barrier(8)

    def work(number):
        barrier.wait()
        same = client.add(jpeg(100), collection=home, on_duplicate="reject")
        own = client.add(small(number), id=str(number), collection=home)
        return same, own.id, client.search(small(number), collection=home, top_k=1).matches[0].id

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(8)))
    assert sum(isinstance(same, Added) for same, *_ in results) == 1
    assert [(own, found) for _, own, found in results] == [(str(number), str(number)) for number in range(8)]


@pytest.mark.parametrize("name", ["../pairs", "..", ".", "", "a//b", "a/../../collections/default"])
def test_no_id_leads_elsewhere(client, name):
    with pytest.raises(ValueError, match="the name of nothing"):
        client.delete(name)
    with pytest.raises(ValueError, match="the name of nothing"):
        client.collections.delete(name)


def test_addresses_that_cannot_be():
    for server in ("127.0.0.1:8080", "ftp://x", "http://"):
        with pytest.raises(ValueError, match="no address"):
            Client(server)


def test_the_key_of_the_environment_goes_along(proxy, monkeypatch):
    monkeypatch.setenv("IMAGERETRIEVAL_API_KEY", "ir_from_outside")
    for key in (None, "ir_given"):
        with Client(proxy.url, key) as client:
            client.collections.list()
    assert [headers["Authorization"] for *_, headers in proxy.seen] == ["Bearer ir_from_outside", "Bearer ir_given"]


def test_a_netrc_is_no_business_of_ours(proxy, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("IMAGERETRIEVAL_API_KEY", raising=False)
    with requests.Session() as session:  # one that would look there
        Client(proxy.url, session=session).collections.list()
    assert "Authorization" not in proxy.seen[0][3]


def test_a_session_that_was_given_stays_open_and_an_own_one_is_closed(proxy):
    with Client(proxy.url) as client:
        client.collections.list()
        own = client._transport._session
    assert not own.get_adapter(proxy.url).poolmanager.pools
    assert socket.create_connection(proxy.server_address).close() is None
