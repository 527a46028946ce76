//! Two peers of the benches, each on a port of its own that it prints: axum that answers by itself (`bench-peer alone`),
//! and axum in front of bare processes over pipes (`bench-peer pipes N COMMAND…`), which is the least that a service of
//! our shape can cost: no isolation, no limits, no records, no authorisation.

mod alone;
mod pipes;

use std::io::Write as _;

use anyhow::{Context as _, bail};
use axum::Router;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let router = match *words.as_slice() {
        ["alone"] => alone::router(),
        ["pipes", count, ref command @ ..] if !command.is_empty() => {
            pipes::router(count.parse().context("the number of processes")?, command)?
        }
        _ => bail!("usage: bench-peer alone | bench-peer pipes N COMMAND…"),
    };
    serve(router).await
}

async fn serve(router: Router) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?.port())?;
    axum::serve(listener, router).await.context("serving")
}
