//! What freezing and thawing a sandbox costs: `cargo run -p cloudbox-cgroup --example freeze -- PID`, as root, with
//! the id of a process of an idle sandbox, in a container or not.

#![expect(clippy::print_stdout, reason = "what it measured is all that it is for")]

use std::time::Duration;

use cloudbox_cgroup::hierarchy::Hierarchy;
use tokio::time::Instant;

const ROUNDS: usize = 1000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pid = std::env::args().nth(1).ok_or("which process?")?.parse()?;
    let group = Hierarchy::detect()?.of_process(pid)?;
    let mut took = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        let began = Instant::now();
        group.freeze(true)?;
        took[0].push(began.elapsed());
        // So long that it is frozen.
        while began.elapsed() < Duration::from_micros(200) {
            std::hint::spin_loop();
        }
        let began = Instant::now();
        group.freeze(false)?;
        took[1].push(began.elapsed());
        let began = Instant::now();
        group.tasks()?;
        took[2].push(began.elapsed());
        let began = Instant::now();
        group.stats()?;
        took[3].push(began.elapsed());
    }
    for (what, mut times) in ["freeze", "thaw", "tasks", "stats"].into_iter().zip(took) {
        times.sort();
        println!("{what}: {:?} at the median, {:?} at p99", times[ROUNDS / 2], times[ROUNDS * 99 / 100]);
    }
    println!("of {} tasks", group.tasks()?);
    Ok(())
}
