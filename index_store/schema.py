"""Tables of the catalog. The catalog is the only truth; indexes derive from it."""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
    false,
)

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
    Column("indeterminate", Boolean, nullable=False, server_default=false()),
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
# What has the same bytes or pixels is found without its vector.
Index("images_by_sha256", images.c.collection_key, images.c.sha256)
Index("images_by_pixels", images.c.collection_key, images.c.pixels_sha256)
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

# The first answer to each Idempotency-Key, for whoever asks again. `request` is the SHA-256 of what was asked.
answers = Table(
    "answers",
    metadata,
    Column("key", String(255), primary_key=True),
    Column("request", String(64), nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False, index=True),
)

# What a score is worth in a collection, by mode of search, as long as the collection has this uid.
calibrations = Table(
    "calibrations",
    metadata,
    Column("collection_key", ForeignKey("collections.key", ondelete="CASCADE"), primary_key=True),
    Column("mode", String(16), primary_key=True),
    Column("uid", String(32), nullable=False),
    Column("data", JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
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

# Who may ask the service. `digest` is the SHA-256 of the whole key in hex; rows are never deleted, see keys.py.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("collections", JSON),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
)

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
