//! The output of a plain program: no frames, only text.

use tokio::net::unix::pipe;

use crate::logs::Logs;

/// Reads until every process has closed its end; `heard` is told of all of it as it comes, also of what `logs` has no room
/// for.
pub async fn collect(output: &pipe::Receiver, logs: &mut Logs, heard: &mut (dyn FnMut(&[u8]) + Send)) {
    let mut step = [0; 16 << 10];
    loop {
        if output.readable().await.is_err() {
            return;
        }
        match output.try_read(&mut step) {
            Ok(0) => return,
            Ok(len) => {
                heard(&step[..len]);
                logs.push(&step[..len]);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
