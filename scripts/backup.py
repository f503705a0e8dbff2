"""Back up what is remembered, and put it back.

    python scripts/backup.py create DEST     while the service runs; --library adds the files of what was ingested
    python scripts/backup.py verify SRC      read all of a backup and compare checksums
    python scripts/backup.py restore SRC     put it into the data folder, whose service must be stopped

The exit status is 1 where that was not possible; the reason is told. docs/operations.md has the rest.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it also runs as a file

from index_store import StoreError
from retrieval import backup
from retrieval.errors import BackupRefused
from retrieval.settings import BadSettings, Settings, load_settings

TELL_EVERY_S = 2.0


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        settings = _settings(arguments)
        print(COMMANDS[arguments.command](settings, arguments))
    except (BadSettings, BackupRefused, StoreError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def create(settings: Settings, arguments: argparse.Namespace) -> str:
    """Gives what to tell, as the others do."""
    made = backup.create(settings, arguments.backup, arguments.library, arguments.since, Progress())
    return f"{arguments.backup}: {described(made)}"


def verify(_settings: Settings, arguments: argparse.Namespace) -> str:
    return f"{arguments.backup} is whole: {described(backup.verify(arguments.backup, Progress()))}"


def restore(settings: Settings, arguments: argparse.Namespace) -> str:
    replaced = " and ".join(map(str, backup.restore(settings, arguments.backup, Progress())))
    kept = f"; what was there is in {replaced}, which you may delete" if replaced else ""
    return f"{settings.data_dir} holds {arguments.backup}{kept}. Start the service; the index is built by itself"


def described(made: backup.Manifest) -> str:
    """In a line."""
    collections: dict[str, int] = made.catalog["collections"]
    pictures = f"{sum(collections.values()):,} pictures in {len(collections)} collections"
    return f"{pictures}, {made.files:,} files ({made.bytes:,} bytes) of {', '.join(made.folders)}, {made.created_at}"


class Progress:
    """Tells how far it is on standard error, now and then."""

    def __init__(self) -> None:
        self._last = monotonic()

    def __call__(self, what: str, done: int, of: int) -> None:
        if monotonic() - self._last >= TELL_EVERY_S:
            self._last = monotonic()
            print(f"{what}: {done:,}" + (f" of {of:,}" if of else ""), file=sys.stderr)


COMMANDS = {"create": create, "verify": verify, "restore": restore}


def _settings(arguments: argparse.Namespace) -> Settings:
    changes: dict[str, Any] = {"data_dir": str(arguments.data_dir)} if arguments.data_dir else {}
    return load_settings(arguments.config, **changes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in COMMANDS:
        command = commands.add_parser(name)
        command.add_argument("backup", type=Path, help="the backup's folder")
        command.add_argument("--config", type=Path, help="YAML file with what differs from config.yaml")
        command.add_argument("--data-dir", type=Path, help="instead of the data_dir of the configuration")
        if name == "create":
            command.add_argument("--library", action="store_true", help="with the files of what was ingested")
            command.add_argument("--since", type=Path, help="an earlier backup: what has not changed is linked from it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
