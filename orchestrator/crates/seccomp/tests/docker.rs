//! Docker's profile, read as its daemon and libseccomp do, allows what the table allows, and nothing else.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::collections::BTreeMap;

use cloudbox_seccomp::{Action, Arch, Profile};
use proptest::prelude::*;
use serde_json::Value;

/// The rules of each call: what is done where all of the (argument, mask, value) hold.
type Rules = BTreeMap<String, Vec<(Vec<(usize, u64, u64)>, Option<u64>)>>;

struct Read {
    rules: Rules,
    otherwise: u64,
}

fn read(arch: Arch) -> Read {
    let profile: Value = serde_json::from_str(&Profile::get().docker(arch)).unwrap();
    let mut rules = Rules::new();
    for rule in profile["syscalls"].as_array().unwrap() {
        let arg = |arg: &Value| {
            assert_eq!(arg["op"], "SCMP_CMP_MASKED_EQ");
            let index = usize::try_from(arg["index"].as_u64().unwrap()).unwrap();
            (index, arg["value"].as_u64().unwrap(), arg["valueTwo"].as_u64().unwrap())
        };
        let args: Vec<_> = rule["args"].as_array().into_iter().flatten().map(arg).collect();
        let errno = match rule["action"].as_str().unwrap() {
            "SCMP_ACT_ALLOW" => None,
            "SCMP_ACT_ERRNO" => Some(rule["errnoRet"].as_u64().unwrap()),
            other => panic!("{other}"),
        };
        for name in rule["names"].as_array().unwrap() {
            rules.entry(name.as_str().unwrap().to_owned()).or_default().push((args.clone(), errno));
        }
    }
    Read { rules, otherwise: profile["defaultErrnoRet"].as_u64().unwrap() }
}

impl Read {
    /// None where it is allowed, else the error.
    fn verdict(&self, name: &str, args: &[u64; 6]) -> Option<u64> {
        let holds =
            |tests: &[(usize, u64, u64)]| tests.iter().all(|(at, mask, value)| args[*at] & mask == *value);
        let found = self.rules.get(name).into_iter().flatten().find(|(tests, _)| holds(tests));
        found.map_or(Some(self.otherwise), |(_, errno)| *errno)
    }

    fn agrees(&self, arch: Arch, number: u32, name: &str, args: &[u64; 6]) {
        let expected = Profile::get().verdict(arch, arch.audit_number(), number, args);
        let found = self.verdict(name, args);
        match expected {
            Action::Allow => assert_eq!(found, None, "{name} {args:x?}"),
            // What is refused for its arguments has the daemon's general error; the init's filter corrects it.
            Action::Refuse(errno) => {
                let is_for_its_arguments = self.rules.get(name).is_some_and(|rules| rules[0].1.is_none());
                let expected = if is_for_its_arguments { self.otherwise } else { u64::from(errno.number()) };
                assert_eq!(found, Some(expected), "{name} {args:x?}");
            }
            Action::Kill => panic!("{name} is no foreign call"),
        }
    }
}

#[test]
fn every_call_is_treated_as_the_table_says() {
    for arch in Arch::ALL {
        let read = read(arch);
        for (number, name) in arch.calls() {
            for value in [0, 1, 2, 3, 8, 16, 17, 38, 0x1000, 0x6000, 0x5412, 0x541C, 0x7E02_0000, u64::MAX] {
                read.agrees(arch, number, name, &[value; 6]);
            }
        }
    }
}

#[test]
fn the_upper_half_of_a_request_does_not_help() {
    let read = read(Arch::X86_64);
    for high in [0, 1, 0x8000_0000, 0xFFFF_FFFF_u64] {
        for request in [0x5412, 0x541C] {
            assert_eq!(read.verdict("ioctl", &[0, high << 32 | request, 0, 0, 0, 0]), Some(38));
        }
        assert_eq!(read.verdict("ioctl", &[0, high << 32 | 0x5401, 0, 0, 0, 0]), None);
    }
}

#[test]
fn it_is_for_one_architecture_and_of_a_size_that_fits_a_request() {
    for (arch, name) in [(Arch::X86_64, "SCMP_ARCH_X86_64"), (Arch::Aarch64, "SCMP_ARCH_AARCH64")] {
        let text = Profile::get().docker(arch);
        let profile: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(profile["architectures"], serde_json::json!([name]));
        assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
        assert!(text.len() < 32 << 10, "{} bytes", text.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn any_arguments_are_treated_as_the_table_says(
        args in prop::array::uniform6(prop_oneof![any::<u64>(), 0..64_u64, (0..0x1_0000_u64).prop_map(|low| low | 3 << 32)]),
    ) {
        for arch in Arch::ALL {
            let read = read(arch);
            for (number, name) in arch.calls() {
                read.agrees(arch, number, name, &args);
            }
        }
    }
}
