"""A record is a line, whatever clients send, and tells no secrets."""

import json
import logging
import sys

import pytest

from retrieval.logs import JsonLines, TextLines, fields

HOSTILE = 'x\n2026-01-01 00:00:00,000 INFO access: forged\r\x1b[2J\u2028"}{'


def record(message: str, *args: object, name: str = "a", **more: object) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.INFO, __file__, 1, message, args, None)
    vars(made).update(more)
    return made


@pytest.mark.parametrize("lines", [JsonLines({}), TextLines({})])
def test_line_breaks_and_control_characters_forge_no_line(lines):
    line = lines.format(record("path %s", HOSTILE, fields={"path": HOSTILE}))
    assert len(line.splitlines()) == 1
    assert line.isprintable()


def test_json_says_what_was_said():
    line = json.loads(
        JsonLines({"job_id": 7}).format(record("path %s", HOSTILE, fields={"path": HOSTILE, "status": 200}))
    )
    assert (line["message"], line["path"], line["status"], line["job_id"]) == (f"path {HOSTILE}", HOSTILE, 200, 7)
    assert (line["level"], line["logger"]) == ("info", "a")
    assert line["time"].endswith("Z")


@pytest.mark.parametrize("lines", [JsonLines({}), TextLines({})])
def test_a_traceback_is_told_and_cannot_look_like_a_record(lines):
    try:
        raise ValueError(f"{HOSTILE} of https://cdn.example/x?token=s3cret")
    except ValueError:
        text = lines.format(record("failed", exc_info=sys.exc_info()))
    assert "ValueError" in text
    assert "s3cret" not in text
    assert all(line.isprintable() for line in text.split("\n"))
    assert all(line.startswith("    | ") for line in text.splitlines()[1:])


def test_nothing_turns_the_direction_of_a_line():
    line = TextLines({}).format(record("a", fields={"path": "/forged\u202eabc\u2066"}))
    assert "\u202e" not in line
    assert "\u2066" not in line


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("of https://cdn.example/a/b?token=s3cret#x end", "of https://cdn.example/... end"),
        ("of http://user:s3cret@cdn.example:81/", "of http://cdn.example:81/..."),
        ("of HTTPS://cdn.example?s3cret", "of HTTPS://cdn.example/..."),
        ("two http://a.example/s3cret,http://b.example/s3cret", "two http://a.example/..."),
        ("Listening at: http://127.0.0.1:8080 (12)", "Listening at: http://127.0.0.1:8080 (12)"),
        ("Listening at: http://[::1]:8080 (12)", "Listening at: http://[::1]:8080 (12)"),
    ],
)
def test_of_urls_the_host_is_told_alone(told, expected):
    assert json.loads(JsonLines({}).format(record(told)))["message"] == expected
    assert json.loads(JsonLines({}).format(record("", fields={"path": told})))["path"] == expected


def test_an_api_key_loses_its_secret_wherever_it_was_pasted():
    told = f"GET /images/ir_{'0a' * 8}_{'1b' * 32} 404"
    line = JsonLines({}).format(record(told, fields={"path": told}))
    assert "1b1b" not in line
    assert json.loads(line)["path"] == f"GET /images/ir_{'0a' * 8}_... 404"


def test_fields_of_the_request_are_in_every_line():
    token = fields.set({"request_id": "mine"})
    try:
        assert json.loads(JsonLines({}).format(record("a")))["request_id"] == "mine"
        assert "[request_id=mine]" in TextLines({}).format(record("a"))
    finally:
        fields.reset(token)
    assert "request_id" not in json.loads(JsonLines({}).format(record("a")))
