//! The table as a program for the kernel's packet filter machine.
//!
//! The numbers are cut into runs that are treated alike, and a tree of comparisons leads to each. For plain calls
//! the program looks at architecture and number only, so the kernel finds out once that they are always allowed (its
//! cache of 5.11) and runs no filter for them.

use crate::profile::{Family, Test, UNKNOWN};
use crate::{Action, Arch, Profile};

/// One instruction (`struct sock_filter`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What is done.
    pub code: u16,
    /// How many instructions are skipped where a comparison holds.
    pub jt: u8,
    /// How many where it does not.
    pub jf: u8,
    /// Its constant.
    pub k: u32,
}

/// A filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program(Vec<Instruction>);

/// `BPF_LD | BPF_W | BPF_ABS`: a word of the call's description.
const LOAD: u16 = 0x20;
/// `BPF_ALU | BPF_AND | BPF_K`.
const AND: u16 = 0x54;
/// `BPF_JMP | BPF_JA`.
const JUMP: u16 = 0x05;
/// `BPF_JMP | BPF_JEQ | BPF_K`.
const EQUAL: u16 = 0x15;
/// `BPF_JMP | BPF_JGE | BPF_K`.
const AT_LEAST: u16 = 0x35;
/// `BPF_RET | BPF_K`.
const RETURN: u16 = 0x06;

/// Where a call's description (`struct seccomp_data`) has its number, its architecture and its arguments.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGS: u32 = 16;

/// The most that the kernel takes (`BPF_MAXINSNS`).
const LONGEST: usize = 4096;

/// A run of numbers, from this one up to the next run.
struct Run<'a> {
    from: u32,
    leaf: Leaf<'a>,
}

enum Leaf<'a> {
    Always(Action),
    Tested(&'a Family),
}

impl Program {
    /// The filter of a machine with this architecture.
    #[must_use]
    pub fn new(profile: &Profile, arch: Arch) -> Self {
        let mut code = vec![
            plain(LOAD, ARCH),
            Instruction { code: EQUAL, jt: 1, jf: 0, k: arch.audit_number() },
            done(Action::Kill),
            plain(LOAD, NUMBER),
        ];
        code.extend(tree(&runs(profile, arch)));
        assert!(code.len() <= LONGEST, "the table is a part of the program, compiled by its tests");
        Self(code)
    }

    /// Its instructions, in order.
    #[must_use]
    pub fn instructions(&self) -> &[Instruction] {
        &self.0
    }

    /// Each instruction as one number: code, jt, jf and k from the highest bits to the lowest, of 16, 8, 8 and 32 bits.
    #[must_use]
    pub fn to_words(&self) -> Vec<u64> {
        let word = |i: &Instruction| {
            u64::from(i.code) << 48 | u64::from(i.jt) << 40 | u64::from(i.jf) << 32 | u64::from(i.k)
        };
        self.0.iter().map(word).collect()
    }
}

const fn plain(code: u16, k: u32) -> Instruction {
    Instruction { code, jt: 0, jf: 0, k }
}

const fn done(action: Action) -> Instruction {
    plain(RETURN, action.return_value())
}

/// All numbers, cut where the treatment changes.
fn runs(profile: &Profile, arch: Arch) -> Vec<Run<'_>> {
    let mut calls: Vec<_> = arch.calls().collect();
    calls.sort_unstable();
    let mut runs = vec![Run { from: 0, leaf: Leaf::Always(UNKNOWN) }];
    let mut next = 0;
    for (number, name) in calls {
        let leaf = match profile.family(name) {
            None => Leaf::Always(UNKNOWN),
            Some(family) if family.when.is_empty() => Leaf::Always(family.action()),
            Some(family) => Leaf::Tested(family),
        };
        if number > next {
            push(&mut runs, next, Leaf::Always(UNKNOWN));
        }
        push(&mut runs, number, leaf);
        next = number + 1;
    }
    push(&mut runs, next, Leaf::Always(UNKNOWN));
    if let Some(foreign) = arch.foreign_from() {
        push(&mut runs, foreign, Leaf::Always(Action::Kill));
    }
    runs
}

fn push<'a>(runs: &mut Vec<Run<'a>>, from: u32, leaf: Leaf<'a>) {
    if let (Some(Run { leaf: Leaf::Always(last), .. }), Leaf::Always(new)) = (runs.last(), &leaf)
        && last == new
    {
        return;
    }
    if runs.last().is_some_and(|last| last.from == from) {
        runs.pop();
    }
    runs.push(Run { from, leaf });
}

/// Leads to the run with the number, by halves. The number is in the accumulator.
fn tree(runs: &[Run<'_>]) -> Vec<Instruction> {
    let (lower, upper) = runs.split_at(runs.len() / 2);
    let Some(first) = upper.first() else { return Vec::new() };
    if lower.is_empty() {
        return match first.leaf {
            Leaf::Always(action) => vec![done(action)],
            Leaf::Tested(family) => tests(family),
        };
    }
    let (below, above) = (tree(lower), tree(upper));
    let mut code = match u8::try_from(below.len()) {
        Ok(skipped) => vec![Instruction { code: AT_LEAST, jt: skipped, jf: 0, k: first.from }],
        // Too far for a comparison, so a jump of its own goes there.
        Err(_) => vec![
            Instruction { code: AT_LEAST, jt: 0, jf: 1, k: first.from },
            plain(JUMP, u32::try_from(below.len()).unwrap_or(u32::MAX)),
        ],
    };
    code.extend(below);
    code.extend(above);
    code
}

fn tests(family: &Family) -> Vec<Instruction> {
    let mut code = Vec::new();
    for test in &family.when {
        // The low half comes first on both architectures.
        code.push(plain(LOAD, ARGS + 8 * u32::from(test.arg)));
        if test.mask != u32::MAX {
            code.push(plain(AND, test.mask));
        }
        code.extend(comparisons(test));
        code.push(done(family.otherwise()));
    }
    code.push(done(family.action()));
    code
}

/// Goes on behind the next instruction where the test holds, and to it where it doesn't.
fn comparisons(test: &Test) -> Vec<Instruction> {
    let values = if test.not.is_empty() { &test.is } else { &test.not };
    let left = |at: usize| u8::try_from(values.len() - at).unwrap_or(u8::MAX);
    let equal = values.iter().enumerate().map(|(at, value)| Instruction {
        code: EQUAL,
        // Over the other comparisons, and over one more instruction: the refusal, or the jump over it.
        jt: left(at),
        jf: 0,
        k: *value,
    });
    let mut code: Vec<_> = equal.collect();
    if !test.not.is_empty() {
        code.push(plain(JUMP, 1));
    }
    code
}
