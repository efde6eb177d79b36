-- Public halves of users' SSH keys.
CREATE TABLE key_pair (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    public_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    UNIQUE (account_id, name)
) STRICT;

CREATE TABLE security_group (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    vpc_id TEXT NOT NULL REFERENCES vpc (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    UNIQUE (vpc_id, name)
) STRICT;
CREATE INDEX security_group_account ON security_group (account_id, id);

-- A rule's peer is an IPv4 range or the id of a group. Protocol -1: all; ports -1: none, or any type or code of ICMP.
CREATE TABLE security_group_rule (
    id TEXT PRIMARY KEY,
    group_id TEXT NOT NULL REFERENCES security_group (id),
    egress INTEGER NOT NULL,
    protocol INTEGER NOT NULL,
    from_port INTEGER NOT NULL,
    to_port INTEGER NOT NULL,
    peer TEXT NOT NULL,
    description TEXT,
    UNIQUE (group_id, egress, protocol, from_port, to_port, peer)
) STRICT;
CREATE INDEX security_group_rule_peer ON security_group_rule (peer);

-- The groups of an instance, in the order in which they were named.
CREATE TABLE instance_group (
    instance_id TEXT NOT NULL REFERENCES instance_attribute (id),
    ordinal INTEGER NOT NULL,
    group_id TEXT NOT NULL REFERENCES security_group (id),
    PRIMARY KEY (instance_id, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX instance_group_group ON instance_group (group_id);

-- One row a public address in use or at rest: an address is handed out once.
CREATE TABLE public_address (
    address INTEGER PRIMARY KEY,
    account_id TEXT NOT NULL,
    instance_id TEXT,
    freed_ms INTEGER
) STRICT;
CREATE INDEX public_address_instance ON public_address (instance_id);

ALTER TABLE instance_attribute ADD COLUMN eni_id TEXT;
ALTER TABLE instance_attribute ADD COLUMN public_ip TEXT;
ALTER TABLE instance_attribute ADD COLUMN user_data TEXT;
ALTER TABLE instance_attribute ADD COLUMN metadata_tokens TEXT NOT NULL DEFAULT 'optional';
ALTER TABLE instance_attribute ADD COLUMN metadata_hops INTEGER NOT NULL DEFAULT 1;
ALTER TABLE instance_attribute ADD COLUMN metadata_endpoint TEXT NOT NULL DEFAULT 'enabled';
UPDATE instance_attribute SET eni_id = 'eni-' || substr(lower(hex(randomblob(9))), 1, 17);

-- The number of a subnet between nodes, unique in the cloud: 1 to 2^24 - 1.
ALTER TABLE subnet ADD COLUMN vni INTEGER;
UPDATE subnet SET vni = 1000 + rowid;
CREATE UNIQUE INDEX subnet_vni ON subnet (vni);

-- The default groups of the VPCs that are there, and the instances that are in them.
INSERT INTO security_group (id, account_id, vpc_id, name, description)
    SELECT 'sg-' || substr(lower(hex(randomblob(9))), 1, 17), account_id, id, 'default', 'default VPC security group'
    FROM vpc;
INSERT INTO security_group_rule (id, group_id, egress, protocol, from_port, to_port, peer)
    SELECT 'sgr-' || substr(lower(hex(randomblob(9))), 1, 17), id, 0, -1, -1, -1, id FROM security_group;
INSERT INTO security_group_rule (id, group_id, egress, protocol, from_port, to_port, peer)
    SELECT 'sgr-' || substr(lower(hex(randomblob(9))), 1, 17), id, 1, -1, -1, -1, '0.0.0.0/0' FROM security_group;
INSERT INTO instance_group (instance_id, ordinal, group_id)
    SELECT a.id, 0, g.id FROM instance_attribute AS a JOIN security_group AS g ON g.vpc_id = a.vpc_id;
