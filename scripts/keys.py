"""API keys of a service: make, list and revoke them, also while it runs.

    python scripts/keys.py create crawler --scope search --scope add --collection news --expires 90d
    python scripts/keys.py list
    python scripts/keys.py revoke crawler

A new key is printed once, alone on standard output, and is nowhere to be found afterwards. Whatever is done here holds
from the next request on. Once there is a first key, nobody gets in without one, also on this machine, unless
access.keys is `off`; see docs/access.md. The exit status is 0, or 2 with one line that says what is wrong.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from index_store import SCOPES, ApiKey, Catalog, KeyRing, StoreError
from retrieval.fields import COLLECTION_PATTERN
from retrieval.settings import BadSettings, load_settings

UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
SCOPE_HELP = """what it is for; may be repeated: search (search, compare, read), add (only adds; the answers tell of
duplicates), admin (everything, also changes, deletes and jobs), metrics (only GET /metrics)"""


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit status."""
    given = _parser().parse_args(argv)
    try:
        settings = load_settings(given.config)
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        with closing(Catalog(settings.catalog_url)) as catalog:
            given.act(KeyRing(catalog), given)
    except (BadSettings, StoreError, OSError) as error:
        print(f"keys: {'; '.join(str(error).splitlines())}", file=sys.stderr)
        return 2
    return 0


def create(keys: KeyRing, given: argparse.Namespace) -> None:
    """Make a key and print it."""
    first = not keys.exist()
    made, key = keys.create(given.name, sorted(set(given.scope)), given.collection, given.expires)
    if given.json:
        print(json.dumps({"key": key, **_told(made)}))
        return
    print(f"Key {made.name} ({made.id}): {_may(made)}. It is shown this once:", file=sys.stderr)
    print(key)
    if first:
        print("From now on the service asks everybody for a key, unless access.keys is `off`.", file=sys.stderr)


def show(keys: KeyRing, given: argparse.Namespace) -> None:
    """Print what is known of every key."""
    found = keys.all()
    if given.json:
        print(json.dumps([_told(key) for key in found], indent=2))
        return
    for key in found:
        print(f"{key.id}  {_state(key):20}  {key.name}: {_may(key)}")
    if not found:
        print("no key was ever made", file=sys.stderr)


def revoke(keys: KeyRing, given: argparse.Namespace) -> None:
    """End a key."""
    ended = keys.revoke(given.key)
    if given.json:
        print(json.dumps(_told(ended)))
    else:
        print(f"revoked {ended.name} ({ended.id})")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="FILE", help="the configuration that the service runs with")
    common.add_argument("--json", action="store_true", help="print JSON")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    new = commands.add_parser("create", parents=[common], help="make a key and print it", description=create.__doc__)
    new.add_argument("name", type=_name, help="who will have it; logs have this name")
    new.add_argument("--scope", action="append", required=True, choices=SCOPES, help=SCOPE_HELP)
    bound = "bind it to this collection, which need not exist yet; may be repeated; default: all collections"
    new.add_argument("--collection", action="append", type=_name, help=bound)
    until = (
        "when it ends: 12h, 90d, 52w, or a day, such as 2030-12-31 (its beginning, UTC); default: when it is revoked"
    )
    new.add_argument("--expires", type=_moment, metavar="WHEN", help=until)
    new.set_defaults(act=create)
    known = commands.add_parser("list", parents=[common], help="all keys, ended ones too", description=show.__doc__)
    known.set_defaults(act=show)
    end = commands.add_parser("revoke", parents=[common], help="end a key, at once", description=revoke.__doc__)
    end.add_argument("key", help="its name or id")
    end.set_defaults(act=revoke)
    return parser


def _name(text: str) -> str:
    if not re.fullmatch(COLLECTION_PATTERN, text):
        raise argparse.ArgumentTypeError(f"{text!r}: 1 to 64 letters, digits, - and _, the first a letter or digit")
    return text


def _moment(text: str) -> datetime:
    """`90d` or `2030-12-31` -> a moment to come."""
    span = re.fullmatch(r"([1-9][0-9]{0,3})([hdw])", text)
    try:
        moment = datetime.now(UTC) + int(span[1]) * UNITS[span[2]] if span else _day(text)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r}: neither like 12h, 90d or 52w nor a day like 2030-12-31") from None
    if moment <= datetime.now(UTC):
        raise argparse.ArgumentTypeError(f"{text!r} is over already")
    return moment


def _day(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)


def _may(key: ApiKey) -> str:
    where = "all collections" if key.collections is None else ", ".join(key.collections)
    return f"{', '.join(key.scopes)}; {where}"


def _state(key: ApiKey) -> str:
    if key.revoked_at:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    if key.expires_at is None:
        return "valid"
    return f"{'valid until' if key.is_usable else 'expired'} {key.expires_at:%Y-%m-%d}"


def _told(key: ApiKey) -> dict[str, Any]:
    moments = ("created_at", "expires_at", "revoked_at")
    about = asdict(key) | {name: moment.isoformat() for name in moments if (moment := getattr(key, name))}
    return about | {"usable": key.is_usable}


if __name__ == "__main__":
    sys.exit(main())
