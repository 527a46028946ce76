//! The table of fields: defaults, types, ranges, inference, masks.

use std::sync::Arc;

use cloudbox_api_types::Runtime;
use cloudbox_types::secret::MASK;
use cloudbox_types::{EgressRule, ImageSource, Language};
use serde_json::{Value, json};

use super::*;

fn runtimes() -> KnownRuntimes {
    let runtime = |name: &str, languages: &[&str], is_default| Runtime {
        name: name.to_owned(),
        languages: languages.iter().map(|&language| language.to_owned()).collect(),
        version: String::new(),
        state: "ready".to_owned(),
        detail: None,
        is_installed: false,
        image: None,
        resolved: None,
        end_of_life: None,
        is_default,
    };
    KnownRuntimes::new(&[
        runtime("go1.19", &["go"], true),
        runtime("nodejs14", &["javascript", "typescript"], false),
        runtime("nodejs18", &["javascript", "typescript"], true),
        runtime("python3.9", &["python"], true),
        runtime("custom", &["custom", "javascript", "typescript", "python"], false),
    ])
}

fn fields(body: Value) -> Fields {
    match body {
        Value::Object(map) => Fields::new(map),
        _ => panic!("an object"),
    }
}

fn made(body: Value) -> FunctionSettings {
    create(fields(body), &runtimes(), &Ranges::default()).unwrap()
}

/// The fields that a create complains of.
fn complaints(body: Value) -> Vec<String> {
    let error = create(fields(body), &runtimes(), &Ranges::default()).unwrap_err();
    error.body.details.unwrap().into_iter().map(|detail| detail.field).collect()
}

#[test]
fn a_name_is_enough() {
    let settings = made(json!({"name": "hello"}));
    assert_eq!((settings.runtime.as_str(), settings.language), ("nodejs18", Language::Javascript));
    assert_eq!(settings.entry_point, "index.handler");
    assert_eq!((settings.limits.timeout_s, settings.limits.memory_mb), (30, 128));
    assert!(!settings.is_public && settings.is_active && !settings.expose_errors);
    assert_eq!(settings.code, None);
}

#[test]
fn runtime_and_language_are_told_from_each_other() {
    for (body, runtime, language) in [
        (json!({"name": "a", "language": "python"}), "python3.9", Language::Python),
        (json!({"name": "a", "language": "typescript"}), "nodejs18", Language::Typescript),
        (json!({"name": "a", "runtime": "go1.19"}), "go1.19", Language::Go),
        (json!({"name": "a", "runtime": "nodejs14"}), "nodejs14", Language::Javascript),
        (
            json!({"name": "a", "runtime": "nodejs14", "language": "typescript"}),
            "nodejs14",
            Language::Typescript,
        ),
    ] {
        let settings = made(body);
        assert_eq!((settings.runtime.as_str(), settings.language), (runtime, language));
    }
    assert_eq!(complaints(json!({"name": "a", "runtime": "nodejs18", "language": "go"})), ["runtime"]);
    assert_eq!(complaints(json!({"name": "a", "runtime": "ruby3"})), ["runtime"]);
    assert_eq!(complaints(json!({"name": "a", "language": "Python"})), ["language"]);
}

#[test]
fn entry_points_default_by_language() {
    assert_eq!(made(json!({"name": "a", "language": "python"})).entry_point, "handler");
    assert_eq!(made(json!({"name": "a", "language": "go"})).entry_point, "main");
}

#[test]
fn every_field_is_checked() {
    let cases = [
        ("name", json!("Bad Name")),
        ("name", json!(7)),
        ("name", json!("123")),
        ("description", json!(1)),
        ("description", json!("x".repeat(2001))),
        ("runtime", json!(18)),
        ("language", json!("ruby")),
        ("code", json!("")),
        ("code", json!(["x"])),
        ("code", json!("x".repeat(MAX_CODE_BYTES + 1))),
        ("code", json!("a\u{0}b")),
        ("entry_point", json!("../etc/passwd")),
        ("entry_point", json!("")),
        ("entry_point", json!("a..b")),
        ("timeout", json!(0)),
        ("timeout", json!(301)),
        ("timeout", json!("30")),
        ("timeout", json!(1.5)),
        ("memory", json!(63)),
        ("memory", json!(1025)),
        ("cpu", json!(0.01)),
        ("cpu", json!(9)),
        ("tmp_mb", json!(0)),
        ("pids", json!(15)),
        ("environment", json!([])),
        ("environment.A", json!({"A": 1})),
        ("environment.1A", json!({"1A": "x"})),
        ("environment.A-B", json!({"A-B": "x"})),
        ("environment.", json!({"": "x"})),
        ("environment.CLOUDBOX_X", json!({"CLOUDBOX_X": "x"})),
        ("environment.N", json!({"N": "a\u{0}"})),
        ("environment", json!({"BIG": "x".repeat(65_536)})),
        ("dependencies", json!("axios")),
        ("dependencies.axios", json!({"axios": 1})),
        ("dependencies.--x", json!({"--x": "1"})),
        ("dependencies.x; id", json!({"x; id": "1"})),
        ("dependencies.$(id)", json!({"$(id)": "1"})),
        ("dependencies.git", json!({"git": "git+file:///x"})),
        ("dependencies.path", json!({"path": "../x"})),
        ("dependencies.option", json!({"option": "--pre"})),
        ("is_public", json!("yes")),
        ("is_active", json!(1)),
        ("expose_errors", json!("true")),
        ("handler_style", json!("express")),
        ("isolation", json!("call")),
        ("egress", json!(["example.org"])),
        ("egress", json!("example.org")),
        ("cors", json!("*")),
        ("cors.origin", json!({"origin": ["*"]})),
        ("cors.max_age", json!({"max_age": -1})),
        ("cors.credentials", json!({"origins": ["*"], "credentials": true})),
        ("min_instances", json!(101)),
        ("min_instances", json!(11)),
        ("max_instances", json!(0)),
        ("concurrency", json!(101)),
        ("isPublic", json!(true)),
    ];
    for (field, value) in cases {
        let key = field.split('.').next().unwrap();
        let mut body = json!({"name": "a"});
        body[key] = value.clone();
        let told = complaints(body);
        assert_eq!(told, [field], "{key}: {}", value.to_string().chars().take(60).collect::<String>());
    }
}

#[test]
fn the_ends_of_ranges_are_allowed() {
    for (timeout, memory, cpu) in [(1, 64, 0.05), (300, 1024, 8.0)] {
        let limits = made(json!({"name": "a", "timeout": timeout, "memory": memory, "cpu": cpu})).limits;
        assert_eq!((limits.timeout_s, limits.memory_mb), (timeout, memory));
        assert!((f64::from(limits.cpu_millis) / 1000.0 - cpu).abs() < 1e-9);
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let told = complaints(json!({"timeout": 0, "memory": 1, "zzz": 1}));
    assert_eq!(told, ["name", "timeout", "memory", "zzz"]);
}

#[test]
fn a_patch_changes_what_it_names() {
    let before = made(json!({"name": "a", "language": "python", "timeout": 5, "cors": {"origins": ["*"]}}));
    let after = patch(&before, fields(json!({"memory": 256, "cors": null})), &runtimes(), &Ranges::default())
        .unwrap();
    assert_eq!(after.limits.memory_mb, 256);
    assert_eq!((after.limits.timeout_s, after.runtime.as_str()), (5, "python3.9"));
    assert_eq!(after.cors, None);
    assert_eq!(patch(&before, fields(json!({})), &runtimes(), &Ranges::default()).unwrap(), before);
}

#[test]
fn a_patch_of_the_language_keeps_a_runtime_that_fits() {
    let before = made(json!({"name": "a", "runtime": "nodejs14"}));
    let after =
        patch(&before, fields(json!({"language": "typescript"})), &runtimes(), &Ranges::default()).unwrap();
    assert_eq!((after.runtime.as_str(), after.language), ("nodejs14", Language::Typescript));
    let other = patch(&before, fields(json!({"language": "go"})), &runtimes(), &Ranges::default()).unwrap();
    assert_eq!(other.runtime, "go1.19");
}

#[test]
fn the_mask_keeps_a_value() {
    let before = made(json!({"name": "a", "environment": {"KEEP": "secret", "DROP": "x"}}));
    let body = json!({"environment": {"KEEP": MASK, "NEW": "y"}});
    let after = patch(&before, fields(body), &runtimes(), &Ranges::default()).unwrap();
    let shown: Vec<_> =
        after.environment.iter().map(|(name, value)| (name.as_str(), value.expose().as_str())).collect();
    assert_eq!(shown, [("KEEP", "secret"), ("NEW", "y")]);
}

#[test]
fn the_operators_ranges_are_named_at_create_and_at_change() {
    let ranges = Ranges { memory_mb: 96..=100, pids: 16..=32, cpu_millis: 100..=500, ..Ranges::default() };
    let made = |body| create(fields(body), &runtimes(), &ranges);
    let usual = made(json!({"name": "a"})).unwrap();
    assert_eq!((usual.limits.memory_mb, usual.limits.pids, usual.limits.cpu_millis), (100, 32, 500));
    let told = |error: ApiError| {
        let details = error.body.details.unwrap();
        details.into_iter().map(|detail| format!("{}: {}", detail.field, detail.message)).collect::<Vec<_>>()
    };
    let expected = [
        "memory: must be a whole number from 96 to 100 (MB)",
        "pids: must be a whole number from 16 to 32 (processes and threads)",
        "cpu: must be a number from 0.1 to 0.5 (cores)",
    ];
    let body = json!({"memory": 128, "pids": 33, "cpu": 0.6});
    assert_eq!(told(patch(&usual, fields(body.clone()), &runtimes(), &ranges).unwrap_err()), expected);
    let mut body = body;
    body["name"] = json!("b");
    assert_eq!(told(made(body).unwrap_err()), expected);
    // Made before the ranges were narrowed: other fields can be changed.
    let wide = create(fields(json!({"name": "a", "memory": 512})), &runtimes(), &Ranges::default()).unwrap();
    let changed = patch(&wide, fields(json!({"description": "x"})), &runtimes(), &ranges).unwrap();
    assert_eq!(changed.limits.memory_mb, 512);
}

/// Allows what begins with `a`.
#[derive(Debug)]
struct OnlyA;

impl EgressRule for OnlyA {
    fn problem(&self, list: &[String]) -> Option<(usize, String)> {
        let place = list.iter().position(|entry| !entry.starts_with('a'))?;
        Some((place, "does not begin with a".to_owned()))
    }
}

#[test]
fn an_entry_of_egress_is_judged_by_the_operators_rule() {
    let ranges = Ranges { egress: Some(Arc::new(OnlyA)), ..Ranges::default() };
    let made = |egress: serde_json::Value| {
        let body = json!({"name": "a", "egress": egress});
        create(fields(body), &runtimes(), &ranges)
    };
    let told = |error: ApiError| -> Vec<String> {
        error.body.details.unwrap().into_iter().map(|detail| detail.field).collect()
    };
    assert_eq!(made(json!(["a.b", "a.c:1"])).unwrap().egress, ["a.b", "a.c:1"]);
    assert!(made(json!([])).unwrap().egress.is_empty());
    assert_eq!(told(made(json!(["a.b", "b.c"])).unwrap_err()), ["egress[1]"]);
    // Switched off, nothing is allowed; what was set before stays, so that the rest can be changed.
    let kept = made(json!(["a.b"])).unwrap();
    let change = |body| patch(&kept, fields(body), &runtimes(), &Ranges::default());
    assert_eq!(change(json!({"description": "x"})).unwrap().egress, ["a.b"]);
    assert!(change(json!({"egress": []})).unwrap().egress.is_empty());
    assert_eq!(told(change(json!({"egress": ["a.b"]})).unwrap_err()), ["egress"]);
}

#[test]
fn an_image_is_named_or_built_and_means_the_runtime_custom() {
    let settings = made(json!({"name": "a", "runtime": "custom", "image": "my-org/my-runtime:latest"}));
    assert_eq!((settings.runtime.as_str(), settings.language), ("custom", Language::Custom));
    assert_eq!(settings.image, Some(ImageSource::Named("my-org/my-runtime:latest".to_owned())));
    let settings = made(json!({"name": "a", "image": "a", "language": "python", "code": "x"}));
    assert_eq!((settings.runtime.as_str(), settings.language), ("custom", Language::Python));
    let settings = made(json!({"name": "a", "build": {"context": "./app"}}));
    let built = ImageSource::Built { dockerfile: "./Dockerfile".to_owned(), context: "./app".to_owned() };
    assert_eq!(settings.image, Some(built));
    let other = patch(&settings, fields(json!({"runtime": "nodejs18"})), &runtimes(), &Ranges::default());
    assert_eq!(other.unwrap().image, None);
    for (body, field) in [
        (json!({"name": "a", "runtime": "custom"}), "image"),
        (json!({"name": "a", "runtime": "nodejs18", "image": "a"}), "image"),
        (json!({"name": "a", "image": "a", "build": {}}), "build"),
        (json!({"name": "a", "build": "./"}), "build"),
        (json!({"name": "a", "build": {"context": "/etc"}}), "build.context"),
        (json!({"name": "a", "build": {"dockerfile": "../Dockerfile"}}), "build.dockerfile"),
        (json!({"name": "a", "build": {"secrets": []}}), "build.secrets"),
        (json!({"name": "a", "build": {}, "language": "python"}), "build"),
        (json!({"name": "a", "image": "a", "code": "x"}), "code"),
        (json!({"name": "a", "image": "a", "language": "go"}), "runtime"),
        (json!({"name": "a", "image": 7}), "image"),
    ] {
        let told = complaints(body.clone());
        assert!(told.iter().any(|told| told == field), "{body}: {told:?}");
    }
}

#[test]
fn a_function_with_code_becomes_an_images_program_and_comes_back() {
    let changed = |settings: &FunctionSettings, body: Value| {
        patch(settings, fields(body), &runtimes(), &Ranges::default())
    };
    let coded = made(json!({"name": "a", "language": "javascript", "code": "x"}));
    let shim = changed(&coded, json!({"image": "a"})).unwrap();
    assert_eq!(
        (shim.language, shim.code.as_deref()),
        (Language::Javascript, Some("x")),
        "a shim runs it there"
    );
    for body in [json!({"image": "a", "language": "custom"}), json!({"build": {}})] {
        let program = changed(&coded, body.clone()).unwrap();
        assert_eq!((program.runtime.as_str(), program.language), ("custom", Language::Custom), "{body}");
        assert_eq!(program.code, None, "its program is in the image: {body}");
        let told = changed(&program, json!({"code": "y"})).unwrap_err().body.details.unwrap();
        assert!(told[0].field == "code" && told[0].message.contains("send `language`"), "{told:?}");
        let back = json!({"runtime": "nodejs18", "code": "y"});
        let back = changed(&program, back).unwrap();
        assert_eq!(
            (back.language, back.image, back.code.as_deref()),
            (Language::Javascript, None, Some("y"))
        );
    }
    let refused = changed(&coded, json!({"image": "a", "language": "custom", "code": "y"})).unwrap_err();
    assert_eq!(refused.body.details.unwrap()[0].field, "code");
    let packed = FunctionSettings { code: None, package: Some("p".to_owned()), ..coded };
    assert_eq!(changed(&packed, json!({"build": {}})).unwrap().package.as_deref(), Some("p"));
}

#[test]
fn a_scale_has_names_of_two_habits() {
    let settings = made(json!({"name": "a"}));
    let scaled = |body: Value| scaling::patch(&settings, fields(body));
    for body in [
        json!({"minInstances": 1, "maxInstances": 20, "targetConcurrency": 1}),
        json!({"min_instances": 1, "max_instances": 20, "concurrency": 1}),
        json!({"minInstances": 1, "max_instances": 20}),
    ] {
        let after = scaled(body).unwrap();
        assert_eq!((after.min_instances, after.max_instances, after.concurrency), (1, 20, 1));
        assert!(after.keeps_sandboxes_of(&settings));
    }
    assert_eq!(scaled(json!({})).unwrap(), settings);
    for (body, field, told) in [
        (json!({"minInstances": 11}), "minInstances", "11 is more than 10"),
        (json!({"maxInstances": 0}), "maxInstances", "from 1 to 1000"),
        (json!({"targetConcurrency": 101}), "targetConcurrency", "from 1 to 100"),
        (json!({"concurrency": 0}), "concurrency", "from 1 to 100"),
        (json!({"minInstances": 1, "min_instances": 1}), "minInstances", "send one of them"),
        (json!({"memory": 256}), "memory", "is not a known field"),
    ] {
        let details = scaled(body).unwrap_err().body.details.unwrap();
        assert_eq!(details[0].field, field);
        assert!(details[0].message.contains(told), "{}", details[0].message);
    }
}
