//! Which runtime and language a function has: each can be told from the other.

use cloudbox_types::Language;
use cloudbox_types::function::FunctionSettings;

use crate::extract::Fields;

/// The runtimes that a function may name.
#[derive(Clone, Debug, Default)]
pub struct KnownRuntimes(Vec<(String, Vec<Language>, bool)>);

impl KnownRuntimes {
    /// From the list that `/api/runtimes` shows.
    #[must_use]
    pub fn new(runtimes: &[cloudbox_api_types::Runtime]) -> Self {
        let known = |runtime: &cloudbox_api_types::Runtime| {
            let languages = runtime.languages.iter().filter_map(|language| language.parse().ok()).collect();
            (runtime.name.clone(), languages, runtime.is_default)
        };
        Self(runtimes.iter().map(known).collect())
    }

    fn languages(&self, name: &str) -> Option<&[Language]> {
        self.0.iter().find(|(known, _, _)| known == name).map(|(_, languages, _)| languages.as_slice())
    }

    fn default_of(&self, language: Language) -> Option<&str> {
        let of_language = || self.0.iter().filter(|(_, languages, _)| languages.contains(&language));
        let named = of_language().find(|(_, _, is_default)| *is_default).or_else(|| of_language().next());
        named.map(|(name, _, _)| name.as_str())
    }

    fn names(&self) -> String {
        self.0.iter().map(|(name, _, _)| name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// The runtime and language that a body asks for: what is left out is told from the other, else stays as it is,
/// else is the default of JavaScript.
pub(super) fn chosen(
    fields: &mut Fields,
    current: Option<&FunctionSettings>,
    known: &KnownRuntimes,
) -> (String, Language) {
    let language = language(fields);
    let runtime = runtime(fields, known);
    let (before_runtime, before_language) = match current {
        Some(settings) => (Some(settings.runtime.clone()), settings.language),
        None => (None, Language::Javascript),
    };
    match (runtime, language) {
        (Some(runtime), Some(language)) => {
            let languages = known.languages(&runtime).unwrap_or_default();
            if !languages.contains(&language) {
                fields.problem("runtime", format!("{runtime} does not run {language}"));
            }
            (runtime, language)
        }
        (Some(runtime), None) => {
            let languages = known.languages(&runtime).unwrap_or_default();
            let is_kept = |language: &Language| current.is_some() && *language == before_language;
            let kept = languages.iter().copied().find(is_kept);
            let language = kept.or_else(|| languages.first().copied()).unwrap_or(before_language);
            (runtime, language)
        }
        (None, Some(language)) => {
            let fits = |name: &String| known.languages(name).is_some_and(|all| all.contains(&language));
            let kept = before_runtime.filter(fits);
            (kept.or_else(|| default_of(fields, language, known)).unwrap_or_default(), language)
        }
        (None, None) => {
            let runtime = before_runtime.or_else(|| default_of(fields, before_language, known));
            (runtime.unwrap_or_default(), before_language)
        }
    }
}

fn default_of(fields: &mut Fields, language: Language, known: &KnownRuntimes) -> Option<String> {
    let name = known.default_of(language).map(str::to_owned);
    if name.is_none() {
        fields.problem("language", format!("no runtime runs {language} here"));
    }
    name
}

fn language(fields: &mut Fields) -> Option<Language> {
    let parsed = fields.text("language")?.parse::<Language>();
    parsed.map_err(|error| fields.problem("language", error.to_string())).ok()
}

fn runtime(fields: &mut Fields, known: &KnownRuntimes) -> Option<String> {
    let name = fields.text("runtime")?;
    if known.languages(&name).is_some() {
        return Some(name);
    }
    fields.problem("runtime", format!("{name:?} is not a runtime; there are {}", known.names()));
    None
}
