import base64
import contextlib
import io
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from flask import Flask, request
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from retrieval.errors import BadPayload, FetchRefused, InputError, PictureTooLarge, UnsupportedMedia
from retrieval.payload import from_base64, read_fields, read_payload, take_image
from retrieval.settings import load_settings
from retrieval.strict_json import MAX_DEPTH, parse_json

LIMITS = load_settings(
    environ={"-": ""}, input={"max_bytes": 2_000_000, "fetch": {"allow_private_addresses": True}}
).input
DATA = (
    b"\xff\xd8\xff" + bytes(range(256)) * 3 + b"\xfb\xff"
)  # begins like a JPEG file; its base64 has + and / and padding
TEXT = base64.b64encode(DATA).decode()


@pytest.fixture(scope="module")
def app():
    app = Flask(__name__)
    app.config |= {"MAX_CONTENT_LENGTH": 4_000_000, "MAX_FORM_MEMORY_SIZE": 4_000_000, "MAX_FORM_PARTS": 50}

    @app.post("/")
    def read():
        app.payload = app.error = None
        try:
            app.payload = read_payload(request, LIMITS)
            app.data = app.payload.images[0].read() if app.reads else None
        except InputError as error:
            app.error = error
        return ""

    return app


@pytest.fixture
def post(app):
    """Posts to the app -> the payload; what the reading of it raised is raised here."""

    def send(status=200, reads=True, **kwargs):
        app.reads = reads
        assert app.test_client().post("/", **kwargs).status_code == status
        if status == 200 and app.error:
            raise app.error
        return app.payload

    return send


def multipart(fields):
    """Arguments for `post`; the test client's own encoder leaves temporary files open."""
    boundary, body = encode_multipart(fields)
    return {"data": body, "content_type": f"multipart/form-data; boundary={boundary}"}


def upload(data=DATA, name="cat.jpg"):
    return FileStorage(io.BytesIO(data), name)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"json": {"base64": TEXT}},
        {"json": {"base64": f"data:image/png;base64,{TEXT}"}},
        {"json": {"type": "base64", "data": TEXT}},
        {"json": {"base64": TEXT, "url": None, "image": None}},
        {"data": {"base64": TEXT}},
        {"data": {"type": "base64", "data": TEXT}},
        multipart({"base64": TEXT}),
        {"data": json.dumps({"base64": TEXT}), "content_type": "application/vnd.api+json; charset=utf-8"},
    ],
)
def test_base64_arrives_in_every_form(post, app, kwargs):
    payload = post(**kwargs)
    assert (app.data, payload.images[0].origin, payload.fields) == (DATA, None, {})


def test_an_upload_arrives_with_its_name_and_its_fields(post, app):
    payload = post(**multipart({"image": upload(), "top_k": "5", "metadata": '{"a": 1}'}))
    assert (app.data, payload.images[0].origin) == (DATA, "cat.jpg")
    assert payload.fields == {"top_k": "5", "metadata": '{"a": 1}'}


def test_an_upload_can_be_read_twice(app):
    with app.test_request_context(method="POST", **multipart({"image": upload()})):
        image = read_payload(request, LIMITS).images[0]
        assert image.read() == image.read() == DATA


def test_json_fields_keep_their_types(post):
    fields = {"top_k": 5, "min_score": 0.5, "metadata": {"a": [1, None, True, "ü", "\0"]}, "id": "x", "collection": ""}
    assert post(json=fields | {"base64": TEXT}).fields == fields


@pytest.mark.parametrize("wrap", [lambda url: {"url": url}, lambda url: {"type": "url", "data": url}])
@pytest.mark.parametrize("how", ["json", "data"])
def test_a_url_is_fetched_when_the_picture_is_read_and_not_before(post, app, wrap, how):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(DATA)

        def log_message(self, *args):
            pass

    asked = []
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/cat.png"
        payload = post(**{how: wrap(url)}, reads=False)
        before = list(asked)
        data = payload.images[0].read()
        server.shutdown()
        thread.join()
    assert (before, asked, data, payload.images[0].origin) == ([], ["/cat.png"], DATA, url)


def test_what_reading_raises_comes_late(post):
    assert post(json={"url": "ftp://h/x"}, reads=False).images[0].origin == "ftp://h/x"
    with pytest.raises(FetchRefused):
        post(json={"url": "ftp://h/x"})
    assert post(json={"base64": "!"}, reads=False).fields == {}
    with pytest.raises(BadPayload, match="base64"):
        post(json={"base64": "!"})


@pytest.mark.parametrize(
    "body",
    [
        *(
            "",
            "{",
            "[]",
            "null",
            '"base64"',
            "1",
            "{}",
            '{"a": NaN}',
            '{"a": Infinity}',
            '{"a": -Infinity}',
            '{"a": 1e999}',
        ),
        *(
            '{"url": 5}',
            '{"url": ["http://h/"]}',
            '{"base64": {}}',
            '{"base64": true}',
            '{"url": null}',
            '{"image": "x"}',
        ),
        *(
            '{"url": "http://h/", "base64": ""}',
            '{"url": "http://h/", "type": "base64", "data": ""}',
            '{"type": "url"}',
        ),
        *(
            '{"data": "x"}',
            '{"type": "file", "data": "x"}',
            '{"type": ["url"], "data": "x"}',
            '{"type": {}, "data": "x"}',
        ),
        *('{"url": "a", "url": "b"}', '{"a": {"b": 1, "b": 2}, "base64": ""}', '{"a": ' + "9" * 5000 + "}"),
        *('{"id": "\\ud800", "base64": ""}', '{"\\udfff": 1, "base64": ""}', '{"m": [{"a": "\\ud800"}], "base64": ""}'),
        *('{"a": ' * 100_000, "[" * 100_000, '{"a": ' + "[" * 90 + "]" * 90 + ', "base64": ""}', "{'url': 'x'}"),
        *(b'{"id": "\xff", "base64": ""}', b"\xff\xfe{\x00", b"\x00", b"\xef\xbb\xbf"),
    ],
)
def test_bad_json_is_refused(post, body):
    with pytest.raises(BadPayload) as caught:
        post(data=body, content_type="application/json")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "No picture"),
        ({"top_k": "5"}, "No picture"),
        ({"image": "text"}, "uploaded file"),
        ({"image": [upload(), upload()]}, "more than once"),
        ({"image": upload(), "url": "http://h/"}, "More than one"),
        ({"image": [upload(), "text"]}, "more than once"),
        ({"image": upload(), "other": upload()}, "Unexpected file 'other'"),
        ({"url": upload()}, "must be a string"),
        ({"type": upload(), "data": "x"}, '"type"'),
        ({"base64": [TEXT, TEXT]}, "more than once"),
        ({"base64": TEXT, "id": ["a", "b"]}, "more than once"),
    ],
)
def test_bad_forms_are_refused_and_the_message_says_why(post, data, words):
    with pytest.raises(BadPayload, match=words):
        post(**multipart(data))


@pytest.mark.parametrize(
    ("head", "value", "words"),
    [
        (b'; name="id"', b"\xff", "'id' is not valid UTF-8"),
        (b"; name*=UTF-8''%ff", b"1", "not valid UTF-8"),
        (b"", b"1", "no name"),
        (b'; name=""', b"1", "no name"),
        (b'; filename="a.png"', b"1", "no name"),
    ],
)
def test_odd_parts_are_refused_and_the_message_says_why(post, head, value, words):
    body = b"--x\r\nContent-Disposition: form-data" + head + b"\r\n\r\n" + value + b"\r\n--x--\r\n"
    with pytest.raises(BadPayload, match=words):
        post(data=body, content_type="multipart/form-data; boundary=x")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\x00garbage",
        b"--x\r\n",
    ],
)
@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"]
)
def test_broken_forms_are_refused(post, body, kind):
    with pytest.raises(BadPayload):
        post(data=body, content_type=kind)


@pytest.mark.parametrize(
    "kind", [None, "", "text/plain", "image/jpeg", "application/octet-stream", "application/jsonx", "/", "json"]
)
def test_other_content_types_are_refused_with_advice(post, kind):
    with pytest.raises(UnsupportedMedia, match="Send application/json"):
        post(data=b'{"base64": ""}', content_type=kind)


def test_bodies_above_the_limit_of_flask_stay_its_error(post):
    text = "A" * 4_000_000
    for kwargs in (
        {"json": {"base64": text}},
        {"data": {"base64": text}},
        multipart({"base64": text}),
        multipart({"image": upload(bytes(4_000_000))}),
    ):
        post(**kwargs, status=413)


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded"])
def test_a_chunked_body_above_the_limit_is_not_just_cut(post, kind):
    body = b'{"base64": "QUJD"}' if kind == "application/json" else b"base64=QUJD"
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    for padding, status in ((100, 200), (4_000_000, 413)):
        stream = io.BytesIO(body + (b" " * padding if kind == "application/json" else b"&x=" + b"y" * padding))
        post(input_stream=stream, content_type=kind, environ_overrides=chunked, status=status)


@pytest.mark.parametrize("how", ["json", "urlencoded", "multipart", "file"])
def test_the_largest_picture_passes_and_one_byte_more_does_not(post, app, how):
    def send(size):
        text = base64.b64encode(bytes(size)).decode()
        kwargs = {
            "json": {"json": {"base64": text}},
            "urlencoded": {"data": {"base64": text}},
            "multipart": multipart({"base64": text}),
            "file": multipart({"image": upload(bytes(size))}),
        }
        return post(**kwargs[how])

    send(LIMITS.max_bytes)
    assert app.data == bytes(LIMITS.max_bytes)
    with pytest.raises(PictureTooLarge, match="2,000,000 bytes"):
        send(LIMITS.max_bytes + 1)


@pytest.mark.parametrize(
    ("given", "reported"),
    [
        ("cat.jpg", "cat.jpg"),
        ("/home/me/cat.jpg", "cat.jpg"),
        ("C:\\\\fakepath\\\\cat.jpg", "cat.jpg"),
        ("../../etc/passwd", "passwd"),
        ("Käse 猫.png", "Käse 猫.png"),
        ("a\tb\x1b[31mc\u202e.png", "ab[31mc.png"),
        ("x" * 300 + ".png", "x" * 255),
        ("dir/", None),
        ("\x01", None),
    ],
)
def test_file_names_are_cleaned(post, given, reported):
    assert post(**multipart({"image": upload(name=given)})).images[0].origin == reported


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.rstrip("="),
        base64.urlsafe_b64encode(DATA).decode(),
        base64.encodebytes(DATA).decode(),
        f" \r\n{TEXT}\t\n",
        f"data:;base64,{TEXT}",
        f"DATA:image/svg+xml;charset=utf-8;BASE64,{TEXT}",
        f"\n data:image/jpeg;base64, {TEXT}",
    ],
)
def test_base64_is_read_in_its_usual_variants(text):
    assert from_base64(text, 10_000) == DATA


@pytest.mark.parametrize(
    "text",
    [
        *(
            "!",
            "A",
            "AAAAA",
            "AA=A",
            "=",
            "====",
            "A===",
            "AA===",
            "AAA==",
            "é",
            "AA\0A",
            "AAAA,AAAA",
            "\ud800",
        ),
        *(
            "data:image/png,AAAA",
            "data:image/png;base64",
            "data:base64,AAAA",
            "data:",
            "http://h/x.png",
            "AA.A",
            "AA%2B",
        ),
    ],
)
def test_other_text_is_not_base64(text):
    with pytest.raises(BadPayload, match="not valid base64"):
        from_base64(text, 10_000)


@given(st.binary(max_size=200), st.booleans(), st.booleans())
@settings(derandomize=True, deadline=None, database=None)
def test_base64_comes_back(data, url_safe, padded):
    text = (base64.urlsafe_b64encode if url_safe else base64.b64encode)(data).decode()
    assert from_base64(text if padded else text.rstrip("="), 200) == data


@given(st.text(max_size=50) | st.text("AB+/-_= \n,:;data", max_size=30))
@settings(derandomize=True, deadline=None, database=None)
def test_any_text_is_bytes_or_a_domain_error(text):
    with contextlib.suppress(BadPayload, PictureTooLarge):
        assert isinstance(from_base64(text, 20), bytes)


def test_ten_megabytes_of_base64_take_no_half_second():
    text = base64.b64encode(bytes(10_000_000)).decode()
    started = time.process_time()
    from_base64(text, 20_000_000)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5000, "01", "0x1"])
def test_numbers_are_those_of_json(number):
    assert parse_json('{"a": [1, -2.5e3]}') == {"a": [1, -2500.0]}
    with pytest.raises(BadPayload, match="Not valid JSON"):
        parse_json(f'{{"a": [{number}]}}')


def test_json_may_be_nested_to_the_limit_and_no_deeper():
    for opened, closed in (("[", "]"), ('{"a": ', "}")):
        parse_json(opened * MAX_DEPTH + "1" + closed * MAX_DEPTH)
        with pytest.raises(BadPayload, match="nested"):
            parse_json(opened * (MAX_DEPTH + 1) + "1" + closed * (MAX_DEPTH + 1))


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip  # noqa: E501
@settings(derandomize=True, deadline=None, database=None)
def test_ordinary_json_comes_back(value):
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    assert parse_json(json.dumps(value)) == parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


def test_pictures_can_be_taken_from_a_part_of_a_body(app):
    body = {"first": {"base64": TEXT}, "second": {"url": "http://h.example/", "note": 1}}
    with app.test_request_context(method="POST", json=body):
        fields = read_fields(request)
    first, second = (take_image(fields[name], LIMITS) for name in ("first", "second"))
    assert (first.read(), second.origin) == (DATA, "http://h.example/")
    assert fields == {"first": {}, "second": {"note": 1}}
