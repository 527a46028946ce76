-- The node that runs a deployment; '' for those that were begun before nodes were noted. This database has one node at a time.
ALTER TABLE deployments ADD COLUMN node TEXT NOT NULL DEFAULT '';
