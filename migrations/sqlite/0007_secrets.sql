-- Secrets that all functions of a project get.
CREATE TABLE project_secrets (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- {name: "v1.<key id>.<nonce and ciphertext>"}, bound to the project.
    value TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (project_id, name)
);

-- The same secrets, bound to each function: a function is read as one row.
ALTER TABLE functions ADD COLUMN shared_environment TEXT NOT NULL DEFAULT '{}';
