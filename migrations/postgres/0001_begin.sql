-- Times are milliseconds since 1970, JSON is text, and ids are never used twice.

CREATE TABLE projects (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL,
    slug TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE functions (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    runtime TEXT NOT NULL,
    language TEXT NOT NULL,
    code TEXT,
    entry_point TEXT NOT NULL,
    handler_style TEXT NOT NULL,
    isolation TEXT NOT NULL,
    timeout_s BIGINT NOT NULL,
    memory_mb BIGINT NOT NULL,
    cpu_millis BIGINT NOT NULL,
    tmp_mb BIGINT NOT NULL,
    pids BIGINT NOT NULL,
    -- {name: "v1.<key id>.<nonce and ciphertext>"}
    environment TEXT NOT NULL,
    dependencies TEXT NOT NULL,
    is_public BOOLEAN NOT NULL,
    is_active BOOLEAN NOT NULL,
    expose_errors BOOLEAN NOT NULL,
    egress TEXT NOT NULL,
    cors TEXT,
    min_instances BIGINT NOT NULL,
    max_instances BIGINT NOT NULL,
    concurrency BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    status TEXT NOT NULL,
    active_version BIGINT,
    resolved_runtime TEXT,
    build_logs TEXT NOT NULL,
    invocation_count BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (project_id, name)
);
CREATE INDEX functions_of_project ON functions (project_id, id);

CREATE TABLE versions (
    function_id BIGINT NOT NULL REFERENCES functions (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    runtime TEXT NOT NULL,
    language TEXT NOT NULL,
    entry_point TEXT NOT NULL,
    handler_style TEXT NOT NULL,
    digest TEXT NOT NULL,
    main TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (function_id, number)
);

CREATE TABLE deployments (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    function_id BIGINT NOT NULL REFERENCES functions (id) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    status TEXT NOT NULL,
    stage TEXT NOT NULL,
    stages TEXT NOT NULL,
    build_logs TEXT NOT NULL,
    error TEXT,
    created_at BIGINT NOT NULL,
    finished_at BIGINT,
    UNIQUE (function_id, version)
);
CREATE INDEX deployments_of_function ON deployments (function_id, id);
CREATE INDEX deployments_running ON deployments (function_id) WHERE status = 'building';

CREATE TABLE records (
    -- The order in which records were kept; the cursor of their pages.
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    project_id BIGINT NOT NULL,
    function_id BIGINT NOT NULL REFERENCES functions (id) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    status TEXT NOT NULL,
    code TEXT,
    error TEXT,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    http_status BIGINT NOT NULL,
    execution_time_ms DOUBLE PRECISION NOT NULL,
    memory_bytes BIGINT NOT NULL,
    cpu_time_ms DOUBLE PRECISION NOT NULL,
    response_bytes BIGINT NOT NULL,
    logs TEXT NOT NULL,
    is_warm BOOLEAN NOT NULL,
    trigger_kind TEXT NOT NULL,
    driver TEXT NOT NULL
);
CREATE INDEX records_of_function ON records (function_id, seq);
CREATE INDEX records_by_status ON records (function_id, status, seq);
CREATE INDEX records_by_time ON records (function_id, created_at, seq);

-- One row: counts over all records that were ever kept, those of deleted functions too.
CREATE TABLE totals (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    invocations BIGINT NOT NULL,
    succeeded BIGINT NOT NULL,
    failed BIGINT NOT NULL
);
INSERT INTO totals (id, invocations, succeeded, failed) VALUES (1, 0, 0, 0);

INSERT INTO projects (name, slug, description, created_at, updated_at)
VALUES (
    'Default',
    'default',
    '',
    CAST(extract(EPOCH FROM now()) * 1000 AS BIGINT),
    CAST(extract(EPOCH FROM now()) * 1000 AS BIGINT)
);
