-- Nothing here: a file is one node's, which knows what it changes.
SELECT 1;
