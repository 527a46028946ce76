//! The filter program, run by a machine of its own, does what the table says: for every number and for the arguments at
//! which the table changes its mind.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use cloudbox_seccomp::{Action, Arch, Instruction, Profile, Program};
use proptest::prelude::*;

/// Runs a filter over a call's description, as the kernel does: words, little endian.
fn run(program: &[Instruction], arch: u32, number: u32, args: &[u64; 6]) -> u32 {
    let mut data = [number.to_le_bytes(), arch.to_le_bytes()].concat();
    data.extend([0; 8]);
    data.extend(args.iter().flat_map(|arg| arg.to_le_bytes()));
    let (mut at, mut accumulator) = (0, 0);
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        let jump = |holds: bool| usize::from(if holds { jt } else { jf });
        at += 1;
        match code {
            0x20 => {
                let start = k as usize;
                accumulator = u32::from_le_bytes(data[start..start + 4].try_into().unwrap());
            }
            0x54 => accumulator &= k,
            0x05 => at += k as usize,
            0x15 => at += jump(accumulator == k),
            0x35 => at += jump(accumulator >= k),
            0x06 => return k,
            other => panic!("no such instruction: {other:#x}"),
        }
    }
}

fn agrees(arch: Arch, program: &Program, foreign: u32, number: u32, args: &[u64; 6]) {
    let expected = Profile::get().verdict(arch, foreign, number, args).return_value();
    let found = run(program.instructions(), foreign, number, args);
    assert_eq!(found, expected, "{foreign:#x} {number} {args:x?}: {found:#x} and not {expected:#x}");
}

/// Values around which the table changes its mind, and their neighbours.
const TELLING: [u64; 24] = [
    0,
    1,
    2,
    3,
    8,
    10,
    16,
    17,
    35,
    38,
    40,
    0x1000,
    0x2000,
    0x5412,
    0x541C,
    0x8000,
    0xC000,
    0x2_0000,
    0x2_0008,
    0x7E02_0000,
    0x1000_0011,
    0x5961_6D61,
    0xFFFF_FFFF,
    0x1_0000_5412,
];

#[test]
fn every_number_is_treated_as_the_table_says() {
    for arch in Arch::ALL {
        let program = Program::new(Profile::get(), arch);
        let native = arch.audit_number();
        for number in (0..520).chain(0x3FFF_FFFE..0x4000_0020).chain(u32::MAX - 9..=u32::MAX) {
            for value in TELLING {
                agrees(arch, &program, native, number, &[value; 6]);
            }
            for foreign in [0, 0x4000_0003, 0x4000_0028, native ^ 0x8000_0000] {
                agrees(arch, &program, foreign, number, &[0; 6]);
            }
        }
    }
}

#[test]
fn sockets_are_tested_in_all_three_arguments() {
    for arch in Arch::ALL {
        let program = Program::new(Profile::get(), arch);
        let (number, _) = arch.calls().find(|(_, name)| *name == "socket").unwrap();
        for domain in 0..46 {
            for kind in [0, 1, 2, 3, 4, 5, 10, 1 | 0o2_000_000, 3 | 0o4_000] {
                for protocol in [0, 1, 6, 17, 58, 132, 255, 262] {
                    agrees(arch, &program, arch.audit_number(), number, &[domain, kind, protocol, 0, 0, 0]);
                }
            }
        }
    }
}

#[test]
fn a_program_is_short_and_jumps_forward_only_to_its_end() {
    for arch in Arch::ALL {
        let program = Program::new(Profile::get(), arch);
        let code = program.instructions();
        assert!(code.len() < 800, "{} instructions", code.len());
        for (at, step) in code.iter().enumerate() {
            let furthest = match step.code {
                0x05 => step.k as usize,
                _ => usize::from(step.jt.max(step.jf)),
            };
            assert!(at + furthest < code.len(), "instruction {at} jumps out");
        }
        assert_eq!(code.last().unwrap().code, 0x06, "it ends with a return");
        let words = program.to_words();
        assert_eq!(words.len(), code.len());
        assert_eq!(words[2], 0x0006_0000_0000_0000 | u64::from(Action::Kill.return_value()));
    }
}

/// The kernel runs no filter for a call that is always allowed, where the filter does not look at arguments before.
#[test]
fn plain_calls_are_decided_without_arguments() {
    for arch in Arch::ALL {
        let program = Program::new(Profile::get(), arch);
        for name in ["read", "write", "futex", "epoll_pwait", "mmap", "clock_gettime"] {
            let (number, _) = arch.calls().find(|(_, known)| *known == name).unwrap();
            let without_arguments: Vec<_> = program
                .instructions()
                .iter()
                .map(|step| match step {
                    Instruction { code: 0x20, k, .. } if *k >= 16 => Instruction { code: 0, ..*step },
                    other => *other,
                })
                .collect();
            let found = run(&without_arguments, arch.audit_number(), number, &[0; 6]);
            assert_eq!(found, Action::Allow.return_value(), "{name}");
        }
    }
}

proptest! {
    #[test]
    fn any_call_is_treated_as_the_table_says(
        number in prop_oneof![0..480_u32, any::<u32>()],
        args in prop::array::uniform6(prop_oneof![any::<u64>(), prop::sample::select(TELLING.to_vec())]),
    ) {
        for arch in Arch::ALL {
            let program = Program::new(Profile::get(), arch);
            agrees(arch, &program, arch.audit_number(), number, &args);
        }
    }
}
