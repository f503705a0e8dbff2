"""`build_index.py --reembed`: each picture is read again where it can be, and services go on meanwhile."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from index_store import Catalog, Reembedding, Superseded
from retrieval import engine
from retrieval.engine import Engine
from retrieval.jobs import run_ingest
from retrieval.reembed import Reembedder
from retrieval.settings import Settings
from scripts import build_index
from tests.service.asking import Exact, body, jpeg, small
from tests.service.mirrored import Mirrored, load_mirrored
from tests.service.server import configuration

COUNT = 12


def name(seed: int) -> str:
    """In the order of adding, which is that of names."""
    return f"{seed:02}.jpg"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    for seed in range(COUNT):
        (made / name(seed)).write_bytes(small(seed))
    return made


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The configuration of all here; which extractor it means is told by patching."""
    path = tmp_path / "config.yaml"
    changes = {"extractor": {"batch_size": 4}, "maintenance": {"enabled": False, "inbox_settle_s": 0.0}}
    path.write_text(json.dumps(configuration(tmp_path / "data", **changes)))
    return path


@pytest.fixture
def own(settings: Callable[..., Settings]) -> Settings:
    return settings(extractor={"batch_size": 4})


@pytest.fixture
def change_extractor(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From then on, what is opened has the other extractor; what is open stays as it is."""
    return lambda: monkeypatch.setattr(engine, "load_extractor", load_mirrored)


@pytest.fixture
def serve(make_client, own: Settings) -> Callable[[], Any]:
    """A ready service in this process."""

    def made() -> Any:
        client = make_client(extractor={"batch_size": 4})
        client.application.extensions["service"].wait_until_ready()
        return client

    return made


def build(config: Path, *arguments: str) -> int:
    return build_index.main([*arguments, "--config", str(config)])


def reembed(config: Path, *arguments: str) -> int:
    return build(config, "--reembed", "--collection", "default", *arguments)


def matches(client: Any, data: bytes) -> list[tuple[str, float]]:
    answer = client.post("/search", json=body(data))
    assert answer.status_code == 200, answer.text
    return [(match["id"], match["score"]) for match in answer.json["matches"]]


def add(client: Any, data: bytes, **fields: Any) -> None:
    assert client.post("/add", json=body(data, **fields)).status_code == 201


def is_exact(client: Any, held: dict[str, bytes], within: float = 2e-6) -> None:
    """Every answer is that of an exact search with the other extractor's vectors."""
    oracle = Exact(held, Mirrored())
    for seed in range(3):
        exact = oracle.search(jpeg(seed, 30), 10)
        found = matches(client, jpeg(seed, 30))
        assert [each for each, _ in found] == [each for each, _ in exact]
        assert [score for _, score in found] == pytest.approx([score for _, score in exact], abs=within)


def test_a_running_service_of_each_settings_knows_at_once(serve, config, folder, change_extractor, capsys):
    assert build(config, str(folder)) == 0
    old = serve()
    change_extractor()
    new = serve()
    refusal = new.post("/search", json=body(jpeg(1)))
    assert refusal.status_code == 409
    assert "`python scripts/build_index.py --reembed --collection default`" in refusal.json["detail"]
    assert matches(old, jpeg(1))[0][0] == "01.jpg"
    listed = old.get("/images").json
    assert reembed(config) == 0
    assert f"{COUNT} embedded from the files that they came from; " in capsys.readouterr().err
    is_exact(new, {name(seed): small(seed) for seed in range(COUNT)})
    assert new.get("/images").json == listed
    refusal = old.post("/add", json=body(jpeg(1)))
    assert refusal.status_code == 409
    assert refusal.json["type"] == "urn:imageretrieval:fingerprint-mismatch"
    assert new.get("/collections/default").json["index"]["pending"] == 0
    assert reembed(config) == 0
    assert f"of this extractor already: {Mirrored().fingerprint}" in capsys.readouterr().err


def test_every_kind_of_source_is_found_in_its_turn(serve, config, folder, change_extractor, capsys):
    build(config, str(folder))
    old = serve()
    service = old.application.extensions["service"]
    inbox, library = (service.settings.data_dir / each / "default" for each in ("inbox", "library"))
    inbox.mkdir(parents=True)
    shutil.copy(folder / "00.jpg", inbox / "dropped.jpg")
    run_ingest(service.settings, service.catalog, None, lambda _: None)
    add(old, jpeg(20), id="sent")
    add(old, jpeg(21), id="sent too")
    assert (library / "dropped.jpg").is_file()
    (folder / "01.jpg").write_bytes(small(99)[: len(small(1))])  # changed, and in the library, under another name
    (library / "deep").mkdir()
    (library / "deep" / "x").write_bytes(small(1))
    shutil.copy(folder / "02.jpg", library / "no-matter.jpg")
    change_extractor()
    assert reembed(config) == 0
    told = capsys.readouterr().err
    assert (
        f"{COUNT - 1} embedded from the files that they came from, 2 from the library, 2 from kept thumbnails" in told
    )
    assert "missing" not in told


def test_kept_originals_serve_as_the_files_would(serve, config, make_client, change_extractor, capsys):
    client = make_client(keep={"pictures": "original"})
    client.application.extensions["service"].wait_until_ready()
    for seed in range(5):
        add(client, jpeg(seed), id=str(seed))
    change_extractor()
    assert reembed(config) == 0
    assert "5 from kept originals" in capsys.readouterr().err
    is_exact(serve(), {str(seed): jpeg(seed) for seed in range(5)})


def test_thumbnails_are_read_whatever_formats_clients_may_send(serve, config, change_extractor, capsys, tmp_path):
    client = serve()
    add(client, jpeg(1), id="one")
    content = json.loads(config.read_text())
    config.write_text(json.dumps(content | {"input": {"formats": ["PNG"]}}))
    change_extractor()
    assert reembed(config) == 0
    assert "1 from kept thumbnails" in capsys.readouterr().err


def test_missing_pictures_stop_the_swap_until_they_are_back_or_forgotten(
    serve, config, folder, change_extractor, capsys
):
    build(config, str(folder))
    old = serve()
    (folder / "03.jpg").write_bytes(b"another picture")
    away = (folder / "05.jpg").rename(folder.parent / "05.jpg")
    (folder / "05.jpg").mkdir()
    change_extractor()
    assert reembed(config) == 1
    told = capsys.readouterr().err
    assert f"missing: 03.jpg: {folder}/03.jpg has other bytes than were added; no file in" in told
    assert f"missing: 05.jpg: no file {folder}/05.jpg; no file in" in told
    assert "the catalog keeps no picture of it" in told
    assert "'default' stays as it is, since 2 of its pictures were found nowhere" in told
    assert "--forget-missing" in told
    assert matches(old, jpeg(3))[0][0] == "03.jpg"
    (folder / "05.jpg").rmdir()
    away.rename(folder / "05.jpg")
    assert reembed(config) == 1
    assert "10 embedded by earlier runs, 1 embedded from the files" in capsys.readouterr().err
    assert reembed(config, "--forget-missing") == 0
    assert "11 embedded by earlier runs, 0 embedded from the files" in capsys.readouterr().err
    is_exact(serve(), {name(seed): small(seed) for seed in range(COUNT) if seed != 3})


@pytest.fixture
def interfere(serve, config, folder, own, change_extractor) -> Iterator[tuple[Any, Any]]:
    """An old service, and the outcomes of a re-embedding that has begun."""
    build(config, str(folder))
    old = serve()
    change_extractor()
    catalog = Catalog(own.catalog_url)
    with Engine.open(own, catalog) as opened:
        begun = Reembedding.begin(catalog, "default", opened.extractor.fingerprint, opened.extractor.dim)
        yield old, Reembedder(own, opened, begun, forget_missing=False)
    catalog.close()


def test_adds_deletes_and_changes_during_a_run_are_carried_over(interfere, serve):
    old, reembedder = interfere
    expected = {name(seed): small(seed) for seed in range(COUNT)}
    for number, _ in enumerate(reembedder.run()):
        if number in (0, 4, 9):
            add(old, jpeg(50 + number), id=f"new-{number}")
            expected[f"new-{number}"] = jpeg(50 + number)
            for gone in (name(number), name(number + 1)):
                assert old.delete(f"/images/{gone}").status_code == 204
                del expected[gone]
            assert old.patch(f"/images/{name(number + 2)}", json={"metadata": {"at": number}}).status_code == 200
    assert reembedder.finished
    new = serve()
    assert [image["id"] for image in new.get("/images").json["images"]] == list(expected)
    assert new.get("/images/06.jpg").json["metadata"] == {"at": 4}
    is_exact(new, expected, within=1e-3)  # what was sent is embedded from thumbnails


def test_a_service_that_adds_all_the_time_does_not_stay_ahead(interfere, monkeypatch):
    old, reembedder = interfere
    finish, added = Reembedding.finish, []

    def with_an_add_before(*arguments: Any) -> bool:
        add(old, jpeg(60 + len(added)), id=f"late-{len(added)}")
        added.append(1)
        return finish(*arguments)

    monkeypatch.setattr(Reembedding, "finish", with_an_add_before)
    outcomes = list(reembedder.run())
    assert (len(added), outcomes[-1].id, len(outcomes)) == (1, "late-0", COUNT + 1)


def test_a_pipe_at_the_source_is_not_waited_for(serve, config, folder, change_extractor):
    build(config, str(folder))
    (folder / "01.jpg").unlink()
    os.mkfifo(folder / "01.jpg")
    change_extractor()
    assert reembed(config) == 1


def test_another_run_that_was_faster_is_no_error(serve, config, folder, change_extractor, capsys):
    assert build(config, str(folder)) == 0
    change_extractor()
    real = build_index._reembedded

    def beaten(*arguments: Any) -> bool:
        assert real(*arguments)
        raise Superseded("another run has taken over")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_index, "_reembedded", beaten)
        assert reembed(config) == 0
    assert "another run has brought 'default' to this extractor" in capsys.readouterr().err
    is_exact(serve(), {name(seed): small(seed) for seed in range(COUNT)})
