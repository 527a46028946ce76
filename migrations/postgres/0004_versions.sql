-- What a version keeps of its source, and who made it.
ALTER TABLE versions ADD COLUMN author TEXT NOT NULL DEFAULT 'admin';
ALTER TABLE versions ADD COLUMN dependencies TEXT NOT NULL DEFAULT '{}';
-- Null for a package, and for versions of before this column.
ALTER TABLE versions ADD COLUMN code TEXT;

ALTER TABLE deployments ADD COLUMN author TEXT NOT NULL DEFAULT 'admin';
-- Whether its version becomes the active one.
ALTER TABLE deployments ADD COLUMN activates BOOLEAN NOT NULL DEFAULT TRUE;

-- {name: {version, split, rolled_back, …}}; `active` is there while calls without an alias are split.
ALTER TABLE functions ADD COLUMN aliases TEXT NOT NULL DEFAULT '{}';
-- Counts every change of what calls get: settings, the active version, aliases.
ALTER TABLE functions ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;

-- Which version was active from when, by whom; the newest of a function is the present one.
CREATE TABLE activations (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    function_id BIGINT NOT NULL REFERENCES functions (id) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    -- The activation that a rollback leads back to; null for the first one.
    parent_id BIGINT,
    -- deploy, activate or rollback.
    cause TEXT NOT NULL,
    author TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX activations_of_function ON activations (function_id, id);
INSERT INTO activations (function_id, version, cause, author, created_at)
SELECT id, active_version, 'deploy', 'admin', updated_at FROM functions WHERE active_version IS NOT NULL;
