//! What may be wanted, and what package managers are given for it.

#![expect(clippy::unwrap_used, reason = "a test may panic where it can't go on")]

use std::collections::BTreeMap;

use cloudbox_bundles::Definition;
use cloudbox_dependencies::{Brought, Install, Wanted};

fn install(text: &str) -> Install {
    Definition::parse(text).unwrap().install.unwrap()
}

fn npm() -> Install {
    install(include_str!("../../../../runtimes/node/runtime.toml"))
}

fn pip() -> Install {
    install(include_str!("../../../../runtimes/python/runtime.toml"))
}

fn go() -> Install {
    install(include_str!("../../../../runtimes/go/runtime.toml"))
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect()
}

#[test]
fn what_package_managers_document_is_allowed() {
    for (name, version) in [
        ("axios", "^1.0.0"),
        ("lodash", "^4.17.21"),
        ("@scope/a.b_c-d", "~1.2"),
        ("JSONStream", "1.x || >=2.5.0 || 5.0.0 - 7.2.3"),
        ("a", ">=1.0.0 <2.0.0-rc.1+build"),
        ("left-pad", "latest"),
        ("b", "*"),
        ("c", ""),
        ("d", "=v1.2.3"),
    ] {
        assert_eq!(npm().check(&map(&[(name, version)])), Ok(()), "{name} {version}");
    }
    for (name, version) in [
        ("requests", ">=2.28"),
        ("pydantic", "*"),
        ("six", "1.16.0"),
        ("zope.interface", "==5.*"),
        ("uvicorn[standard,extra]", "~=0.20, !=0.21.1"),
        ("a_b-C", "===1.0+local.1"),
        ("d", "<2.0rc1"),
    ] {
        assert_eq!(pip().check(&map(&[(name, version)])), Ok(()), "{name} {version}");
    }
}

#[test]
fn nothing_but_names_and_versions_is_allowed() {
    let names = [
        "",
        " ",
        "a b",
        "a;b",
        "$(id)",
        "`id`",
        "--index-url=http://x",
        "-r",
        "git+file:///x",
        "../x",
        "/x",
        "a/b/c",
        "@/x",
        "@a/",
        "a\nb",
        "a@b",
        "a|b",
        "file:x",
        "ä",
        "__proto__",
        "a#b",
        "a\\b",
        ".x",
    ];
    let versions = [
        "git+https://x/y",
        "git+x",
        "file:../x",
        "http://x/y.tgz",
        "user/repo",
        "../x",
        "/etc",
        "~/x",
        "npm:a@1",
        "1.0.0; id",
        "$(id)",
        "`id`",
        "--pre",
        "1.0\n-r x",
        "x.tgz",
        "@ file:///x",
        "1 # x",
        "1\\",
        "workspace:*",
        "link:x",
    ];
    for (install, good) in [(npm(), "good"), (pip(), "good"), (go(), "good.org/good")] {
        for name in names {
            let refused = install.check(&map(&[(name, "1.0.0")])).unwrap_err();
            assert!(refused.starts_with(&format!("dependency {name:?}: its name must be ")), "{refused}");
        }
        for version in versions {
            let refused = install.check(&map(&[(good, version)])).expect_err(version);
            assert!(refused.contains("good\": its version") && refused.contains("must be "), "{refused}");
        }
    }
}

fn wanted(install: &Install, pairs: &[(&str, &str)], brought: &Brought) -> Result<Option<Wanted>, String> {
    install.wanted(&map(pairs), brought)
}

fn text<'a>(wanted: &'a Wanted, name: &str) -> &'a str {
    &wanted.files.iter().find(|(file, _)| file == name).unwrap().1
}

fn brought(manifest: &str, lock: Option<(&str, &str)>) -> Brought {
    let owned = |(name, text): (&str, &str)| (name.to_owned(), text.to_owned());
    Brought { manifest: Some(manifest.to_owned()), lock: lock.map(owned) }
}

#[test]
fn manifests_are_what_the_package_manager_reads() {
    let none = Brought::default();
    let pairs = [("a", ">=1"), ("b", "2.0"), ("c", "*"), ("d", "")];
    let files = wanted(&pip(), &pairs, &none).unwrap().unwrap();
    assert_eq!(text(&files, "requirements.txt"), "a>=1\nb==2.0\nc\nd\n");
    let files = wanted(&npm(), &[("a", "^1")], &none).unwrap().unwrap();
    let json: serde_json::Value = serde_json::from_str(text(&files, "package.json")).unwrap();
    assert_eq!(json, serde_json::json!({"private": true, "dependencies": {"a": "^1"}}));
    let files = wanted(&go(), &[("x.org/y", "1.2.0"), ("x.org/z/v2", "latest")], &none).unwrap().unwrap();
    assert_eq!(text(&files, "dependencies.txt"), "x.org/y v1.2.0\nx.org/z/v2 latest\n");
    for install in [npm(), pip(), go()] {
        assert_eq!(wanted(&install, &[], &none), Ok(None));
    }
}

#[test]
fn a_packages_own_list_is_merged_with_the_functions() {
    let own = r#"{"name": "x", "scripts": {"install": "id"}, "dependencies": {"a": "^1", "b": "2"}, "devDependencies": {"c": "git+x"}}"#;
    let files = wanted(&npm(), &[("a", "^1"), ("d", "*")], &brought(own, None)).unwrap().unwrap();
    let json: serde_json::Value = serde_json::from_str(text(&files, "package.json")).unwrap();
    assert_eq!(json["dependencies"], serde_json::json!({"a": "^1", "b": "2", "d": "*"}));
    assert_eq!(
        (&json["scripts"], &json["devDependencies"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );

    let own = "# pinned\nRequests[socks] >= 2.28, < 3 ; python_version >= \"3.7\"\nsix==1.16.0 \\\n  --hash=sha256:00ff\n\nnumpy\n";
    let files = wanted(&pip(), &[("flask", "*")], &brought(own, None)).unwrap().unwrap();
    let expected = "Requests[socks]>=2.28,<3 ; python_version >= \"3.7\"\nsix==1.16.0 --hash=sha256:00ff\nnumpy\nflask\n";
    assert_eq!(text(&files, "requirements.txt"), expected);

    let own = "module x\n\ngo 1.20\n\nrequire x.org/y v1.0.0\n";
    let files =
        wanted(&go(), &[], &brought(own, Some(("go.sum", "x.org/y v1.0.0 h1:x=\n")))).unwrap().unwrap();
    assert_eq!(text(&files, "go.mod"), own);
    assert!(files.is_locked);
    assert_eq!(wanted(&go(), &[], &brought("module x\n\ngo 1.20\n", None)), Ok(None));
}

#[test]
fn one_package_in_two_versions_is_refused() {
    let npm_own = brought(r#"{"dependencies": {"a": "^1"}}"#, None);
    let refused = wanted(&npm(), &[("a", "^2")], &npm_own).unwrap_err();
    assert!(refused.contains("\"a\"") && refused.contains("^2") && refused.contains("^1"), "{refused}");
    let refused = wanted(&pip(), &[("A_b", "2.0")], &brought("a-b==1.0\n", None)).unwrap_err();
    assert!(refused.contains("\"A_b\"") && refused.contains("==1.0"), "{refused}");
    assert!(wanted(&pip(), &[("A_b", "1.0")], &brought("a-b==1.0\n", None)).is_ok());
}

#[test]
fn a_packages_own_list_has_names_and_versions_alone() {
    for line in [
        "--index-url=http://169.254.169.254/",
        "-r other.txt",
        "-e .",
        "./x.whl",
        "git+file:///x",
        "x @ file:///etc",
        "http://169.254.169.254/x.whl",
        "a==1.0 --global-option=x",
        "a==1.0 ; os_name == $(id)",
        "a;b|c",
    ] {
        let refused = wanted(&pip(), &[], &brought(&format!("six\n{line}\n"), None)).unwrap_err();
        assert!(refused.starts_with("requirements.txt, line 2: "), "{line}: {refused}");
    }
    for own in [
        r#"{"dependencies": {"a": "file:../x"}}"#,
        r#"{"dependencies": {"a": "http://169.254.169.254/x.tgz"}}"#,
        r#"{"optionalDependencies": {"a": "git+ssh://x"}}"#,
        r#"{"dependencies": {"$(id)": "1"}}"#,
        r#"{"dependencies": {"a": "1"}, "overrides": {"b": {"c": "user/repo"}}}"#,
        r#"{"dependencies": ["a"]}"#,
        r#"{"dependencies": {"a": 1}}"#,
        "[]",
        "{",
    ] {
        let refused = wanted(&npm(), &[], &brought(own, None)).unwrap_err();
        assert!(refused.starts_with("package.json"), "{own}: {refused}");
    }
}

#[test]
fn a_lock_names_no_place_to_fetch_from() {
    let own = r#"{"dependencies": {"a": "^1"}}"#;
    let lock = r#"{"lockfileVersion": 3, "packages": {"": {"dependencies": {"a": "^1"}}, "node_modules/a":
        {"version": "1.0.0", "resolved": "http://169.254.169.254/a.tgz", "integrity": "sha512-x"}}}"#;
    let files = wanted(&npm(), &[], &brought(own, Some(("package-lock.json", lock)))).unwrap().unwrap();
    assert!(files.is_locked);
    let kept = text(&files, "package-lock.json");
    assert!(!kept.contains("169.254") && kept.contains("sha512-x"), "{kept}");
    let more =
        wanted(&npm(), &[("b", "*")], &brought(own, Some(("package-lock.json", lock)))).unwrap().unwrap();
    assert!(!more.is_locked, "what the lock doesn't know is added to it");
    for lock in [
        r#"{"packages": {"node_modules/a": {"version": "1.0.0", "resolved": "git+ssh://x"}}}"#,
        r#"{"packages": {"node_modules/a": {"resolved": "../x", "link": true}}}"#,
        r#"{"dependencies": {"a": {"version": "file:../x"}}}"#,
        r#"{"dependencies": {"a": {"version": "1.0.0", "dependencies": {"b": {"version": "http://x/y.tgz"}}}}}"#,
        "nothing",
    ] {
        let refused = wanted(&npm(), &[], &brought(own, Some(("package-lock.json", lock)))).unwrap_err();
        assert!(refused.starts_with("package-lock.json"), "{lock}: {refused}");
    }
}
