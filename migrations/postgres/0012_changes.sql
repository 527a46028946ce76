-- Every node has the functions in memory. Who changes what calls get tells all nodes, in the change's own transaction:
-- 'function PROJECT ID GENERATION', with '-' for one that is gone, and 'project ID'.
CREATE FUNCTION cloudbox_function_changed() RETURNS trigger AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM pg_notify('cloudbox_changes', 'function ' || OLD.project_id || ' ' || OLD.id || ' -');
    ELSE
        PERFORM pg_notify(
            'cloudbox_changes', 'function ' || NEW.project_id || ' ' || NEW.id || ' ' || NEW.generation
        );
    END IF;
    RETURN NULL;
END
$$ LANGUAGE plpgsql;

CREATE FUNCTION cloudbox_project_changed() RETURNS trigger AS $$
BEGIN
    PERFORM pg_notify('cloudbox_changes', 'project ' || OLD.id);
    RETURN NULL;
END
$$ LANGUAGE plpgsql;

CREATE TRIGGER function_changed AFTER UPDATE ON functions FOR EACH ROW
WHEN (OLD.generation IS DISTINCT FROM NEW.generation) EXECUTE FUNCTION cloudbox_function_changed();

CREATE TRIGGER function_deleted AFTER DELETE ON functions FOR EACH ROW
EXECUTE FUNCTION cloudbox_function_changed();

CREATE TRIGGER project_changed AFTER UPDATE ON projects FOR EACH ROW
WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION cloudbox_project_changed();

CREATE TRIGGER project_deleted AFTER DELETE ON projects FOR EACH ROW
EXECUTE FUNCTION cloudbox_project_changed();
