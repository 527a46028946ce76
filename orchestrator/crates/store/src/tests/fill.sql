INSERT INTO projects (name, slug, description, created_at, updated_at)
SELECT n::TEXT, 'p' || n, '', 0, 0 FROM generate_series(2, 2000) AS n;

INSERT INTO functions (project_id, name, description, runtime, language, code, entry_point, handler_style, isolation,
    timeout_s, memory_mb, cpu_millis, tmp_mb, pids, environment, dependencies, is_public, is_active, expose_errors, egress,
    min_instances, max_instances, concurrency, revision, status, active_version, build_logs, invocation_count, created_at,
    updated_at, package)
SELECT 1 + n % 100, 'f' || n, '', 'nodejs20', 'javascript', repeat('code ', 20), 'handler', 'auto', 'version', 30, 128, 1000,
    64, 64, '{}', '{}', TRUE, n % 10 > 0, FALSE, '[]', 0, 10, 1, 1, 'deployed', 1, repeat('logs ', 40), n, 0, 0, md5(n::TEXT)
FROM generate_series(1, 10000) AS n;

INSERT INTO versions (function_id, number, runtime, language, entry_point, handler_style, digest, main, created_at, package)
SELECT id, number, CASE WHEN id % 2 = 0 THEN 'nodejs20' ELSE 'python3.11' END, 'javascript', 'handler', 'data',
    md5((id * 10 + number)::TEXT), 'index.js', 0, md5((id + number)::TEXT)
FROM functions, generate_series(1, 2) AS number;

INSERT INTO deployments (function_id, version, status, stage, stages, build_logs, created_at)
SELECT function_id, number, CASE WHEN function_id = 9 AND number = 2 THEN 'building' ELSE 'deployed' END, 'health_check', '[]',
    repeat('logs ', 20), 0
FROM versions;

INSERT INTO activations (function_id, version, cause, author, created_at)
SELECT function_id, number, 'deploy', 'admin', 0 FROM versions ORDER BY number, function_id;

INSERT INTO project_secrets (project_id, name, value, created_at, updated_at)
SELECT 1 + n % 20, 'S' || n, 'v1.x', 0, 0 FROM generate_series(1, 5000) AS n;

INSERT INTO object_holds (kind, name, is_removal, expires_at)
SELECT 'package', md5(n::TEXT), FALSE, 0 FROM generate_series(1, 2000) AS n;

INSERT INTO records (id, project_id, function_id, version, created_at, status, method, path, http_status,
    execution_time_ms, memory_bytes, cpu_time_ms, response_bytes, logs, is_warm, trigger_kind, driver)
SELECT n::TEXT, 1, 1 + n % 50, 1, n, CASE WHEN n / 50 % 4 = 1 THEN 'error' ELSE 'success' END, 'POST', '/', 200, 1.5, 1000, 1.0,
    10, 'a line of logs', TRUE, 'http', 'native'
FROM generate_series(1, 50000) AS n;

INSERT INTO inline_records (id, project_id, created_at, status, record)
SELECT n::TEXT, 1 + n % 20, n, CASE WHEN n / 20 % 4 = 1 THEN 'error' ELSE 'success' END, repeat('record ', 40)
FROM generate_series(1, 20000) AS n;
