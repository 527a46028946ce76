-- Documents by their times, which lists are sorted by most often: the newest of many are found at once.
CREATE INDEX documents_by_creation ON documents (project_id, entity, created_at, seq);
CREATE INDEX documents_by_change ON documents (project_id, entity, updated_at, seq);
