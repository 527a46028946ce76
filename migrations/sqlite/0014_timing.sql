-- Where the time of a call went: microseconds of queue, lease, load, exec and total, as a JSON list; null for records of before.
ALTER TABLE records ADD COLUMN timing TEXT;
