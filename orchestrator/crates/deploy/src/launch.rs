//! What it takes to bring a version up: the same for the health check and for calls.

use std::path::Path;
use std::sync::Arc;

use cloudbox_bundles::Bundle;
use cloudbox_egress::{AllowList, Broker};
use cloudbox_protocol::Load;
use cloudbox_protocol::channel::ChannelLimits;
use cloudbox_protocol::message::FunctionInfo;
use cloudbox_sandbox::{AfterCall, CodeDir, Launch};
use cloudbox_types::{Function, Isolation, Version};

/// Bytes of the largest file that a function may write.
pub const MAX_FILE_BYTES: u64 = 64 << 20;

/// Where a sandbox has its code.
const WORKSPACE: &str = "/workspace";

/// How this version is brought up with the function's present settings. `code_dir` is the code store, absolute.
#[must_use]
pub fn launch_of(
    function: &Function,
    version: &Version,
    bundle: &Bundle,
    code_dir: &Path,
    channel: ChannelLimits,
) -> Launch {
    let settings = &function.settings;
    let code = code_dir.join(&version.digest);
    Launch {
        rootfs: bundle.run.clone(),
        program: bundle.program(&settings.limits),
        starts_before_code: bundle.starts_before_code(),
        out_of_memory_mark: bundle.out_of_memory_mark().map(str::to_owned),
        limits: settings.limits,
        max_file_bytes: MAX_FILE_BYTES,
        code: CodeDir { is_executable: may_execute(bundle, &code), path: code },
        seal: None,
        load: Load {
            nonce: String::new(),
            code_dir: WORKSPACE.to_owned(),
            main: version.main.clone(),
            entry_point: version.entry_point.clone(),
            handler_style: version.handler_style.clone(),
            isolation: settings.isolation,
            concurrency: settings.concurrency,
            env: function.variables(),
            function: FunctionInfo {
                id: function.id.0,
                name: settings.name.to_string(),
                project_id: function.project_id.0,
                version: version.number,
                memory_mb: settings.limits.memory_mb,
            },
        },
        channel,
        after_call: after_call(settings.isolation, bundle),
        egress: None,
    }
}

/// Opens the way out that the function's settings name, where the service has a broker.
pub fn open_egress(launch: &mut Launch, function: &Function, broker: Option<&Arc<Broker>>) {
    let Some(broker) = broker.filter(|_| !function.settings.egress.is_empty()) else { return };
    match AllowList::parse(&function.settings.egress) {
        Ok(list) => launch.egress = broker.gate(&list),
        // It was checked when it was set, by a service that knew more.
        Err(error) => tracing::warn!(function.id = %function.id, %error, "a function's egress can't be read"),
    }
    if let Some(gate) = &launch.egress {
        for (name, value) in gate.environment() {
            launch.load.env.entry(name.to_owned()).or_insert(value);
        }
    }
}

fn after_call(isolation: Isolation, bundle: &Bundle) -> AfterCall {
    match isolation {
        Isolation::Version => AfterCall::Keep,
        Isolation::Process if bundle.forks_calls() => AfterCall::Settle,
        Isolation::Process => AfterCall::Restart,
        Isolation::Invocation => AfterCall::End,
    }
}

/// Whether the kernel may map code as a program: a compiled function, or a package with a native library.
fn may_execute(bundle: &Bundle, code: &Path) -> bool {
    let has_packages = || bundle.install().is_some_and(|install| code.join(&install.result).is_dir());
    bundle.is_executable() || has_packages()
}
