-- Images: for a function where its image comes from, for a version which one it runs in, as JSON; null for runtimes of the
-- catalogue.
ALTER TABLE functions ADD COLUMN image TEXT;
ALTER TABLE versions ADD COLUMN image TEXT;
