-- The object store's index.  Keys are bytes; times are milliseconds since 1970.
CREATE TABLE bucket (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    account_id TEXT NOT NULL,
    created INTEGER NOT NULL
);
CREATE INDEX bucket_by_account ON bucket (account_id, name);

-- A run of stored bytes: in the row, or in a file of the data folder.  `crcs` has a CRC-32C for each 64 KiB.
CREATE TABLE data (
    id INTEGER PRIMARY KEY,
    size INTEGER NOT NULL,
    refs INTEGER NOT NULL DEFAULT 1,
    crcs BLOB NOT NULL,
    file TEXT UNIQUE,
    bytes BLOB
);

-- What a listing needs, and no more.
CREATE TABLE object (
    bucket_id INTEGER NOT NULL,
    key BLOB NOT NULL,
    id INTEGER NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    modified INTEGER NOT NULL,
    PRIMARY KEY (bucket_id, key)
) WITHOUT ROWID;

-- The rest: headers and checksums as JSON.
CREATE TABLE object_detail (
    id INTEGER PRIMARY KEY,
    detail TEXT NOT NULL
);

-- An object is the concatenation of these.
CREATE TABLE object_segment (
    object_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    data_id INTEGER NOT NULL,
    PRIMARY KEY (object_id, seq)
) WITHOUT ROWID;

CREATE TABLE upload (
    id TEXT PRIMARY KEY,
    bucket_id INTEGER NOT NULL,
    key BLOB NOT NULL,
    account_id TEXT NOT NULL,
    started INTEGER NOT NULL,
    detail TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX upload_by_key ON upload (bucket_id, key, id);

CREATE TABLE part (
    upload_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    data_id INTEGER NOT NULL,
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    modified INTEGER NOT NULL,
    checksum TEXT,
    PRIMARY KEY (upload_id, number)
) WITHOUT ROWID;

-- Files that no row names any more; removed a while after, when no reader holds them.
CREATE TABLE garbage (
    file TEXT PRIMARY KEY,
    since INTEGER NOT NULL
) WITHOUT ROWID;
