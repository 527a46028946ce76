//! Which driver the service would take, and what a report looks like.

use super::drivers::{Verdict, has_choice};
use super::*;
use crate::config::SandboxChoice;

#[test]
fn a_weak_daemon_is_no_reason_to_take_the_native_driver() {
    use Verdict::{Absent, Refused, Usable};
    let auto = |docker, native| has_choice(SandboxChoice::Auto, docker, native);
    assert!(auto(Usable, Refused) && auto(Absent, Usable));
    assert!(!auto(Refused, Usable) && !auto(Absent, Refused));
    assert!(has_choice(SandboxChoice::Native, Absent, Usable));
    assert!(!has_choice(SandboxChoice::Docker, Absent, Usable));
}

#[test]
fn a_report_has_a_line_for_each_check_under_its_group() {
    let checks = vec![
        Check::new("machine", "kernel", State::Ok, "6.1"),
        Check::new("native", "landlock", State::Warning, "none; boot a newer one"),
        Check::new("native", "seccomp", State::Missing, "none"),
    ];
    let mut text = Vec::new();
    print(&mut text, &Report { is_ready: false, checks }).unwrap();
    let expected = "machine\n  ok       kernel    6.1\nnative\n  warning  landlock  none; boot a newer one\n  \
                    MISSING  seccomp   none\nthe service can't start here\n";
    assert_eq!(String::from_utf8(text).unwrap(), expected);
}
