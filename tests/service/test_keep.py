"""What is kept of pictures, by the settings and by the way that they come in."""

from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from index_store import KeptPicture
from retrieval.keeping import kept_of
from retrieval.picture import decode
from scripts import build_index
from tests.corpus import encoded, photo
from tests.service.asking import body, jpeg, png


def add(client: Any, data: bytes, **fields: Any) -> None:
    answer = client.post("/add", json=body(data, **fields))
    assert answer.status_code == 201, answer.text


def kept(client: Any, image_id: str) -> KeptPicture | None:
    service = client.application.extensions["service"]
    return service.catalog.kept_picture(service.store.image("default", image_id).seq)


@pytest.fixture
def serve(make_client):
    """A ready service with a `keep` section."""

    def made(**keep: Any) -> Any:
        client = make_client(keep=keep)
        client.application.extensions["service"].wait_until_ready()
        return client

    return made


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((320, 240), 512, (320, 240)),  # never enlarged
        ((320, 240), 320, (320, 240)),
        ((320, 240), 160, (160, 120)),
        ((240, 320), 100, (75, 100)),
        ((2000, 3), 100, (100, 1)),
    ],
)
def test_a_thumbnail_keeps_the_aspect_within_its_side(settings, size, side, expected):
    own = settings(keep={"side": side})
    data = encoded(photo(1, size), "PNG")
    found = kept_of(data, decode(data, own.input), own.keep)
    assert found.kind == "thumbnail"
    thumbnail = Image.open(BytesIO(found.data))
    assert (thumbnail.format, thumbnail.size) == ("JPEG", expected)


def test_by_default_thumbnails_are_kept_and_told(serve):
    client = serve()
    add(client, png(1), id="one")
    add(client, png(2), id="two")
    held = [kept(client, name) for name in ("one", "two")]
    assert client.get("/images/one").json["kept"] == {"kind": "thumbnail", "size": len(held[0].data)}
    total = {"images": 2, "bytes": sum(len(each.data) for each in held)}
    assert client.get("/collections/default").json["kept"] == total
    client.delete("/images/one")
    assert client.get("/collections/default").json["kept"] == {"images": 1, "bytes": len(held[1].data)}


def test_originals_are_kept_byte_for_byte(serve):
    client = serve(pictures="original")
    add(client, png(1), id="one")
    assert kept(client, "one") == KeptPicture("original", png(1))
    assert client.get("/images/one").json["kept"] == {"kind": "original", "size": len(png(1))}


def test_nothing_is_kept_where_the_settings_say_so(serve):
    client = serve(pictures="nothing")
    add(client, png(1), id="one")
    assert kept(client, "one") is None
    assert client.get("/images/one").json["kept"] is None
    assert client.get("/collections/default").json["kept"] == {"images": 0, "bytes": 0}


@pytest.mark.parametrize(("files", "kind"), [(False, None), (True, "original")])
def test_files_are_kept_only_if_asked_for(serve, settings, tmp_path, files, kind):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "one.jpg").write_bytes(jpeg(1))
    build_index.index(settings(keep={"files": files, "pictures": "original"}), [tmp_path / "folder"], "default", False)
    found = serve().get("/images/one.jpg").json["kept"]
    assert (found and found["kind"]) == kind


@pytest.mark.parametrize("accept", ["image/*", "image/avif,image/webp,*/*;q=0.8", "image/jpeg, application/json;q=0.5"])
def test_what_is_kept_is_sent_to_who_asks_for_a_picture(serve, accept):
    client = serve()
    add(client, png(1), id="cats/one.png")
    answer = client.get("/images/cats/one.png", headers={"Accept": accept})
    assert (answer.status_code, answer.mimetype) == (200, "image/jpeg")
    assert answer.data == kept(client, "cats/one.png").data
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/json, image/*"])
def test_who_asks_for_no_picture_gets_the_description(serve, accept):
    client = serve()
    add(client, png(1), id="one")
    answer = client.get("/images/one", headers={"Accept": accept} if accept else {})
    assert (answer.mimetype, answer.json["id"]) == ("application/json", "one")


@pytest.mark.parametrize(("kind", "media"), [("PNG", "image/png"), ("WEBP", "image/webp"), ("JPEG", "image/jpeg")])
def test_an_original_is_sent_as_what_it_is(serve, kind, media):
    client = serve(pictures="original")
    data = encoded(photo(1), kind)
    add(client, data, id="one")
    answer = client.get("/images/one", headers={"Accept": "image/*"})
    assert (answer.mimetype, answer.data) == (media, data)


def test_where_nothing_is_kept_that_is_told(serve):
    client = serve(pictures="nothing")
    add(client, png(1), id="one")
    answer = client.get("/images/one", headers={"Accept": "image/*"})
    assert (answer.status_code, answer.json["type"]) == (404, "urn:imageretrieval:nothing-kept")
    answer = client.get("/images/none", headers={"Accept": "image/*"})
    assert (answer.status_code, answer.json["type"]) == (404, "urn:imageretrieval:unknown-image")
