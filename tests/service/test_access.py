"""Keys and scopes: who may ask what, for every route there is."""

import pytest

from retrieval.scopes import NEEDS, needed
from tests.conftest import MakeClient
from tests.service.asking import body, small
from tests.service.keyed import MINE, Asked, Keyed, every_request, routes

pytestmark = pytest.mark.any_extractor

EXPECTED = {
    "search": {"search", "compare", "images", "image", "collections", "collection", "duplicates", "pairs"},
    "add": {"add"},
    "metrics": {"metrics"},
}
READING = {("search", "POST"), ("compare", "POST")}


@pytest.fixture
def keyed(make_client: MakeClient) -> Keyed:
    return Keyed(make_client(testing=False))


def test_every_route_has_a_scope_and_a_request_here(make_client: MakeClient) -> None:
    there = routes(make_client().application)
    assert {(each.endpoint, each.method) for each in every_request()} == there
    assert {(endpoint, method) for endpoint, method in there if method not in NEEDS.get(endpoint, {})} == set()


def test_what_nobody_has_thought_of_takes_admin() -> None:
    assert needed("new", "GET") == needed("search", "PUT") == needed(None, "GET") == "admin"
    assert needed("images", "HEAD") == "search"


def _may(scope: str, asked: Asked) -> bool:
    reads = asked.method == "GET" or (asked.endpoint, asked.method) in READING or scope == "add"
    return NEEDS[asked.endpoint][asked.method] == "open" or (asked.endpoint in EXPECTED[scope] and reads)


@pytest.mark.parametrize("scope", EXPECTED)
def test_a_scope_opens_what_it_is_for_and_nothing_else(keyed: Keyed, scope: str) -> None:
    key = keyed.key(scope)
    for asked in every_request():
        answer = keyed.ask(key, asked.method, asked.path, asked.json)
        if _may(scope, asked):
            assert answer.status_code in (200, 201, 202), (str(asked), answer.text)
        else:
            assert answer.status_code == 403, str(asked)
            missing = NEEDS[asked.endpoint][asked.method]
            assert f"scope '{missing}'" in answer.json["detail"]
            assert f'error="insufficient_scope", scope="{missing}"' in answer.headers["WWW-Authenticate"]


def test_admin_may_everything(keyed: Keyed) -> None:
    for asked in every_request():
        answer = keyed.ask(keyed.admin, asked.method, asked.path, asked.json)
        assert answer.status_code in (200, 201, 202, 204), (str(asked), answer.text)


def test_without_a_key_only_the_open_routes_answer_and_nothing_is_done(keyed: Keyed) -> None:
    for asked in every_request():
        answer = keyed.ask(None, asked.method, asked.path, asked.json)
        if NEEDS[asked.endpoint][asked.method] == "open":
            assert answer.status_code == 200
        else:
            assert answer.status_code == 401, str(asked)
            assert answer.content_type == "application/problem+json"
            assert answer.headers["WWW-Authenticate"] == 'Bearer realm="imageretrieval"'
    assert len(keyed.ask(keyed.admin, "GET", f"/images?collection={MINE}").json["images"]) == 2


@pytest.mark.parametrize("path", ["/nowhere", "/search/x", "/static/x", "//images", "/../images"])
def test_without_a_key_nobody_learns_which_routes_there_are(keyed: Keyed, path: str) -> None:
    assert keyed.ask(None, "GET", path).status_code == 401
    assert keyed.ask(keyed.key("search"), "GET", path).status_code in (403, 404)


def test_a_method_that_a_route_lacks_is_told_to_any_key(keyed: Keyed) -> None:
    assert keyed.ask(keyed.key("add"), "PUT", "/search").status_code == 405


def _headers(key: str) -> dict[str, dict[str, str]]:
    basic = "Basic aXI6c2VjcmV0"
    return {
        "empty": {"Authorization": ""},
        "no scheme": {"Authorization": key},
        "basic": {"Authorization": basic},
        "no key": {"Authorization": "Bearer "},
        "two keys": {"Authorization": f"Bearer {key} {key}"},
        "joined": {"Authorization": f"Bearer {key},Bearer {key}"},
        "two headers": {"Authorization": f"Bearer {key}", "X-API-Key": key},
        "huge": {"Authorization": "Bearer " + "a" * 60_000},
        "huge and spaced": {"Authorization": "Bearer" + " " * 60_000},
        "not ASCII": {"Authorization": "Bearer ir_é"},
        "NUL": {"X-API-Key": key + "\0"},
        "upper case": {"X-API-Key": key.upper()},
        "other header": {"X-Api-Token": key},
        "cookie": {"Cookie": f"key={key}"},
        "SQL": {"X-API-Key": "' OR ''='"},
        "digits of another script": {"X-API-Key": "ir_" + "\u0661" * 16 + "_" + "0" * 64},
    }


@pytest.mark.parametrize("case", _headers(""))
def test_a_key_that_is_sent_in_another_way_opens_nothing(keyed: Keyed, case: str) -> None:
    headers = _headers(keyed.admin)[case]
    try:
        answer = keyed.client.get("/jobs", headers=headers)
    except UnicodeEncodeError:
        pytest.skip("cannot be sent over HTTP")
    assert answer.status_code == 401
    assert keyed.admin not in answer.text


def test_a_key_in_the_url_opens_nothing(keyed: Keyed) -> None:
    assert keyed.ask(None, "GET", f"/collections?key={keyed.admin}&api_key={keyed.admin}").status_code == 401


@pytest.mark.parametrize("send", ["Bearer {}", "bearer {}", "BEARER  {}", " Bearer {} "])
def test_the_scheme_is_written_as_one_likes(keyed: Keyed, send: str) -> None:
    assert keyed.client.get("/jobs", headers={"Authorization": send.format(keyed.admin)}).status_code == 200


def test_the_other_header_does_as_well(keyed: Keyed) -> None:
    assert keyed.client.get("/jobs", headers={"X-API-Key": keyed.admin}).status_code == 200


def test_the_first_key_closes_the_door_and_the_end_of_the_last_does_not_open_it(make_client: MakeClient) -> None:
    client = make_client()
    service = client.application.extensions["service"].wait_until_ready()
    assert client.get("/collections").status_code == 200
    keyed = Keyed(client)
    assert client.get("/collections").status_code == 401
    for key in keyed.keys.all():
        keyed.keys.revoke(key.id)
    assert client.get("/collections").status_code == 401
    assert keyed.ask(keyed.admin, "GET", "/collections").status_code == 401
    assert service.catalog is keyed.keys.catalog


def test_off_asks_nobody_even_where_there_are_keys(make_client: MakeClient) -> None:
    keyed = Keyed(make_client(access={"keys": "off"}))
    assert keyed.client.get("/jobs").status_code == 200


def test_required_asks_everybody_even_where_there_are_none(make_client: MakeClient) -> None:
    assert make_client(access={"keys": "required"}).get("/jobs").status_code == 401


def test_another_address_asks_everybody_even_where_there_are_none(make_client: MakeClient) -> None:
    """However the application is started: `gunicorn 'app:create_app(...)'`, say, asks no script whether it may."""
    assert make_client(server={"host": "0.0.0.0"}).get("/jobs").status_code == 401


def test_an_idempotency_key_is_of_the_key_that_sent_it(keyed: Keyed) -> None:
    one, other = keyed.key("add", collections=[MINE]), keyed.key("add", collections=["else"])
    for key, collection in ((one, MINE), (other, "else")):
        answer = keyed.ask(key, "POST", "/add", body(small(5), id="5", collection=collection), Idempotency_Key="1")
        assert answer.status_code == 201, answer.text
    again = keyed.ask(one, "POST", "/add", body(small(5), id="5", collection=MINE), Idempotency_Key="1")
    assert again.headers["Idempotency-Replayed"] == "true"
    reused = keyed.ask(one, "POST", "/add", body(small(6), collection=MINE), Idempotency_Key="1")
    assert reused.status_code == 422


def test_a_key_is_one_sender_however_it_is_written_and_made_up_ones_are_their_address(keyed: Keyed) -> None:
    access = keyed.client.application.extensions["access"]
    key, other = keyed.key("search"), keyed.key("search")
    ways = [{"AUTHORIZATION": f"{scheme}{' ' * n}{key}"} for scheme in ("Bearer", "bEARER") for n in (1, 7)]
    assert len({access.sender(way, "192.0.2.1") for way in (*ways, {"X_API_KEY": key})}) == 1
    assert access.sender({"X_API_KEY": other}, "192.0.2.1") != access.sender(ways[0], "192.0.2.1")
    nobody = access.sender({}, "192.0.2.1")
    made_up = [f"ir_{n:016x}_{n:064x}" for n in range(3)] + [key[:-1] + "x", "", "secret"]
    assert {access.sender({"X_API_KEY": each}, "192.0.2.1") for each in made_up} == {nobody}
    assert access.sender({"AUTHORIZATION": ways[0]["AUTHORIZATION"], "X_API_KEY": key}, "192.0.2.1") == nobody


def test_who_scraped_before_may_go_on_while_the_catalog_is_away(keyed: Keyed) -> None:
    scraper, late, searcher = keyed.key("metrics"), keyed.key("metrics"), keyed.key("search")
    assert keyed.ask(scraper, "GET", "/metrics").status_code == 200
    assert keyed.ask(searcher, "GET", "/metrics").status_code == 403
    catalog = keyed.client.application.extensions["service"].settings.data_dir / "catalog.db"
    catalog.rename(catalog.with_name("away"))
    page = keyed.ask(scraper, "GET", "/metrics")
    assert page.status_code == 200
    assert "imageretrieval_catalog_up 0.0" in page.text
    assert [keyed.ask(each, "GET", "/metrics").status_code for each in (late, searcher)] == [503, 503]
    assert keyed.ask(scraper, "GET", "/images").status_code == 503
    catalog.with_name("away").rename(catalog)
    assert keyed.ask(late, "GET", "/metrics").status_code == 200
