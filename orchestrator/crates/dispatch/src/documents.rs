//! `context.db`: host calls on the documents of the function's project.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use cloudbox_documents::{Error, Operation, Quota, Rehearsal};
use cloudbox_protocol::HostError;
use cloudbox_store::Store;
use cloudbox_types::InvocationId;
use parking_lot::Mutex;

use crate::services::{CallContext, HostCalls};

/// The service `db`. What it does is in the project of the invocation, whatever the arguments say.
pub struct Documents {
    store: Arc<dyn Store>,
    quota: Quota,
    /// Operations of one invocation.
    max_operations: u32,
    /// Of the invocations that made a call and have not ended.
    sessions: Mutex<HashMap<InvocationId, Arc<Session>>>,
}

/// What one invocation has of it.
struct Session {
    operations: AtomicU32,
    /// Where its operations have no lasting effect.
    rehearsal: Option<Rehearsal>,
}

impl Documents {
    /// The service over a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, quota: Quota, max_operations: u32) -> Arc<Self> {
        Arc::new(Self { store, quota, max_operations, sessions: Mutex::default() })
    }

    fn session(&self, context: &CallContext) -> Arc<Session> {
        let mut sessions = self.sessions.lock();
        let session = sessions.entry(context.invocation).or_insert_with(|| {
            let rehearsal = context.is_test.then(|| self.store.rehearsal(context.project));
            Arc::new(Session { operations: AtomicU32::new(0), rehearsal })
        });
        Arc::clone(session)
    }
}

#[async_trait]
impl HostCalls for Documents {
    async fn call(&self, context: &CallContext, method: &str, arguments: Bytes) -> Result<Bytes, HostError> {
        let session = self.session(context);
        if session.operations.fetch_add(1, Ordering::Relaxed) >= self.max_operations {
            let message = format!(
                "db.{method}: a call may make {} operations on documents (documents.operations_per_call); read and change \
                 several at once with findMany, updateMany and deleteMany",
                self.max_operations
            );
            return Err(HostError::new("QUOTA_EXCEEDED", message));
        }
        let arguments = serde_json::from_slice(&arguments).map_err(|error| {
            HostError::new("VALIDATION_ERROR", format!("db.{method}: the arguments are not JSON: {error}"))
        })?;
        let operation = Operation::parse(method, &arguments).map_err(|error| told(method, &error))?;
        let done = match &session.rehearsal {
            Some(rehearsal) => rehearsal.run(&operation, &self.quota).await,
            None => self.store.documents(context.project, &operation, &self.quota).await,
        };
        done.map(Bytes::from).map_err(|error| told(method, &error))
    }

    async fn ended(&self, context: &CallContext) {
        self.sessions.lock().remove(&context.invocation);
    }
}

/// What the function is told; the database's own words are for the log.
fn told(method: &str, error: &Error) -> HostError {
    let code = match error {
        Error::Invalid { .. } => "VALIDATION_ERROR",
        Error::Taken { .. } => "CONFLICT",
        Error::Quota { .. } => "QUOTA_EXCEEDED",
        Error::NoProject => "NOT_FOUND",
        Error::Database(cause) => {
            tracing::error!(
                error = cause as &dyn std::error::Error,
                method,
                "an operation on documents failed"
            );
            let message = format!("db.{method}: the database can't be used now; try again");
            return HostError::new("UNAVAILABLE", message);
        }
    };
    HostError::new(code, format!("db.{method}: {error}"))
}

#[cfg(test)]
mod tests {
    use cloudbox_store::EnvironmentKey;
    use cloudbox_types::{FunctionId, ProjectId};
    use serde_json::{Value, json};

    use super::*;

    fn context(is_test: bool) -> CallContext {
        CallContext {
            project: ProjectId(1),
            function: FunctionId(1),
            version: 1,
            invocation: InvocationId::generate(),
            is_test,
        }
    }

    async fn ask(
        documents: &Documents,
        context: &CallContext,
        method: &str,
        args: Value,
    ) -> Result<Value, String> {
        let arguments = json!({"entity": "users", "args": args}).to_string();
        let done = documents.call(context, method, arguments.into()).await;
        done.map(|text| serde_json::from_slice(&text).unwrap()).map_err(|error| error.code)
    }

    #[tokio::test]
    async fn a_dry_run_sees_its_own_changes_and_leaves_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cloudbox.db");
        let key = EnvironmentKey::from_base64(&format!("{}=", "A".repeat(43))).unwrap();
        let store = cloudbox_store::open(path.to_str().unwrap(), key).await.unwrap();
        let documents = Documents::new(Arc::clone(&store), Quota::default(), 3);
        let (real, dry) = (context(false), context(true));
        ask(&documents, &real, "create", json!([{"id": "1"}])).await.unwrap();
        ask(&documents, &dry, "create", json!([{"id": "2"}])).await.unwrap();
        assert_eq!(ask(&documents, &dry, "deleteMany", json!([{"id": "1"}])).await.unwrap(), 1);
        assert_eq!(ask(&documents, &dry, "findMany", json!([])).await.unwrap()[0]["id"], "2");
        assert_eq!(ask(&documents, &real, "count", json!([])).await.unwrap(), 1);

        // The third operation was the last one of either, until the invocation has ended.
        assert_eq!(ask(&documents, &dry, "count", json!([])).await.unwrap_err(), "QUOTA_EXCEEDED");
        assert_eq!(ask(&documents, &real, "drop", json!([])).await.unwrap_err(), "VALIDATION_ERROR");
        assert_eq!(ask(&documents, &real, "count", json!([])).await.unwrap_err(), "QUOTA_EXCEEDED");
        for context in [&dry, &real] {
            documents.ended(context).await;
        }
        assert!(documents.sessions.lock().is_empty());
        assert_eq!(ask(&documents, &dry, "findOne", json!([])).await.unwrap()["id"], "1");
        let odd = documents.call(&real, "count", Bytes::from_static(b"{")).await.unwrap_err();
        assert_eq!(odd.code, "VALIDATION_ERROR");
        store.close().await;
    }
}
