"""Tables of the catalog, and the engine that reaches them. The catalog is the only truth; indexes derive from it."""

import sqlite3
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
    create_engine,
    event,
    insert,
    inspect,
    select,
)

from index_store.errors import CatalogUnavailable

VERSION = 1
BUSY_TIMEOUT_S = 60
# SQLite gives 64-bit row ids only to columns declared INTEGER.
BigInt = BigInteger().with_variant(Integer, "sqlite")
metadata = MetaData()


class Moment(TypeDecorator[datetime]):
    """A time in UTC. SQLite keeps no zone; what we wrote was UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value


clock = Table(
    "clock",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("value", BigInt, nullable=False),
    Column("schema_version", Integer, nullable=False),
)

collections = Table(
    "collections",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("uid", String(32), nullable=False, unique=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("fingerprint", String(255), nullable=False),
    Column("dim", Integer, nullable=False),
    Column("threshold", Float),
    Column("clock", BigInt, nullable=False),
    Column("created_at", Moment, nullable=False),
    sqlite_autoincrement=True,
)

images = Table(
    "images",
    metadata,
    Column("seq", BigInt, primary_key=True, autoincrement=False),
    Column("collection_key", ForeignKey("collections.key"), nullable=False),
    Column("id", String(1024), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("pixels_sha256", String(64), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("size", BigInt, nullable=False),
    Column("format", String(16), nullable=False),
    Column("source", String),
    Column("metadata", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("deleted_at", Moment),
    Column("deleted_seq", BigInt),
    Column("vector", LargeBinary, nullable=False),
)
_alive = images.c.deleted_seq.is_(None)
Index("images_by_id", images.c.collection_key, images.c.id, unique=True, sqlite_where=_alive, postgresql_where=_alive)
Index("images_by_seq", images.c.collection_key, images.c.seq)
Index(
    "images_by_deletion",
    images.c.collection_key,
    images.c.deleted_seq,
    sqlite_where=~_alive,
    postgresql_where=~_alive,
)

# Index generations made from this very catalog. One that is not here (of another collection, or from after the moment
# that the catalog was put back to) is never searched, nor one whose manifest has another SHA-256.
generations = Table(
    "generations",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("collection_key", ForeignKey("collections.key"), nullable=False, index=True),
    Column("manifest_sha256", String(64), nullable=False),
)

# What is kept of pictures whose files are nowhere else. Apart from `images`, whose rows searches read.
pictures = Table(
    "pictures",
    metadata,
    Column("seq", ForeignKey(images.c.seq, ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("collection_key", ForeignKey("collections.key"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("size", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
# So that counting and adding up reads no pictures.
Index("pictures_by_collection", pictures.c.collection_key, pictures.c.size)

# A collection that is being embedded again by another extractor, and the vectors made so far.
reembeddings = Table(
    "reembeddings",
    metadata,
    Column("uid", String(32), primary_key=True),
    Column("collection_key", ForeignKey("collections.key", ondelete="CASCADE"), nullable=False, unique=True),
    Column("fingerprint", String(255), nullable=False),
    Column("dim", Integer, nullable=False),
)
new_vectors = Table(
    "new_vectors",
    metadata,
    Column("seq", ForeignKey(images.c.seq, ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("vector", LargeBinary, nullable=False),
)

# What people have said of two pictures, whatever their scores. `number` is of the clock: when it was said, in order.
pairs = Table(
    "pairs",
    metadata,
    Column("a_seq", ForeignKey(images.c.seq, ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("b_seq", ForeignKey(images.c.seq, ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("a_key", ForeignKey("collections.key", ondelete="CASCADE"), nullable=False),
    Column("b_key", ForeignKey("collections.key", ondelete="CASCADE"), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("number", BigInt, nullable=False),
    Column("created_at", Moment, nullable=False),
    CheckConstraint("a_seq < b_seq", name="pairs_are_ordered"),
)
Index("pairs_by_b", pairs.c.b_seq)
Index("pairs_by_a_collection", pairs.c.a_key, pairs.c.number)
Index("pairs_by_b_collection", pairs.c.b_key, pairs.c.number)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("collection", String(64)),
    Column("options", JSON, nullable=False, server_default="{}"),
    Column("state", String(16), nullable=False, index=True),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Column("progress", JSON, nullable=False),
    Column("result", JSON),
    Column("error", String),
    sqlite_autoincrement=True,
)


def connect(url: str) -> Engine:
    """An engine for `url` with all tables in place.

    A plain connection reads statement by statement; one from `writing` options opens its transaction with the
    write lock already held, so that what it reads cannot change before it commits. Raises CatalogUnavailable.
    """
    options: dict[str, Any] = {"pool_size": 64, "max_overflow": -1}
    if url.startswith("sqlite"):
        options["connect_args"] = {"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}
    try:
        engine = create_engine(url, **options)
    except ModuleNotFoundError as error:
        raise CatalogUnavailable(f"this kind of catalog needs a driver that is not installed: {error}") from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    try:
        with engine.execution_options(writing=True).begin() as connection:
            _create(connection)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    _switch_to_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")  # a commit is on the disk before it is acknowledged
    connection.execute("PRAGMA foreign_keys = ON")


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Where several processes open a new catalog at once, SQLite refuses all but one of them without waiting."""
    deadline = monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > deadline:
                raise
        sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get("writing"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _create(connection: Connection) -> None:
    version = _version(connection)
    if version not in (None, VERSION):
        raise CatalogUnavailable(f"the catalog has schema version {version}, this program reads version {VERSION}")
    metadata.create_all(connection)
    if version is None:
        connection.execute(insert(clock).values(id=1, value=0, schema_version=VERSION))


def _version(connection: Connection) -> int | None:
    """The schema version of the catalog, None where there is no catalog yet."""
    present = set(inspect(connection).get_table_names())
    if clock.name in present:
        return connection.scalar(select(clock.c.schema_version))
    if taken := sorted(present & metadata.tables.keys()):
        raise CatalogUnavailable(f"the database is not a catalog of this program, yet has tables named {taken}")
    return None
