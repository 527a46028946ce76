//! Runtimes that their makers support, and what is said of those that they don't.

use cloudbox_types::Language;
use jiff::civil::Date;

use super::Catalogue;
use crate::slot::Slot;

impl Catalogue {
    /// The runtime for a function that names none: from the language's default upwards the first one that is here and that
    /// its makers support, so that nobody is given an old one unasked; where there is none, the language's default.
    #[must_use]
    pub fn default_runtime(&self, language: Language) -> Option<&str> {
        let mut onwards = self.of(language).skip_while(|slot| !slot.is_default()).peekable();
        let default = onwards.peek().copied()?;
        let found = onwards.find(|slot| slot.is_ready() && self.ended(slot).is_none());
        Some(found.unwrap_or(default).name.as_str())
    }

    /// When a runtime's makers ceased to support it, where they have.
    fn ended(&self, slot: &Slot) -> Option<Date> {
        slot.entry.end_of_life.filter(|end| *end < self.today)
    }

    /// What a function's author is to know of the runtime that serves.
    pub(super) fn warnings(&self, language: Language, wanted: &Slot, found: &Slot) -> Vec<String> {
        let mut warnings = Vec::new();
        // Who named none may not know that they have it.
        let default = self.default_runtime(language);
        let called = |slot: &Slot| {
            let is_default = default == Some(&slot.name);
            format!("{}{}", slot.name, if is_default { ", the default," } else { "" })
        };
        if found.name != wanted.name {
            let (wanted, name) = (called(wanted), &found.name);
            warnings.push(format!("runtime {wanted} is not on this machine; {name} serves in its place"));
        }
        if let Some(end) = self.ended(found) {
            let remedy =
                self.newer(language, found).map(|name| format!("; choose another with `runtime`: {name}"));
            let name = called(found);
            warnings.push(format!("{name} reached its end of life on {end}{}", remedy.unwrap_or_default()));
        }
        warnings
    }

    /// A newer runtime than this one that its makers support: one that is here, else one that can be fetched, with how.
    fn newer(&self, language: Language, old: &Slot) -> Option<String> {
        let newer = || {
            self.of(language)
                .skip_while(|slot| slot.name != old.name)
                .filter(|slot| self.ended(slot).is_none())
        };
        if let Some(slot) = newer().find(|slot| slot.is_ready()) {
            return Some(format!("{} is here", slot.name));
        }
        let can_be_fetched =
            |slot: &&Slot| self.toolchains.errand(&slot.name, slot.definition(), &slot.entry).is_ok();
        let name = &newer().find(can_be_fetched)?.name;
        Some(format!("`cloudbox runtimes install {name}` fetches {name}"))
    }
}
