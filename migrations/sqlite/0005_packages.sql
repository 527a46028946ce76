-- Source that comes as an archive: the SHA-256 of the uploaded bytes, in hex; null where it came as `code`.
ALTER TABLE functions ADD COLUMN package TEXT;
ALTER TABLE versions ADD COLUMN package TEXT;
