-- What the Cloud Controller holds as desired.  Every row of a user's resource has an account_id.
CREATE TABLE cloud (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL,
    era INTEGER NOT NULL
) STRICT;

CREATE TABLE account (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    email TEXT,
    canonical_id TEXT NOT NULL UNIQUE,
    administrator INTEGER NOT NULL DEFAULT 0,
    enabled INTEGER NOT NULL DEFAULT 1,
    created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE access_key (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    sealed_secret BLOB NOT NULL,
    enabled INTEGER NOT NULL DEFAULT 1,
    created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE zone (
    id TEXT PRIMARY KEY,
    ordinal INTEGER NOT NULL UNIQUE,
    epoch INTEGER NOT NULL DEFAULT 0,
    process TEXT,
    asked INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE node (
    id TEXT PRIMARY KEY,
    zone TEXT NOT NULL REFERENCES zone (id),
    boot INTEGER NOT NULL DEFAULT 0,
    fenced INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE instance_type (
    name TEXT PRIMARY KEY,
    ordinal INTEGER NOT NULL UNIQUE,
    vcpus INTEGER NOT NULL,
    memory_mib INTEGER NOT NULL,
    disk_gib INTEGER NOT NULL
) STRICT;
INSERT INTO instance_type VALUES
    ('m1.small', 1, 1, 256, 5), ('t1.micro', 2, 1, 256, 5), ('m1.medium', 3, 1, 512, 10),
    ('c1.medium', 4, 2, 512, 10), ('m1.large', 5, 2, 1024, 10), ('m1.xlarge', 6, 2, 2048, 20),
    ('c1.xlarge', 7, 4, 2048, 20), ('m2.xlarge', 8, 2, 4096, 20), ('m3.xlarge', 9, 4, 4096, 30),
    ('m2.2xlarge', 10, 4, 8192, 40), ('m3.2xlarge', 11, 8, 8192, 60);

CREATE TABLE image (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    architecture TEXT NOT NULL,
    state TEXT NOT NULL,
    public INTEGER NOT NULL DEFAULT 0,
    disk_name TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    UNIQUE (account_id, name)
) STRICT;

CREATE TABLE vpc (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    cidr TEXT NOT NULL,
    is_default INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX vpc_default ON vpc (account_id) WHERE is_default;

CREATE TABLE subnet (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    vpc_id TEXT NOT NULL REFERENCES vpc (id),
    zone TEXT NOT NULL REFERENCES zone (id),
    first_address INTEGER NOT NULL,
    prefix INTEGER NOT NULL,
    is_default INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX subnet_default ON subnet (account_id, zone) WHERE is_default;

-- One row an address in use or at rest: an address is handed out once.
CREATE TABLE address (
    subnet_id TEXT NOT NULL REFERENCES subnet (id),
    address INTEGER NOT NULL,
    account_id TEXT NOT NULL,
    instance_id TEXT,
    freed_ms INTEGER,
    PRIMARY KEY (subnet_id, address)
) STRICT, WITHOUT ROWID;
CREATE INDEX address_instance ON address (instance_id);

CREATE TABLE reservation (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL,
    zone TEXT NOT NULL,
    generation INTEGER NOT NULL,
    placing_left INTEGER NOT NULL,
    request_id TEXT NOT NULL
) STRICT;

-- What placing and settling need; core/cloud.h tells each column.
CREATE TABLE instance (
    id TEXT PRIMARY KEY,
    reservation TEXT NOT NULL,
    account_id TEXT NOT NULL,
    zone TEXT NOT NULL,
    node TEXT,
    generation INTEGER NOT NULL,
    wanted INTEGER NOT NULL,
    held INTEGER NOT NULL,
    state INTEGER NOT NULL,
    vcpus INTEGER NOT NULL,
    memory_mib INTEGER NOT NULL,
    disk_gib INTEGER NOT NULL,
    obs_run INTEGER NOT NULL,
    obs_seq INTEGER NOT NULL,
    deadline_left INTEGER NOT NULL,
    forget_left INTEGER NOT NULL,
    body TEXT NOT NULL,
    reason_code TEXT,
    reason_text TEXT,
    request_id TEXT NOT NULL
) STRICT;
CREATE INDEX instance_account ON instance (account_id, id);

-- What the user asked for; does not change.
CREATE TABLE instance_attribute (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL,
    image_id TEXT NOT NULL,
    type TEXT NOT NULL,
    key_name TEXT,
    launch_index INTEGER NOT NULL,
    launch_ms INTEGER NOT NULL,
    vpc_id TEXT NOT NULL,
    subnet_id TEXT NOT NULL,
    private_ip TEXT NOT NULL,
    mac TEXT NOT NULL,
    client_token TEXT,
    architecture TEXT NOT NULL
) STRICT;

CREATE TABLE outbox (
    receiver TEXT NOT NULL,
    kind INTEGER NOT NULL,
    id TEXT NOT NULL,
    state INTEGER NOT NULL,
    wait INTEGER NOT NULL,
    wait_left INTEGER NOT NULL,
    PRIMARY KEY (receiver, kind, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE instance_event (
    seq INTEGER PRIMARY KEY,
    instance_id TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    source TEXT NOT NULL,
    message TEXT NOT NULL
) STRICT;
CREATE INDEX instance_event_instance ON instance_event (instance_id, seq);

CREATE TABLE tag (
    account_id TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (account_id, resource_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE client_token (
    account_id TEXT NOT NULL,
    token TEXT NOT NULL,
    request BLOB NOT NULL,
    reservation_id TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (account_id, token)
) STRICT, WITHOUT ROWID;

CREATE TABLE quota (
    account_id TEXT NOT NULL,
    name TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (account_id, name)
) STRICT, WITHOUT ROWID;
