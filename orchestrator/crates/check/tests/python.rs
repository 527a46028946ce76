//! What is found in Python.

use cloudbox_check::{Report, read};
use cloudbox_types::Language;
use serde_json::json;

const HANDLER: &str = "def handler(data, context):\n    return data\n";

fn report(source: &str) -> Report {
    read(source, Language::Python).expect("Python is read")
}

fn rules(source: &str) -> Vec<String> {
    let warnings = report(&format!("{HANDLER}{source}\n")).warnings;
    warnings.into_iter().map(|it| json!(it.rule).as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn dangerous_patterns_are_found_under_every_name() {
    for (rule, sources) in [
        (
            "eval",
            &[
                "eval('1')",
                "exec(x)",
                "compile(x, 'a', 'exec')",
                "import builtins; builtins.eval(x)",
                "from builtins import exec as run; run(x)",
                "e = eval; e(x)",
                "getattr(__import__('builtins'), 'eval')(x)",
            ][..],
        ),
        (
            "child-process",
            &[
                "import os; os.system('ls')",
                "from os import popen as p; p('ls')",
                "import subprocess as s",
                "from subprocess import run",
                "__import__('os').system('ls')",
                "import os as o; o.execv(a, b)",
                "import importlib; importlib.import_module('subprocess')",
                "run = __import__('os').system; run(x)",
            ],
        ),
        ("dynamic-import", &["__import__(name)", "import importlib\nimportlib.import_module(name)"]),
        (
            "unsafe-deserialization",
            &[
                "import pickle; pickle.loads(x)",
                "from pickle import load; load(f)",
                "import yaml; yaml.load(x)",
                "import marshal; marshal.loads(x)",
            ],
        ),
        ("process-exit", &["import sys; sys.exit(1)", "import os; os._exit(0)", "exit()"]),
        (
            "fs-write",
            &[
                "open('/etc/x', 'w')",
                "open('out.txt', mode='ab')",
                "import shutil; shutil.rmtree('/')",
                "open('/tmp/../x', 'w')",
            ],
        ),
        ("infinite-loop", &["while True:\n    pass", "while 1:\n    for a in b:\n        break"]),
        ("native-code", &["import ctypes", "from ctypes import CDLL"]),
        ("introspection", &["().__class__.__bases__[0].__subclasses__()", "handler.__globals__"]),
    ] {
        for source in sources {
            let found = rules(source);
            assert!(found.iter().any(|it| it == rule), "{source}: {found:?}");
        }
    }
}

#[test]
fn honest_code_is_not_warned_of() {
    for source in [
        "# eval('x'); os.system('ls')\ntext = 'eval(1)'\n\"\"\"import subprocess\"\"\"",
        "import re; re.compile('x'); model.eval()",
        "def compile(x): return x\ncompile(1)",
        "open('/tmp/x', 'w'); open('/etc/hosts'); open(path, 'w')",
        "while True:\n    if x: break",
        "def f():\n    while True:\n        yield 1",
        "async def f():\n    while True:\n        await x()",
        "import yaml; yaml.load(x, Loader=yaml.SafeLoader); import json; json.loads(x)",
        "import os; os.environ['A']; os.path.join(a, b)",
    ] {
        assert_eq!(rules(source), [""; 0], "{source}");
    }
}

#[test]
fn errors_have_places_and_handlers_are_looked_for() {
    let errors = report("def handler(data, context):\n    return data +\n").errors;
    assert_eq!((errors[0].line, errors[0].column), (2, 18), "{errors:?}");
    assert!(!report("return 1\ndef handler(d, c): pass\n").valid);
    assert!(
        report("async def handler(event, context):\n    match event:\n        case {'a': a}: return a\n")
            .valid
    );
    for source in [
        "def main(params): pass",
        "app = Flask(__name__)",
        "from other import handler",
        "from other import *",
    ] {
        assert!(report(source).valid, "{source}: {:?}", report(source).errors);
    }
    for source in ["", "def other(): pass", "class A:\n    def handler(self): pass"] {
        let errors = report(source).errors;
        assert!(
            errors.len() == 1 && errors[0].message.contains("no handler: define one as"),
            "{source}: {errors:?}"
        );
    }
}

#[test]
fn configuration_is_read_without_running_it() {
    let found = report(&format!(
        "{HANDLER}config = {{'timeout': 5000, 'env_required': ['A'], 'x': f(), 'r': -0.5}}\n"
    ));
    assert_eq!(found.config, json!({ "timeout": 5000, "env_required": ["A"], "r": -0.5 }));
    assert_eq!(json!(found.warnings[0].rule), "config-not-literal");
}
