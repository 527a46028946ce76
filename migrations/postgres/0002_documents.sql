-- What functions keep through `context.db`: JSON documents of a project, by entity.

CREATE TABLE documents (
    -- The order in which they were made, in which lists are where nothing else is asked for.
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    entity TEXT COLLATE "C" NOT NULL,
    -- Unique in its entity; the function's own or made by the service.
    id TEXT COLLATE "C" NOT NULL,
    -- A JSON object without id and times, which are columns.
    body JSONB NOT NULL,
    -- Of the body's text, as it was given.
    bytes BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (project_id, entity, id)
);
CREATE INDEX documents_of_entity ON documents (project_id, entity, seq);

-- A row for each project that ever had documents: what it uses of its quota. Who changes documents holds it.
CREATE TABLE document_totals (
    project_id BIGINT PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
    documents BIGINT NOT NULL,
    bytes BIGINT NOT NULL
);
