//! Waiting for a store that can't be used for a while.

use std::time::Duration;

/// Between two tries on a store that can't be used.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// Asks until the store can be used.
pub(crate) async fn patiently<T, F>(mut ask: impl FnMut() -> F) -> Result<T, cloudbox_store::Error>
where
    F: Future<Output = Result<T, cloudbox_store::Error>>,
{
    loop {
        match ask().await {
            Err(error) if error.is_passing() => tokio::time::sleep(PAUSE).await,
            answered => return answered,
        }
    }
}
