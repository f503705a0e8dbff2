"""The smallest client: `python test_script/link_flask.py search picture.jpg`; or `add`, or a URL for the file.

An API key, if the service asks for one, is taken from the environment variable IMAGERETRIEVAL_API_KEY.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import requests


def send(server: str, action: str, picture: str, collection: str = "default") -> requests.Response:
    """POST a picture, a file's path or a URL, to /search or /add. Raises OSError and requests' exceptions."""
    url = f"{server.rstrip('/')}/{action}"
    key = os.environ.get("IMAGERETRIEVAL_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    if picture.startswith(("http://", "https://")):
        return requests.post(url, json={"url": picture, "collection": collection}, headers=headers, timeout=60)
    with Path(picture).open("rb") as file:
        return requests.post(url, files={"image": file}, data={"collection": collection}, headers=headers, timeout=60)


def told(reply: requests.Response) -> str:
    """A reply in lines for people: what was done, the matches, best first, and the times."""
    body: dict[str, Any] = reply.json()
    if "detail" in body:
        lines = [f"{reply.status_code} {body['title']}: {body['detail']}"]
    elif "duplicate" in body:
        lines = ["seen before" if body["duplicate"] else "not seen before"]
    else:
        lines = [f"{body['status']} as {body['id']}"]
    lines += [f"  {match['score']:.3f}  {match['relation']:9}  {match['id']}" for match in body.get("matches", [])]
    took = body.get("took_ms", {})
    lines.append(
        ", ".join([f"{stage} {ms:.1f} ms" for stage, ms in took.items()] + [f"round trip {_ms(reply):.1f} ms"])
    )
    return "\n".join(lines)


def _ms(reply: requests.Response) -> float:
    return reply.elapsed.total_seconds() * 1e3


def main() -> int:
    """Returns the exit status: 0 if the service did as it was asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("search", "add"))
    parser.add_argument("picture", help="a file or a URL")
    parser.add_argument("--server", default="http://127.0.0.1:8080", help="default: %(default)s")
    parser.add_argument("--collection", default="default", help="default: %(default)s")
    given = parser.parse_args()
    try:
        reply = send(given.server, given.action, given.picture, given.collection)
        print(told(reply))
    except (OSError, ValueError) as error:  # requests' exceptions are OSErrors; ValueError: not a reply of this service
        print(f"cannot {given.action}: {error}", file=sys.stderr)
        return 2
    return 0 if reply.ok else 1


if __name__ == "__main__":
    sys.exit(main())
