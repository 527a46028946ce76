//! The self-test of each driver, and which of them the service would take.

use std::path::Path;

use cloudbox_sandbox::{Error, Instance, Layer};
use cloudbox_types::with_causes;

use super::{Check, State};
use crate::app::{self, Driver, DriverSettings};
use crate::config::{Config, SandboxChoice};

/// What came of both.
pub(super) struct Drivers {
    pub checks: Vec<Check>,
    /// Whether the service would have a driver.
    pub has_choice: bool,
}

/// How a driver is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Usable,
    /// It lacks a mandatory layer, or fails.
    Refused,
    /// There is none.
    Absent,
}

/// Tries both, in folders of their own.
pub(super) async fn checks(config: &Config, room: &Path) -> Drivers {
    let Ok(init) = app::init_path(config) else { return Drivers { checks: Vec::new(), has_choice: false } };
    let mut checks = Vec::new();
    let mut verdicts = Vec::new();
    for (choice, group) in [(SandboxChoice::Docker, "docker"), (SandboxChoice::Native, "native")] {
        let settings = DriverSettings {
            instance: Instance {
                id: format!("doctor-{:08x}", rand::random::<u32>()),
                boot: "doctor".to_owned(),
                run_dir: room.join(group),
            },
            docker_host: config.docker_host.clone(),
            last_used: room.join("driver"),
            init: init.clone(),
            ceiling: app::ceiling(config),
            // To see all that is missing, and not the first of it.
            is_weak_allowed: true,
        };
        let opened = Driver::open(choice, &settings).await;
        let verdict = match opened {
            Ok(driver) => {
                let layers = driver.shared().layers();
                driver.close().await;
                checks.extend(layers.iter().map(|layer| of_layer(group, layer)));
                let is_weak = layers.iter().any(Layer::is_refused) && !config.allow_weak_sandbox;
                if is_weak { Verdict::Refused } else { Verdict::Usable }
            }
            Err(error @ Error::Unavailable { .. }) => {
                let is_needed = config.sandbox == choice;
                let state = if is_needed { State::Missing } else { State::Warning };
                checks.push(Check::new(group, "driver", state, with_causes(&error)));
                Verdict::Absent
            }
            Err(error) => {
                checks.push(Check::new(group, "driver", State::Missing, with_causes(&error)));
                Verdict::Refused
            }
        };
        verdicts.push(verdict);
    }
    Drivers { checks, has_choice: has_choice(config.sandbox, verdicts[0], verdicts[1]) }
}

/// As the service chooses: `auto` takes the native driver where there is no daemon, and not where one is too weak.
pub(super) fn has_choice(choice: SandboxChoice, docker: Verdict, native: Verdict) -> bool {
    match choice {
        SandboxChoice::Docker => docker == Verdict::Usable,
        SandboxChoice::Native => native == Verdict::Usable,
        SandboxChoice::Auto if docker == Verdict::Absent => native == Verdict::Usable,
        SandboxChoice::Auto => docker == Verdict::Usable,
    }
}

fn of_layer(group: &'static str, layer: &Layer) -> Check {
    let state = match (layer.is_active(), layer.is_mandatory) {
        (true, _) => State::Ok,
        (false, false) => State::Warning,
        (false, true) => State::Missing,
    };
    Check::new(group, layer.name, state, layer.detail.clone())
}
