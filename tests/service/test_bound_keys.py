"""A key that is bound to a collection sees nothing of another, by any route or field."""

from typing import Any

import pytest

from tests.conftest import MakeClient
from tests.service.asking import body, small
from tests.service.keyed import MINE, THEIRS, Asked, Keyed, requests_about

pytestmark = pytest.mark.any_extractor

STORED = {"id": "1", "collection": THEIRS}
SENT = body(small(1))
MIXED = [
    Asked("search", "POST", "/search", SENT),
    Asked("add", "POST", "/add", body(small(9))),
    Asked("add", "POST", "/add", body(small(9), collection=MINE, against=[THEIRS])),
    Asked("add", "POST", "/add", body(small(9), collection=THEIRS, wait=False)),
    Asked("add", "POST", "/insert", body(small(9), collection=THEIRS)),
    Asked("search", "POST", "/query", body(small(9), collection=THEIRS)),
    Asked("add", "POST", "/add", {"images": [SENT["base64"]], "collection": THEIRS}),
    Asked("compare", "POST", "/compare", {"a": SENT, "b": SENT, "collection": THEIRS}),
    Asked("compare", "POST", "/compare", {"a": SENT, "b": STORED, "collection": MINE}),
    Asked("compare", "POST", "/compare", {"a": STORED, "b": SENT}),
    Asked("compare", "POST", "/compare", {"a": {"id": "1"}, "b": SENT, "collection": THEIRS}),
    Asked("compare", "POST", "/compare", {"a": {"id": "1"}, "b": SENT}),
    Asked("images", "GET", "/images"),
    Asked("image", "GET", "/images/1"),
    Asked("duplicates", "GET", f"/collections/{MINE}/duplicates?against={THEIRS}"),
    Asked("duplicates", "GET", f"/collections/{THEIRS}/duplicates?against={MINE}"),
    Asked("pairs", "POST", "/pairs", {"collection": MINE, "a": "1", "other_collection": THEIRS, "b": "1"}),
    Asked("pairs", "DELETE", f"/pairs?collection={MINE}&a=1&b=1&other_collection={THEIRS}"),
    Asked("jobs", "POST", "/jobs", {"kind": "duplicates", "collection": MINE, "options": {"against": THEIRS}}),
    Asked("jobs", "POST", "/jobs", {"kind": "rebuild"}),
    Asked("jobs", "POST", "/jobs", {"kind": "ingest"}),
    Asked("jobs", "POST", "/jobs", {"kind": "calibrate"}),
    Asked("collections", "POST", "/collections", {"name": "new"}),
]
VERDICT = {"verdict": "duplicates"}


@pytest.fixture
def keyed(make_client: MakeClient) -> Keyed:
    return Keyed(make_client(testing=False))


@pytest.fixture
def bound(keyed: Keyed) -> str:
    return keyed.key("admin", collections=[MINE])


def _sent(asked: Asked) -> Any:
    return asked.json | VERDICT if asked.path == "/pairs" else asked.json


def test_it_may_everything_with_its_own(keyed: Keyed, bound: str) -> None:
    for asked in requests_about(MINE):
        answer = keyed.ask(bound, asked.method, asked.path, asked.json)
        assert answer.status_code in (200, 201, 202, 204), (str(asked), answer.text)


def test_it_may_nothing_with_another_and_changes_nothing(keyed: Keyed, bound: str) -> None:
    before = keyed.ask(keyed.admin, "GET", f"/images?collection={THEIRS}").json
    for asked in [*requests_about(THEIRS), *MIXED]:
        answer = keyed.ask(bound, asked.method, asked.path, _sent(asked))
        assert answer.status_code == 403, (str(asked), answer.text)
        assert f"bound to {MINE}" in answer.json["detail"]
    assert keyed.ask(keyed.admin, "GET", f"/images?collection={THEIRS}").json == before


def test_what_does_not_exist_is_told_in_the_same_words(keyed: Keyed, bound: str) -> None:
    answers = [keyed.ask(bound, "GET", f"/collections/{name}").json["detail"] for name in (THEIRS, "nobody-s")]
    assert answers[0].replace(THEIRS, "") == answers[1].replace("nobody-s", "")


def test_names_of_others_are_not_listed(keyed: Keyed, bound: str) -> None:
    listed = keyed.ask(bound, "GET", "/collections").json["collections"]
    assert [each["name"] for each in listed] == [MINE]
    assert len(keyed.ask(keyed.admin, "GET", "/collections").json["collections"]) == 2


def test_jobs_of_others_and_of_all_are_not_listed_or_told(keyed: Keyed, bound: str) -> None:
    service = keyed.client.application.extensions["service"]
    foreign = [service.jobs.ask("rebuild"), service.jobs.ask("duplicates", MINE, {"against": THEIRS})]
    foreign += [service.jobs.ask("duplicates", THEIRS, {"number": number}) for number in range(100)]  # a whole list
    listed = keyed.ask(bound, "GET", "/jobs").json["jobs"]
    assert [job["collection"] for job in listed] == [MINE]
    assert keyed.ask(bound, "GET", f"/jobs/{listed[0]['id']}").status_code == 200
    for job in foreign[:4]:
        answer = keyed.ask(bound, "GET", f"/jobs/{job.id}")
        assert answer.status_code == 404
        assert answer.json["detail"].replace(str(job.id), "") == "there is no job "
    assert keyed.ask(bound, "GET", "/jobs/999").json["detail"] == "there is no job 999"


def test_marks_with_pictures_of_others_are_not_told(keyed: Keyed, bound: str) -> None:
    pair = {"collection": MINE, "a": "1", "other_collection": THEIRS, "b": "1", **VERDICT}
    assert keyed.ask(keyed.admin, "POST", "/pairs", pair).status_code == 200
    for query in ("", "&limit=1", "&image=1&limit=1"):  # by the next page's number they could be counted
        assert keyed.ask(bound, "GET", f"/pairs?collection={MINE}{query}").json == {"pairs": [], "next": None}
    assert len(keyed.ask(keyed.admin, "GET", f"/pairs?collection={MINE}").json["pairs"]) == 1


def test_the_page_of_an_answer_with_others_cannot_be_asked_for(keyed: Keyed, bound: str) -> None:
    path = f"/collections/{MINE}/duplicates"
    following = keyed.ask(keyed.admin, "GET", f"{path}?against={THEIRS}&limit=1").json["next"]
    assert following is not None
    answer = keyed.ask(bound, "GET", f"{path}?limit=1&after={following}")
    assert answer.status_code == 400


def test_a_search_finds_only_its_own(keyed: Keyed, bound: str) -> None:
    matches = keyed.ask(bound, "POST", "/search", body(small(1), collection=MINE)).json["matches"]
    assert matches and THEIRS not in str(matches)


def test_it_may_make_its_own_collection(keyed: Keyed) -> None:
    key = keyed.key("add", collections=["later"])
    assert keyed.ask(key, "POST", "/add", body(small(1), collection="later")).status_code == 201


def test_figures_of_the_service_are_for_keys_of_all_collections(keyed: Keyed) -> None:
    from retrieval.callers import Caller
    from retrieval.errors import Forbidden

    key = keyed.keys.check(keyed.key("metrics", collections=[MINE]))
    assert key is not None
    with pytest.raises(Forbidden, match="all collections"):
        Caller.of(key).check_scope("metrics")
