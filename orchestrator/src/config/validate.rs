//! Ranges of settings, and what can only be told from several of them.

use std::ops::RangeInclusive;

use cloudbox_types::limits::MOST_PIDS;

use super::{Config, Egress, Error, Limits};

/// Bytes of a body: a request is held in memory, so a gigabyte is a mistake.
const BODY_BYTES: RangeInclusive<u64> = 1024..=(256 << 20);

pub(super) fn check(config: &Config) -> Result<(), Error> {
    let limits = &config.limits;
    within("limits.max_request_bytes", limits.max_request_bytes as u64, &BODY_BYTES)?;
    within("limits.max_response_bytes", limits.max_response_bytes as u64, &BODY_BYTES)?;
    within("limits.max_stream_bytes", limits.max_stream_bytes, &(1024..=(1 << 40)))?;
    within("limits.max_log_bytes", limits.max_log_bytes as u64, &(1024..=(64 << 20)))?;
    functions(limits)?;
    let pool = &config.pool;
    if let Some(budget) = pool.memory_budget_mb {
        within("pool.memory_budget_mb", budget, &(64..=(1 << 24)))?;
    }
    within("pool.max_sandboxes", pool.max_sandboxes as u64, &(1..=100_000))?;
    within("pool.project_percent", pool.project_percent.into(), &(1..=100))?;
    within("pool.queue_len", pool.queue_len as u64, &(0..=100_000))?;
    within("pool.queue_wait_s", pool.queue_wait_s, &(0..=300))?;
    within("pool.start_timeout_s", pool.start_timeout_s, &(1..=600))?;
    within("pool.idle_timeout_s", pool.idle_timeout_s, &(1..=86_400))?;
    within("pool.freeze_after_ms", pool.freeze_after_ms, &(1..=60_000))?;
    let builds = &config.builds;
    within("builds.timeout_s", builds.timeout_s, &(1..=3600))?;
    within("builds.memory_mb", builds.memory_mb.into(), &(64..=65_536))?;
    within("builds.pids", builds.pids.into(), &(16..=4096))?;
    within("builds.disk_mb", builds.disk_mb.into(), &(16..=65_536))?;
    within("builds.parallel", builds.parallel as u64, &(1..=64))?;
    within("builds.queue_len", builds.queue_len as u64, &(0..=10_000))?;
    within("builds.deployment_timeout_s", builds.deployment_timeout_s, &(1..=86_400))?;
    within("builds.artefact_mb", builds.artefact_mb, &(1..=65_536))?;
    within("builds.artefact_files", builds.artefact_files as u64, &(1..=1_000_000))?;
    within("builds.output_kb", builds.output_kb as u64, &(1..=65_536))?;
    if !(0.05..=64.0).contains(&builds.cpu) {
        return wrong("builds.cpu", format!("is {}, must be from 0.05 to 64 (cores)", builds.cpu));
    }
    if let Some(most) = config.images.max_mb {
        within("images.max_mb", most, &(1..=(1 << 20)))?;
    }
    if config.images.run && !config.images.dockerfiles {
        return wrong("images.run", "is for Dockerfiles: set images.dockerfiles = true, too");
    }
    within("drain_timeout_s", config.drain_timeout_s, &(0..=3600))?;
    http(config)?;
    within("records.spool_mb", config.records.spool_mb, &(1..=1_000_000))?;
    within("records.keep_days", config.records.keep_days.into(), &(0..=3650))?;
    let documents = &config.documents;
    within("documents.per_project", documents.per_project, &(0..=100_000_000))?;
    within("documents.bytes_per_project", documents.bytes_per_project, &(0..=(1 << 40)))?;
    // A host call brings at most 1 MiB.
    within("documents.bytes_per_document", documents.bytes_per_document, &(1..=(1 << 20)))?;
    within("documents.operations_per_call", documents.operations_per_call.into(), &(1..=10_000))?;
    egress(&config.egress)?;
    urls(config)?;
    secrets(config)
}

fn egress(egress: &Egress) -> Result<(), Error> {
    within("egress.max_connections", egress.max_connections as u64, &(1..=1000))?;
    within("egress.max_mb", egress.max_mb, &(1..=(1 << 20)))?;
    within("egress.idle_timeout_s", egress.idle_timeout_s, &(1..=86_400))?;
    within("egress.connect_timeout_s", egress.connect_timeout_s, &(1..=300))?;
    egress.broker().map(drop)
}

/// The ranges that an operator may give functions: as wide as machines are, and none of them empty.
fn functions(limits: &Limits) -> Result<(), Error> {
    if let Some(total) = limits.total_memory_mb {
        within("limits.total_memory_mb", total, &(256..=(1 << 24)))?;
    }
    within("limits.total_pids", limits.total_pids.into(), &(64..=(1 << 22)))?;
    for (key, cores) in [("limits.cpu.min", limits.cpu.min), ("limits.cpu.max", limits.cpu.max)] {
        if cores.is_some_and(|cores| !(0.01..=1024.0).contains(&cores)) {
            return wrong(key, "must be from 0.01 to 1024 (cores)");
        }
    }
    let ranges = limits.ranges();
    for (key, range, widest) in [
        ("limits.timeout", &ranges.timeout_s, 1..=3600),
        ("limits.memory", &ranges.memory_mb, 16..=(1 << 20)),
        ("limits.cpu", &ranges.cpu_millis, 10..=1_024_000),
        ("limits.tmp_mb", &ranges.tmp_mb, 1..=(1 << 20)),
        ("limits.pids", &ranges.pids, 8..=MOST_PIDS.into()),
    ] {
        within(&format!("{key}.min"), (*range.start()).into(), &widest)?;
        within(&format!("{key}.max"), (*range.end()).into(), &widest)?;
        if range.is_empty() {
            return wrong(key, "has a min that is above its max");
        }
    }
    Ok(())
}

fn http(config: &Config) -> Result<(), Error> {
    let http = &config.http;
    for (key, count) in [
        ("http.max_connections", http.max_connections),
        ("http.max_connections_per_address", http.max_connections_per_address),
        ("http.max_requests", http.max_requests),
        ("http.max_calls_per_project", http.max_calls_per_project),
    ] {
        within(key, count as u64, &(1..=1_000_000))?;
    }
    // One request must fit, else none is ever taken.
    let held = config.limits.max_request_bytes as u64..=(1 << 40);
    within("http.max_body_bytes_held", http.max_body_bytes_held as u64, &held)?;
    for (key, seconds) in [
        ("http.request_head_timeout_s", http.request_head_timeout_s),
        ("http.request_body_timeout_s", http.request_body_timeout_s),
        ("http.request_body_idle_timeout_s", http.request_body_idle_timeout_s),
        ("http.response_idle_timeout_s", http.response_idle_timeout_s),
        ("http.idle_timeout_s", http.idle_timeout_s),
    ] {
        within(key, seconds, &(1..=3600))?;
    }
    Ok(())
}

fn urls(config: &Config) -> Result<(), Error> {
    if let Some(url) = config.database_url.as_ref().map(|url| url.expose().as_str())
        && !["postgres://", "postgresql://", "sqlite:"].iter().any(|scheme| url.starts_with(scheme))
    {
        return wrong("database_url", "must begin with postgres:// or sqlite:");
    }
    if let Some(url) = &config.storage_url
        && !["/", "file:///", "s3://"].iter().any(|start| url.starts_with(start))
    {
        return wrong("storage_url", "must be s3://bucket/prefix, file:///folder or an absolute folder");
    }
    within("storage.timeout_s", config.storage.timeout_s, &(1..=3600))?;
    within("storage.gc_interval_s", config.storage.gc_interval_s, &(0..=31_536_000))?;
    within("storage.gc_grace_s", config.storage.gc_grace_s, &(0..=31_536_000))?;
    let public = &config.public_url;
    if !["http://", "https://"].iter().any(|scheme| public.is_empty() || public.starts_with(scheme)) {
        return wrong("public_url", "must begin with http:// or https://");
    }
    if public.ends_with('/') {
        return wrong("public_url", "must not end with a slash");
    }
    Ok(())
}

fn secrets(config: &Config) -> Result<(), Error> {
    let token = config.admin_token.as_ref().map(|token| token.expose().as_bytes());
    if token.is_some_and(|token| !token.iter().all(u8::is_ascii_graphic)) {
        return wrong("CLOUDBOX_ADMIN_TOKEN", "must be printable ASCII without spaces");
    }
    Ok(())
}

fn within(key: &str, value: u64, range: &RangeInclusive<u64>) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    wrong(key, format!("is {value}, must be from {} to {}", range.start(), range.end()))
}

fn wrong(key: &str, why: impl Into<String>) -> Result<(), Error> {
    Err(Error::Wrong { key: key.to_owned(), why: why.into() })
}
