//! Answers as the service gives them.

use std::path::PathBuf;

use serde_json::{Value, json};

/// A deployed function `hello`, with changes.
pub fn function(changes: &Value) -> Value {
    let mut function = json!({
        "id": 7, "project_id": 1, "name": "hello", "description": "", "runtime": "nodejs18",
        "resolved_runtime": "nodejs20", "language": "javascript", "code": "exports.handler = async () => 1;\n",
        "entry_point": "index.handler", "handler_style": "auto", "timeout": 30, "memory": 128, "cpu": 1.0, "tmp_mb": 64,
        "pids": 64, "environment": {}, "dependencies": {}, "is_public": false, "is_active": true,
        "isolation": "version", "egress": [], "expose_errors": false, "min_instances": 0, "max_instances": 10,
        "concurrency": 1, "cors": null, "status": "deployed", "active_version": 3, "build_logs": "",
        "invocation_count": 12, "url": "/p/1/functions/hello", "created_at": "2026-01-31T12:00:00Z",
        "updated_at": "2026-01-31T12:00:00Z",
    });
    merge(&mut function, changes);
    function
}

/// A deployment of it that is in its first stage, with changes.
pub fn deployment(changes: &Value) -> Value {
    let mut deployment = json!({
        "id": 9, "function_id": 7, "version": 4, "author": "admin", "activates": true, "status": "building", "stage": "validate", "stages": [],
        "build_logs": "", "error": null, "created_at": "2026-01-31T12:00:00Z", "finished_at": null,
    });
    merge(&mut deployment, changes);
    deployment
}

/// A call of it that succeeded, with changes.
pub fn execution(changes: &Value) -> Value {
    let mut execution = json!({
        "id": "019c0000-0000-7000-8000-000000000001", "created_at": "2026-01-31T12:00:00.25Z", "status": "success",
        "method": "POST", "path": "/p/1/functions/hello", "http_status": 200, "execution_time": 1.25,
        "memory_usage": 1000, "cpu_time": 1.0, "response_size": 2, "logs": "", "error": null, "code": null,
        "version": 3, "start": "warm", "trigger": "http",
    });
    merge(&mut execution, changes);
    execution
}

fn merge(value: &mut Value, changes: &Value) {
    let changes = changes.as_object().unwrap().clone();
    value.as_object_mut().unwrap().extend(changes);
}

/// A folder with files, and the path of one of them.
pub fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let first = folder.path().join(files[0].0);
    (folder, first)
}
