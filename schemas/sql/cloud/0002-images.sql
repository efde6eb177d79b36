-- Images that were made from a user's object: where it lies, the image's key under the cloud key, the making.
ALTER TABLE image ADD COLUMN source_bucket TEXT;
ALTER TABLE image ADD COLUMN source_key TEXT;
ALTER TABLE image ADD COLUMN sealed_key BLOB;
ALTER TABLE image ADD COLUMN disk_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE image ADD COLUMN progress INTEGER NOT NULL DEFAULT 0;
ALTER TABLE image ADD COLUMN reason TEXT;
ALTER TABLE image ADD COLUMN taken_by TEXT;
ALTER TABLE image ADD COLUMN taken_ms INTEGER NOT NULL DEFAULT 0;

-- The public half of each node's own key, as its first heartbeat told it; it never changes.
CREATE TABLE node_key (
    node TEXT PRIMARY KEY,
    public_key BLOB NOT NULL
) STRICT;

-- Access keys of the cloud's own parts.
CREATE TABLE system_key (
    role TEXT PRIMARY KEY,
    key_id TEXT NOT NULL
) STRICT;
