-- Lists of calls are by the time at which they were accepted, with or without a status; the row's number decides between
-- equal times.
DROP INDEX records_of_function;
DROP INDEX records_by_status;
DROP INDEX records_by_time;
CREATE INDEX records_by_time ON records (function_id, created_at, seq);
CREATE INDEX records_by_status ON records (function_id, status, created_at, seq);

DROP INDEX inline_records_of_project;
CREATE INDEX inline_records_by_time ON inline_records (project_id, created_at, seq);
CREATE INDEX inline_records_by_status ON inline_records (project_id, status, created_at, seq);

CREATE INDEX versions_by_runtime ON versions (runtime, function_id, number);
CREATE INDEX project_secrets_of_project ON project_secrets (project_id, id);
CREATE INDEX functions_by_activity ON functions (is_active);
