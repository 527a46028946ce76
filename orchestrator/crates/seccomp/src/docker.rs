//! The table as Docker's profile.

use serde_json::{Value, json};

use crate::blocks::{self, Block};
use crate::profile::{Family, Test, UNKNOWN};
use crate::{Action, Arch, Errno, Profile};

impl Profile {
    /// For `--security-opt seccomp=…` of a daemon on a machine with this architecture: JSON, about 20 KB.
    ///
    /// It allows exactly what [`Profile::verdict`] allows. What it can't say: daemons before 23 answer what is not in it
    /// with EPERM, as do all with a call whose arguments are not allowed, and old ones of libseccomp end a thread in place
    /// of a process. So the init loads the [`crate::Program`] over it: of two filters that refuse, the later one's error counts.
    #[must_use]
    pub fn docker(&self, arch: Arch) -> String {
        let rules: Vec<Value> = self.families().iter().flat_map(rules).collect();
        let profile = json!({
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": number(UNKNOWN),
            "architectures": [arch.docker_name()],
            "syscalls": rules,
        });
        profile.to_string()
    }
}

/// One rule where there is nothing to test, else one for each way to pass all tests.
fn rules(family: &Family) -> Vec<Value> {
    let names: Vec<&str> = family.calls().collect();
    match family.action() {
        Action::Allow => ways(&family.when)
            .into_iter()
            .map(|args| json!({"names": names, "action": "SCMP_ACT_ALLOW", "args": args}))
            .collect(),
        refused => vec![json!({"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": number(refused)})],
    }
}

const fn number(action: Action) -> u16 {
    match action {
        Action::Refuse(errno) => errno.number(),
        _ => Errno::Eperm.number(),
    }
}

/// Every choice of one block per test.
fn ways(tests: &[Test]) -> Vec<Vec<Value>> {
    tests.iter().fold(vec![Vec::new()], |ways, test| {
        let blocks = if test.not.is_empty() {
            blocks::of(test.mask, &test.is)
        } else {
            blocks::of_all_but(test.mask, &test.not)
        };
        let with = |way: &Vec<Value>, block: &Block| {
            let arg = json!({
                "index": test.arg,
                "op": "SCMP_CMP_MASKED_EQ",
                "value": block.mask,
                "valueTwo": block.value,
            });
            way.iter().cloned().chain([arg]).collect::<Vec<_>>()
        };
        ways.iter().flat_map(|way| blocks.iter().map(|block| with(way, block)).collect::<Vec<_>>()).collect()
    })
}
