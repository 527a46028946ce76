-- The node that runs a deployment; '' for those that were begun before nodes were noted.
ALTER TABLE deployments ADD COLUMN node TEXT NOT NULL DEFAULT '';

-- Nodes, and when each one was last heard of by this database's own clock.
CREATE TABLE nodes (
    id TEXT PRIMARY KEY,
    seen_at TIMESTAMPTZ NOT NULL
);
