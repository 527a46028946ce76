//! The output of a plain program: no frames, only text.

use cloudbox_protocol::Logs;
use tokio::net::unix::pipe;

/// Reads until every process has closed its end.
pub(crate) async fn collect(output: &pipe::Receiver, logs: &mut Logs) {
    let mut step = [0; 16 << 10];
    loop {
        if output.readable().await.is_err() {
            return;
        }
        match output.try_read(&mut step) {
            Ok(0) => return,
            Ok(len) => logs.push(&step[..len]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
