-- What tells this database from others that an object store may be shared with.
CREATE TABLE installation (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL
);

-- Objects that a node is about to refer to, or is about to remove.
CREATE TABLE object_holds (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- artefact or package.
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    is_removal BOOLEAN NOT NULL,
    -- When it is over by itself, because its node died.
    expires_at BIGINT NOT NULL
);
CREATE INDEX object_holds_by_name ON object_holds (kind, name);

CREATE INDEX versions_by_digest ON versions (digest);
CREATE INDEX versions_by_package ON versions (package);
CREATE INDEX functions_by_package ON functions (package);
