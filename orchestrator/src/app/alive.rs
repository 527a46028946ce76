//! Nodes on one database tell it that they live, and end the deployments of those that don't any more.

use std::time::Duration;

use cloudbox_deploy::Deployer;
use tokio::time::sleep;

/// Between two notes.
const NOTE_EVERY: Duration = Duration::from_secs(10);
/// A node that wasn't noted for so long is gone.
const SILENT: Duration = Duration::from_secs(60);

/// Notes that this node lives, until the runtime ends. Ends at once where the database is this node's own.
pub(super) async fn keep_noted(deployer: &Deployer) {
    let mut heard = Heard::default();
    loop {
        match deployer.note_alive().await {
            Ok(false) => return,
            Ok(true) => {
                if heard.again()
                    && let Err(error) = deployer.end_abandoned(SILENT).await
                {
                    tracing::debug!(%error, "deployments of nodes that are gone stay for now");
                }
            }
            Err(error) => {
                tracing::debug!(%error, "this node can't be noted");
                heard = Heard::default();
            }
        }
        sleep(NOTE_EVERY).await;
    }
}

/// How often in a row the database has heard of this node.
#[derive(Debug, Default)]
struct Heard(u32);

impl Heard {
    /// Counts one more; whether by now every node that lives was heard of. After an outage of the database none was, and
    /// who comes back first must not take the others for dead.
    fn again(&mut self) -> bool {
        self.0 = self.0.saturating_add(1);
        NOTE_EVERY * self.0 > SILENT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_judged_when_they_had_the_time_to_be_heard() {
        let mut heard = Heard::default();
        let judged = (0..8).map(|_| heard.again()).collect::<Vec<_>>();
        assert_eq!(judged, [false, false, false, false, false, false, true, true]);
    }
}
