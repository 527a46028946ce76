-- The host calls that a call made: a JSON list, or null for none.
ALTER TABLE records ADD COLUMN host_calls TEXT;

-- Calls of code that is stored nowhere: they have a project and no function.
CREATE TABLE inline_records (
    -- The order in which records were kept; the cursor of their pages.
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    status TEXT NOT NULL,
    -- All of it, as the spool has it.
    record TEXT NOT NULL
);
CREATE INDEX inline_records_of_project ON inline_records (project_id, seq);
