"""The document at /openapi.json and the page at /docs: whole, valid, and true."""

import json
import re
import subprocess
import sys
from copy import deepcopy
from html.parser import HTMLParser

import jsonschema_rs
import pytest
import schemathesis

from app import CONTRACT, ROUTES
from retrieval import VERSION
from retrieval.openapi.components import Components
from retrieval.openapi.document import document, operations
from retrieval.openapi.page import STYLE
from retrieval.shapes import Problem
from retrieval.stored_shapes import Image
from tests.documented import Undocumented, check
from tests.service.asking import body, jpeg
from tests.service.server import ROOT

pytestmark = pytest.mark.any_extractor

EXAMPLES = [
    pytest.param(method.upper(), path, example["value"], id=f"{method} {path} {name}")
    for path, methods in CONTRACT.document["paths"].items()
    for method, about in methods.items()
    for content in about.get("requestBody", {}).get("content", {}).values()
    for name, example in content.get("examples", {}).items()
]


@pytest.fixture
def client(make_client):
    """One mode will do: what differs between them is tested elsewhere."""
    client = make_client(testing=False)
    client.application.extensions["service"].wait_until_ready()
    return client


def test_the_document_is_valid_openapi():
    schemathesis.openapi.from_dict(deepcopy(CONTRACT.document)).validate()
    for schema in CONTRACT.document["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)


def test_an_invalid_document_would_be_noticed():
    broken = deepcopy(CONTRACT.document)
    del broken["paths"]["/search"]["post"]["responses"]
    broken["info"].pop("title")
    with pytest.raises(Exception, match="title"):
        schemathesis.openapi.from_dict(broken).validate()


def test_every_reference_leads_somewhere_and_every_schema_is_of_use():
    told = set(re.findall(r'"#/components/schemas/(\w+)"', CONTRACT.text))
    assert told == set(CONTRACT.document["components"]["schemas"])


def test_every_route_is_told(client):
    rules = {re.sub(r"<(?:[^:<>]*:)?(\w+)>", r"{\1}", rule.rule) for rule in client.application.url_map.iter_rules()}
    assert rules - {"/static/{filename}"} == set(CONTRACT.document["paths"])
    names = [about["operationId"] for methods in CONTRACT.document["paths"].values() for about in methods.values()]
    assert len(names) == len(set(names)) == sum(len(urls) * len(list(operations(kind))) for kind, _, *urls in ROUTES)


def test_what_no_proper_request_is_answered_stands_at_every_operation():
    for path, methods in CONTRACT.document["paths"].items():
        for method, about in methods.items():
            assert {"400", "408", "413", "431", "501"} <= about["responses"].keys(), (method, path)


def test_the_document_is_the_same_in_every_process(client):
    code = "from app import CONTRACT; print(CONTRACT.text)"
    other = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, text=True)
    served = client.get("/openapi.json")
    assert served.json == json.loads(other.stdout)
    assert served.text == other.stdout.rstrip("\n")
    assert served.json["info"]["version"] == VERSION


@pytest.mark.parametrize(("method", "path", "example"), EXAMPLES)
def test_every_example_of_a_request_can_be_sent_as_it_is(client, method, path, example):
    for image_id in ("cats/1.jpg", "cats/2.jpg"):
        added = client.post("/add", json=body(jpeg(len(image_id) + int(image_id[5])), id=image_id))
        assert added.status_code == 201
    client.delete("/images/cats/1.jpg") if path in ("/add", "/insert") else None
    answer = client.open(path.format(name="default", image_id="cats/1.jpg"), method=method, json=example)
    fetched = "url" in example
    assert answer.status_code in ({403, 422} if fetched else {200, 201, 202}), answer.text


def test_every_example_of_a_reply_has_the_shape_that_is_told():
    for path, methods in CONTRACT.document["paths"].items():
        for method, about in methods.items():
            for status, reply in about["responses"].items():
                for kind, media in reply.get("content", {}).items():
                    if "example" in media:
                        headers = dict.fromkeys(reply.get("headers", {}), "") | {"Content-Type": kind}
                        place = path.format(name="default", image_id="cats/1.jpg", job_id=1)
                        check(method.upper(), place, int(status), headers, json.dumps(media["example"]).encode())


@pytest.mark.parametrize(
    ("status", "headers", "content"),
    [
        (418, {}, b""),
        (200, {"Content-Type": "text/html"}, b""),
        (200, {"Content-Type": "application/json"}, b'{"duplicate": true}'),
        (404, {"Content-Type": "application/problem+json"}, b'{"type": "x", "title": "", "status": 404, "detail": ""}'),
        (503, {"Content-Type": "application/problem+json"}, b""),
    ],
    ids=["status", "content type", "shape", "problem", "header"],
)
def test_what_is_not_told_is_noticed(status, headers, content):
    with pytest.raises(Undocumented):
        check("POST", "/search", status, headers, content)


def test_two_schemas_of_one_name_are_refused():
    components = Components()
    components.reply(Image)
    with pytest.raises(ValueError, match="Image"):
        components.put("Image", components.schemas["Image"] | {"description": "another"})
    assert components.reply(Problem) == {"$ref": "#/components/schemas/Problem"}


def test_the_document_is_made_of_routes_alone():
    assert list(document(ROUTES[-2:])["paths"]) == ["/openapi.json", "/docs"]


class _Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


def test_the_page_runs_nothing_and_loads_nothing(client):
    page = client.get("/docs")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    tags = _Tags(page.text).tags
    assert not {tag for tag, _ in tags} & {"script", "img", "link", "iframe", "form", "object", "base"}
    assert not [name for _, attributes in tags for name in attributes if name.startswith(("on", "src", "style"))]
    links = [attributes["href"] for tag, attributes in tags if tag == "a"]
    assert all(link.startswith("#") or link == "openapi.json" for link in links)
    assert f"<style>{STYLE}</style>" in page.text  # whose hash the policy has


def test_the_page_tells_every_operation(client):
    page = client.get("/docs")
    ids = {attributes["id"] for tag, attributes in _Tags(page.text).tags if tag == "section"}
    assert ids == {each["operationId"] for methods in CONTRACT.document["paths"].values() for each in methods.values()}


@pytest.mark.parametrize("path", ["/collections", "/collections/default", "/jobs", "/jobs/1", "/healthz", "/readyz"])
@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH", "POST"])
def test_unknown_parameters_are_refused_wherever_none_are_taken(client, method, path):
    answer = client.open(path + "?colection=cats", method=method, json={} if method in ("PATCH", "POST") else None)
    assert answer.status_code in (400, 405)
    assert answer.status_code == 405 or "colection" in answer.json["detail"]


@pytest.mark.parametrize("path", ["/images/one", "/collections/default", "/pairs?a=one&b=two"])
def test_a_delete_whose_body_would_be_passed_over_is_refused(client, path):
    client.post("/add", json=body(jpeg(1), id="one"))
    answer = client.delete(path, json={"collection": "cats"})
    assert answer.status_code == 400
    assert "takes no body" in answer.json["detail"]
    assert client.get("/images/one").status_code == 200
