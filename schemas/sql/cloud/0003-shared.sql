-- What nodes hold beside instances (groups, maps of subnets), and what is done once on a node; core/cloud.h tells each column.
CREATE TABLE shared_object (
    id TEXT PRIMARY KEY,
    kind INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    mentions TEXT
) STRICT;

CREATE TABLE operation (
    id TEXT PRIMARY KEY,
    instance_id TEXT NOT NULL,
    node TEXT NOT NULL,
    action TEXT NOT NULL,
    left_ms INTEGER NOT NULL,
    request_id TEXT NOT NULL
) STRICT;

ALTER TABLE instance ADD COLUMN uses TEXT;
ALTER TABLE node ADD COLUMN link TEXT;
