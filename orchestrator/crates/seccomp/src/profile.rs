//! The table, read and looked up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::{Action, Arch, Errno, arch};

/// The table's text.
const TEXT: &str = include_str!("../profile.toml");

/// Which calls may be made.
#[derive(Debug)]
pub struct Profile {
    families: Vec<Family>,
    /// Each call's family, by the call's name.
    by_call: BTreeMap<String, usize>,
}

/// Calls that are treated alike.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Family {
    pub(crate) name: String,
    pub(crate) action: FamilyAction,
    /// Whether the reason is there is all that the program checks of it.
    why: String,
    calls: String,
    /// What is done where one of the tests fails.
    otherwise: Option<Errno>,
    #[serde(default)]
    pub(crate) when: Vec<Test>,
}

/// What is done with a family's calls, where all of its tests hold.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FamilyAction {
    Allow,
    #[serde(untagged)]
    Refuse(Errno),
}

/// A test of one argument's low 32 bits.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Test {
    /// Counted from 0.
    pub(crate) arg: u8,
    #[serde(default = "all_bits")]
    pub(crate) mask: u32,
    /// Holds where it is one of these.
    #[serde(default)]
    pub(crate) is: Vec<u32>,
    /// Holds where it is none of these.
    #[serde(default)]
    pub(crate) not: Vec<u32>,
}

const fn all_bits() -> u32 {
    u32::MAX
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    family: Vec<Family>,
}

/// What a call in no family is answered.
pub(crate) const UNKNOWN: Action = Action::Refuse(Errno::Enosys);

impl Test {
    /// Whether it holds for these arguments.
    fn holds(&self, args: &[u64; 6]) -> bool {
        #[expect(clippy::cast_possible_truncation, reason = "the low half is what is compared")]
        let value = args[usize::from(self.arg)] as u32 & self.mask;
        if self.not.is_empty() { self.is.contains(&value) } else { !self.not.contains(&value) }
    }
}

impl Family {
    pub(crate) fn calls(&self) -> impl Iterator<Item = &str> {
        self.calls.split_whitespace()
    }

    pub(crate) const fn action(&self) -> Action {
        match self.action {
            FamilyAction::Allow => Action::Allow,
            FamilyAction::Refuse(errno) => Action::Refuse(errno),
        }
    }

    pub(crate) fn otherwise(&self) -> Action {
        self.otherwise.map_or(UNKNOWN, Action::Refuse)
    }
}

impl Profile {
    /// The one of all sandboxes.
    #[must_use]
    pub fn get() -> &'static Self {
        static PROFILE: LazyLock<Profile> = LazyLock::new(|| {
            Profile::parse(TEXT).expect("the table is a part of the program, read by its tests")
        });
        &PROFILE
    }

    /// Reads a table.
    ///
    /// # Errors
    /// A sentence with the family: it is unreadable, has an unknown call, a call that is in another one, too, or a test
    /// that can't hold or always does.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Table { family: families } = toml::from_str(text).map_err(|error| error.to_string())?;
        let known: BTreeSet<&str> = arch::names().collect();
        let mut by_call = BTreeMap::new();
        for (index, family) in families.iter().enumerate() {
            check(family)?;
            for call in family.calls() {
                if !known.contains(call) {
                    return Err(format!("{}: there is no call {call}", family.name));
                }
                if by_call.insert(call.to_owned(), index).is_some() {
                    return Err(format!("{}: {call} is in another family, too", family.name));
                }
            }
        }
        Ok(Self { families, by_call })
    }

    /// What is done with a call: `arch` as the kernel numbers it, and the six arguments.
    #[must_use]
    pub fn verdict(&self, native: Arch, arch: u32, number: u32, args: &[u64; 6]) -> Action {
        if arch != native.audit_number() || native.foreign_from().is_some_and(|foreign| number >= foreign) {
            return Action::Kill;
        }
        let name = native.calls().find(|(known, _)| *known == number).map(|(_, name)| name);
        match name.and_then(|name| self.family(name)) {
            None => UNKNOWN,
            Some(family) if family.when.iter().all(|test| test.holds(args)) => family.action(),
            Some(family) => family.otherwise(),
        }
    }

    pub(crate) fn family(&self, call: &str) -> Option<&Family> {
        self.by_call.get(call).and_then(|index| self.families.get(*index))
    }

    pub(crate) fn families(&self) -> &[Family] {
        &self.families
    }
}

fn check(family: &Family) -> Result<(), String> {
    let name = &family.name;
    if family.why.trim().is_empty() {
        return Err(format!("{name}: it has no reason"));
    }
    if family.when.is_empty() != family.otherwise.is_none() {
        return Err(format!("{name}: `when` and `otherwise` go together"));
    }
    if !family.when.is_empty() && !matches!(family.action, FamilyAction::Allow) {
        return Err(format!("{name}: what is refused is refused whatever its arguments are"));
    }
    let mut args: Vec<u8> = family.when.iter().map(|test| test.arg).collect();
    args.sort_unstable();
    args.dedup();
    if args.len() != family.when.len() || args.last().is_some_and(|arg| *arg > 5) {
        return Err(format!("{name}: a call has six arguments, each tested once at most"));
    }
    for test in &family.when {
        if test.is.is_empty() == test.not.is_empty() {
            return Err(format!("{name}: a test has either `is` or `not`"));
        }
        if test.is.iter().chain(&test.not).any(|value| value & !test.mask != 0) {
            return Err(format!("{name}: a value has bits outside of its mask"));
        }
    }
    Ok(())
}
