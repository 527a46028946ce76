//! Layers, unknown keys, ranges, and what a printed configuration shows.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::*;

/// Loads from a file's text, variables and flags.
fn load(file: &str, variables: &[(&str, &str)], args: ServeArgs) -> Result<Config, Error> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloudbox.toml");
    std::fs::write(&path, file).unwrap();
    let variables: HashMap<_, _> = variables.iter().copied().collect();
    let args = ServeArgs { config: Some(path), ..args };
    Config::load(&args, &|name| variables.get(name).map(|&value| value.to_owned()))
}

fn refused(file: &str, variables: &[(&str, &str)]) -> String {
    load(file, variables, ServeArgs::default()).unwrap_err().to_string()
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let config = load("", &[], ServeArgs::default()).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.data_dir, PathBuf::from("data"));
    assert_eq!(config.sandbox, SandboxChoice::Auto);
    assert_eq!(config.limits.max_request_bytes, 6 << 20);
    assert!(config.database_url.is_none() && config.admin_token.is_none());
}

#[test]
fn flags_win_over_variables_over_the_file() {
    let file = "listen = \"127.0.0.1:1\"\nsandbox = \"docker\"\n[pool]\nqueue_len = 1\nqueue_wait_s = 9";
    let variables = [
        ("CLOUDBOX_LISTEN", "127.0.0.1:2"),
        ("CLOUDBOX_SANDBOX", "native"),
        ("CLOUDBOX_POOL_QUEUE_LEN", "2"),
    ];
    let args = ServeArgs { listen: Some("127.0.0.1:3".to_owned()), ..ServeArgs::default() };
    let config = load(file, &variables, args).unwrap();
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.sandbox, SandboxChoice::Native);
    assert_eq!((config.pool.queue_len, config.pool.queue_wait_s), (2, 9));
}

#[test]
fn functions_may_be_given_other_ranges() {
    let file = "[limits]\nmemory = { max = 4096 }\ncpu = { min = 0.1 }";
    let variables = [("CLOUDBOX_LIMITS_PIDS_MAX", "128"), ("CLOUDBOX_LIMITS_CPU_MAX", "2")];
    let ranges = load(file, &variables, ServeArgs::default()).unwrap().limits.ranges();
    assert_eq!((ranges.memory_mb, ranges.pids), (64..=4096, 16..=128));
    assert_eq!((ranges.cpu_millis, ranges.timeout_s), (100..=2000, 1..=300));
}

#[test]
fn our_own_variable_wins_over_a_borrowed_one() {
    let borrowed = [("DATABASE_URL", "postgres://other")];
    let config = load("", &borrowed, ServeArgs::default()).unwrap();
    assert_eq!(config.database_url.unwrap().expose(), "postgres://other");
    let both = [("DATABASE_URL", "postgres://other"), ("CLOUDBOX_DATABASE_URL", "postgres://ours")];
    let config = load("", &both, ServeArgs::default()).unwrap();
    assert_eq!(config.database_url.unwrap().expose(), "postgres://ours");
}

#[test]
fn unknown_keys_are_named() {
    assert!(refused("lisen = \"x\"", &[]).contains("lisen"));
    let nested = refused("[pool]\nqueue_length = 1", &[]);
    assert!(nested.contains("queue_length"), "{nested}");
    let section = refused("[pol]\nqueue_len = 1", &[]);
    assert!(section.contains("pol"), "{section}");
}

#[test]
fn unknown_variables_are_named() {
    let known =
        ["CLOUDBOX_LISTEN", "CLOUDBOX_HTTP_IDLE_TIMEOUT_S", "CLOUDBOX_TOKEN", "CLOUDBOX_PORT_8080_TCP"];
    check_variables(known).unwrap();
    for unknown in ["CLOUDBOX_LISTN", "CLOUDBOX_POOL", "CLOUDBOX_", "CLOUDBOX_listen"] {
        let error = check_variables([known[0], unknown]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("setting {unknown}: ")), "{error}");
    }
}

#[test]
fn wrong_types_and_ranges_name_the_key() {
    for (file, key) in [
        ("listen = \"here\"", "listen"),
        ("sandbox = \"podman\"", "sandbox"),
        ("[pool]\nqueue_len = \"many\"", "pool.queue_len"),
        ("[pool]\nqueue_wait_s = 301", "pool.queue_wait_s"),
        ("[limits]\nmax_request_bytes = 0", "limits.max_request_bytes"),
        ("[limits]\ntotal_pids = 0", "limits.total_pids"),
        ("[limits]\nmemory = { max = 8 }", "limits.memory.max"),
        ("[limits]\nmemory = { most = 8 }", "limits.memory"),
        ("[limits]\ncpu = { min = 2.0, max = 1.0 }", "limits.cpu"),
        ("[limits]\ntimeout = { min = 0 }", "limits.timeout.min"),
        ("[builds]\ncpu = 0.0", "builds.cpu"),
        ("database_url = \"mysql://x\"", "database_url"),
        ("storage_url = \"gs://bucket\"", "storage_url"),
        ("public_url = \"example.org\"", "public_url"),
        ("[egress]\nallowed = [\"https://a.b\"]", "egress.allowed"),
        ("[egress]\nallow_private = [\"10.0.0.1/40\"]", "egress.allow_private"),
        ("[egress.hosts]\n\"a.b\" = \"c.d\"", "egress.hosts"),
        ("[egress.hosts]\n\"a b\" = \"10.0.0.1\"", "egress.hosts.a b"),
        ("[egress]\nmax_connections = 0", "egress.max_connections"),
        ("pool = 3", "pool"),
    ] {
        let error = refused(file, &[]);
        assert!(error.contains(key), "{file}: {error}");
    }
    let error = refused("", &[("CLOUDBOX_POOL_MAX_SANDBOXES", "0")]);
    assert_eq!(error, "setting pool.max_sandboxes: is 0, must be from 1 to 100000");
}

#[test]
fn files_that_are_missing_or_no_toml_are_named() {
    assert!(refused("listen =", &[]).contains("is not TOML"));
    let args = ServeArgs { config: Some(PathBuf::from("no/such/file.toml")), ..ServeArgs::default() };
    let error = Config::load(&args, &|_| None).unwrap_err().to_string();
    assert!(error.contains("no/such/file.toml"), "{error}");
}

#[test]
fn admin_tokens_that_no_header_can_carry_are_refused() {
    assert!(refused("", &[("CLOUDBOX_ADMIN_TOKEN", "with a space")]).contains("CLOUDBOX_ADMIN_TOKEN"));
}

#[test]
fn a_printed_configuration_shows_no_secret() {
    let variables = [
        ("CLOUDBOX_ADMIN_TOKEN", "canary-token"),
        ("CLOUDBOX_SECRET_KEY", "canary-key"),
        ("CLOUDBOX_DATABASE_URL", "postgres://user:canary-password@host/db"),
    ];
    let file = "[builds.env]\nNPM_TOKEN = \"canary-registry\"";
    let config = load(file, &variables, ServeArgs::default()).unwrap();
    let mut printed = String::new();
    write!(printed, "{config:?}").unwrap();
    assert!(!printed.contains("canary") && printed.contains("NPM_TOKEN"), "{printed}");
}

#[test]
fn the_way_out_can_be_switched_off() {
    let broker = |file: &str, variables: &[(&str, &str)]| {
        load(file, variables, ServeArgs::default()).unwrap().egress.broker().unwrap()
    };
    assert!(broker("", &[]).is_some());
    assert!(broker("[egress]\nallowed = []\nallow_private = [\"10.0.0.0/8\"]", &[]).is_some());
    assert!(broker("[egress]\nenabled = false", &[]).is_none());
    assert!(broker("", &[("CLOUDBOX_EGRESS_ENABLED", "0")]).is_none());
}
