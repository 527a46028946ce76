-- What a call tried to reach outside its sandbox: a JSON list, or null for nothing.
ALTER TABLE records ADD COLUMN egress TEXT;
