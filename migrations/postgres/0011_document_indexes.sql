-- Documents by their times, which lists are sorted by most often: the newest of many are found at once.
CREATE INDEX documents_by_creation ON documents (project_id, entity, created_at, seq);
CREATE INDEX documents_by_change ON documents (project_id, entity, updated_at, seq);
-- Documents by what their fields are equal to: `body @> '{"email": "a@b.c"}'`. Entries are put in their place at once: a list
-- of pending ones would have to be read by every query.
CREATE INDEX documents_by_content ON documents USING GIN (body jsonb_path_ops) WITH (fastupdate = off);
