CREATE TABLE clock (
	id INTEGER NOT NULL, 
	value INTEGER NOT NULL, 
	schema_version INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE collections (
	"key" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	uid VARCHAR(32) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	fingerprint VARCHAR(255) NOT NULL, 
	dim INTEGER NOT NULL, 
	threshold FLOAT, 
	clock INTEGER NOT NULL, 
	created_at DATETIME NOT NULL, 
	UNIQUE (uid), 
	UNIQUE (name)
);
CREATE TABLE jobs (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	kind VARCHAR(32) NOT NULL, 
	collection VARCHAR(64), 
	state VARCHAR(16) NOT NULL, 
	attempts INTEGER NOT NULL, 
	created_at DATETIME NOT NULL, 
	started_at DATETIME, 
	finished_at DATETIME, 
	progress JSON NOT NULL, 
	result JSON, 
	error VARCHAR
);
CREATE INDEX ix_jobs_state ON jobs (state);
CREATE TABLE images (
	seq INTEGER NOT NULL, 
	collection_key INTEGER NOT NULL, 
	id VARCHAR(1024) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	pixels_sha256 VARCHAR(64) NOT NULL, 
	width INTEGER NOT NULL, 
	height INTEGER NOT NULL, 
	size INTEGER NOT NULL, 
	format VARCHAR(16) NOT NULL, 
	source VARCHAR, 
	metadata JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	deleted_at DATETIME, 
	deleted_seq INTEGER, 
	vector BLOB NOT NULL, 
	PRIMARY KEY (seq), 
	FOREIGN KEY(collection_key) REFERENCES collections ("key")
);
CREATE INDEX images_by_seq ON images (collection_key, seq);
CREATE INDEX images_by_deletion ON images (collection_key, deleted_seq) WHERE deleted_seq IS NOT NULL;
CREATE UNIQUE INDEX images_by_id ON images (collection_key, id) WHERE deleted_seq IS NULL;
CREATE TABLE generations (
	name VARCHAR(64) NOT NULL, 
	collection_key INTEGER NOT NULL, 
	manifest_sha256 VARCHAR(64) NOT NULL, 
	PRIMARY KEY (name), 
	FOREIGN KEY(collection_key) REFERENCES collections ("key")
);
CREATE INDEX ix_generations_collection_key ON generations (collection_key);
INSERT INTO clock VALUES (1, 3, 1);
INSERT INTO collections VALUES (1, '0123456789abcdef0123456789abcdef', 'pictures', 'f1', 2, 0.6, 3, '2025-01-01 00:00:00');
INSERT INTO images VALUES (1, 1, 'a', 'aa', 'ab', 4, 3, 12, 'PNG', '/a', '{"n": 1}', '2025-01-02 00:00:00', NULL, NULL, x'003c0000');
INSERT INTO images VALUES (2, 1, 'b', 'ba', 'bb', 4, 3, 12, 'PNG', NULL, '{}', '2025-01-03 00:00:00', '2025-01-04 00:00:00', 3, x'0000003c');
