//! Host calls: which services functions may ask, and for whom they do something.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cloudbox_protocol::host::READ_BODY;
use cloudbox_protocol::{Host, HostError};
use cloudbox_types::{FunctionId, HostCall, InvocationId, ProjectId, Record};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::upload::Upload;

/// For whom a host call is: it has the rights of this function and no others, whatever its arguments say.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// The function's project.
    pub project: ProjectId,
    /// The function.
    pub function: FunctionId,
    /// The version that runs.
    pub version: i64,
    /// The call that it is made in.
    pub invocation: InvocationId,
    /// Whether the invocation may have no lasting effect.
    pub is_test: bool,
}

/// A service that functions may ask. Each method can be dropped half way, when the invocation ends.
#[async_trait]
pub trait HostCalls: Send + Sync + 'static {
    /// Carries out one call. `method` is what stands after the service's name, such as `findMany`; `arguments` is
    /// meant to be JSON, but comes from the sandbox as it is. The result is JSON.
    ///
    /// # Errors
    /// What the function is told in place of a result.
    async fn call(&self, context: &CallContext, method: &str, arguments: Bytes) -> Result<Bytes, HostError>;

    /// An invocation that made a call to any service has ended.
    async fn ended(&self, _context: &CallContext) {}
}

/// The services, by the part of a method's name before its first dot.
#[derive(Default)]
pub struct Services {
    by_name: BTreeMap<&'static str, Arc<dyn HostCalls>>,
}

impl Services {
    /// No service: every call is answered with an error.
    #[must_use]
    pub fn none() -> Arc<Self> {
        Arc::default()
    }

    /// With one more service, whose methods are `name.…`.
    #[must_use]
    pub fn with(mut self, name: &'static str, service: Arc<dyn HostCalls>) -> Self {
        self.by_name.insert(name, service);
        self
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_name.keys()).finish()
    }
}

/// The services as one invocation sees them.
pub(crate) struct InvocationHost {
    services: Arc<Services>,
    context: CallContext,
    upload: Option<Arc<Upload>>,
    is_used: AtomicBool,
    /// The first calls that were made.
    made: Mutex<Vec<HostCall>>,
}

impl InvocationHost {
    pub(crate) fn new(
        services: &Arc<Services>,
        context: CallContext,
        upload: Option<Arc<Upload>>,
    ) -> Arc<Self> {
        let (services, is_used) = (Arc::clone(services), AtomicBool::new(false));
        Arc::new(Self { services, context, upload, is_used, made: Mutex::default() })
    }

    /// What was asked and answered, for the record.
    pub(crate) fn take_made(&self) -> Vec<HostCall> {
        std::mem::take(&mut *self.made.lock())
    }

    fn note(&self, name: &str, took: Duration, code: Option<&str>) {
        let mut made = self.made.lock();
        if made.len() < Record::MAX_HOST_CALLS {
            let (name, code) = (name.to_owned(), code.map(str::to_owned));
            made.push(HostCall { name, duration_ms: took.as_secs_f64() * 1000.0, code });
        }
    }

    /// Tells the services of the end, where one was asked.
    pub(crate) async fn end(&self) {
        if self.is_used.load(Ordering::Acquire) {
            for service in self.services.by_name.values() {
                service.ended(&self.context).await;
            }
        }
    }
}

#[async_trait]
impl Host for InvocationHost {
    async fn call(&self, method: &str, arguments: Bytes) -> Result<Bytes, HostError> {
        if let Some(upload) = self.upload.as_ref().filter(|_| method == READ_BODY) {
            return upload.read().await;
        }
        let found =
            method.split_once('.').and_then(|(name, rest)| Some((self.services.by_name.get(name)?, rest)));
        let Some((service, rest)) = found else { return Err(HostError::unknown_method(method)) };
        self.is_used.store(true, Ordering::Release);
        let began = Instant::now();
        let answered = service.call(&self.context, rest, arguments).await;
        self.note(method, began.elapsed(), answered.as_ref().err().map(|error| error.code.as_str()));
        answered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo;

    #[async_trait]
    impl HostCalls for Echo {
        async fn call(
            &self,
            context: &CallContext,
            method: &str,
            arguments: Bytes,
        ) -> Result<Bytes, HostError> {
            Ok(format!("{} {method} {arguments:?}", context.project).into())
        }
    }

    #[tokio::test]
    async fn a_method_finds_its_service() {
        let context = CallContext {
            project: ProjectId(7),
            function: FunctionId(1),
            version: 1,
            invocation: InvocationId::generate(),
            is_test: false,
        };
        let host =
            InvocationHost::new(&Arc::new(Services::default().with("echo", Arc::new(Echo))), context, None);
        assert_eq!(host.call("echo.a.b", "1".into()).await.unwrap(), "7 a.b b\"1\"");
        let made: Vec<_> = host.take_made().into_iter().map(|call| (call.name, call.code)).collect();
        assert_eq!(made, [("echo.a.b".to_owned(), None)]);
        for unknown in ["echo", "other.a", ".echo.a", "", READ_BODY] {
            assert_eq!(host.call(unknown, Bytes::new()).await.unwrap_err().code, "UNKNOWN_METHOD");
        }
    }
}
