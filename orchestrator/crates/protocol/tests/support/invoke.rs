//! A call as tests send it: each says only what it is about.

use cloudbox_protocol::message::DataSource;
use cloudbox_protocol::{Invoke, ResultMode};

/// A POST to `/` whose result is wanted as it is, with a second of time.
pub fn invoke() -> Invoke {
    Invoke {
        nonce: String::new(),
        invocation_id: "i".to_owned(),
        mode: ResultMode::Raw,
        data: DataSource::Body,
        method: "POST".to_owned(),
        path: "/".to_owned(),
        base_path: String::new(),
        query: String::new(),
        headers: Vec::new(),
        timestamp: "2026-01-01T00:00:00Z".to_owned(),
        timeout_ms: 1000,
        max_response_bytes: 1 << 20,
        may_stream: false,
        has_upload: false,
        params: std::collections::BTreeMap::new(),
        deadline_ms: 0,
    }
}
