//! What running functions may ask of the service, by host calls.

use std::sync::Arc;

use cloudbox_dispatch::{Documents, Services};
use cloudbox_store::Store;

use crate::config::Config;

/// Every service, as the settings have it.
pub(super) fn open(config: &Config, store: &Arc<dyn Store>) -> Arc<Services> {
    let documents = &config.documents;
    let database = Documents::new(Arc::clone(store), documents.quota(), documents.operations_per_call);
    Arc::new(Services::default().with("db", database))
}
