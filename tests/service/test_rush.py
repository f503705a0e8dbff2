"""Promise 4 with the real model: however many versions of one picture rush in at once, one is kept."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from tests.corpus import encoded
from tests.service.asking import body
from tests.service.photographs import samples
from tests.service.server import Server, serving

pytestmark = [pytest.mark.model, pytest.mark.slow]
RUSH = 64
Edit = Callable[[Image.Image], Image.Image]


def captioned(image: Image.Image) -> Image.Image:
    """With a bar of text below."""
    sheet = Image.new("RGB", (image.width, image.height * 9 // 8), "white")
    sheet.paste(image)
    ImageDraw.Draw(sheet).text((10, image.height + 5), "as seen on the net", "black")
    return sheet


def cropped(image: Image.Image) -> Image.Image:
    width, height = image.size
    return image.crop((width // 12, height // 12, width, height))


EDITS: dict[str, Edit] = {
    "as it is": lambda image: image,
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "cropped": cropped,
    "grey": lambda image: image.convert("L").convert("RGB"),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
    "squeezed": lambda image: image.resize((image.width * 4 // 5, image.height)),
    "captioned": captioned,
}


@pytest.fixture(scope="module")
def versions() -> list[bytes]:
    image = Image.open(samples()[0]).convert("RGB")
    return [encoded(edit(image), "JPEG", quality=80) for edit in EDITS.values()]


def rush(servers: list[Server], versions: list[bytes], **fields: str) -> list[requests.Response]:
    """As many adds as RUSH at once, each version as often as any other."""
    ready = threading.Barrier(RUSH)

    def add(number: int) -> requests.Response:
        ready.wait()
        data = versions[number % len(versions)]
        return servers[number % len(servers)].add(data, id=str(number), on_duplicate="reject", **fields)

    with ThreadPoolExecutor(RUSH) as clients:
        return list(clients.map(add, range(RUSH)))


def one_is_kept(server: Server, answers: list[requests.Response], collection: str = "default") -> None:
    """And everybody else is told of it."""
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: RUSH - 1}
    (winner,) = [answer.json() for answer in answers if answer.status_code == 201]
    assert winner["matches"] == []
    listed = server.get(f"/images?collection={collection}")["images"]
    assert [image["id"] for image in listed] == [winner["id"]]
    told = [answer.json()["matches"] for answer in answers if answer.status_code == 409]
    assert {tuple(match["id"] for match in matches) for matches in told} == {(winner["id"],)}
    same = [number for number in range(RUSH) if number % len(EDITS) == int(winner["id"]) % len(EDITS)]
    relations = {number: matches[0]["relation"] for number, matches in _refused(answers).items()}
    assert {number for number, relation in relations.items() if relation == "exact"} == {*same} - {int(winner["id"])}


def _refused(answers: list[requests.Response]) -> dict[int, list[dict[str, str]]]:
    return {n: answer.json()["matches"] for n, answer in enumerate(answers) if answer.status_code == 409}


def test_of_64_adds_of_8_versions_to_two_workers_one_is_kept(tmp_path, versions):
    with serving(tmp_path / "data", extractor={"name": "sscd"}, server={"workers": 2, "threads": 16}) as server:
        for collection in ("default", "again"):
            one_is_kept(server, rush([server], versions, collection=collection), collection)


def test_of_64_adds_of_8_versions_to_two_services_one_is_kept(tmp_path, versions):
    sscd = {"name": "sscd"}
    with (
        serving(tmp_path / "data", extractor=sscd) as one,
        serving(tmp_path / "data", extractor=sscd) as other,
    ):
        one_is_kept(one, rush([one, other], versions))


def test_8_versions_in_one_batch_leave_one(tmp_path, versions):
    with serving(tmp_path / "data", extractor={"name": "sscd"}) as server:
        images = [body(data, id=str(number)) for number, data in enumerate(versions)]
        results = server.ask("POST", "/add", json={"images": images, "on_duplicate": "reject"}).json()["results"]
        assert [each["status"] for each in results] == [201] + [409] * 7
        assert {each["body"]["matches"][0]["id"] for each in results[1:]} == {"0"}
