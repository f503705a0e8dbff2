"""Catalogs of earlier versions -> this one, in the transaction that opens them. Tables that are new make themselves."""

from sqlalchemy import Connection

# By the version that they lead to. SQLite and PostgreSQL both understand them, and neither rewrites a row.
STEPS = {
    2: (
        "ALTER TABLE images ADD COLUMN indeterminate BOOLEAN NOT NULL DEFAULT FALSE",
        "ALTER TABLE jobs ADD COLUMN options JSON NOT NULL DEFAULT '{}'",
        "CREATE INDEX images_by_sha256 ON images (collection_key, sha256)",
        "CREATE INDEX images_by_pixels ON images (collection_key, pixels_sha256)",
    ),
    3: (),  # API keys are a table of their own; but a program that does not ask for them must not serve this catalog
}


def migrate(connection: Connection, version: int) -> None:
    """Run the steps that lead on from `version`."""
    for step in sorted(STEPS):
        for statement in STEPS[step] if step > version else ():
            connection.exec_driver_sql(statement)
