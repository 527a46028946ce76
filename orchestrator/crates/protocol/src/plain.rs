//! The output of a plain program: no frames, only text.

use tokio::net::unix::pipe;

use crate::logs::Logs;

/// Reads until every process has closed its end.
pub async fn collect(output: &pipe::Receiver, logs: &mut Logs) {
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
