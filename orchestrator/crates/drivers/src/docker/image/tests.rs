//! Names of images.

use super::*;

#[test]
fn a_reference_has_the_runtime_and_the_digests_beginning() {
    let rootfs = RootFs {
        name: "nodejs20".to_owned(),
        path: "/var/lib/cloudbox/bundles/nodejs20".into(),
        digest: "0123456789abcdef".repeat(4),
        base: None,
    };
    assert_eq!(reference(&rootfs), "cloudbox/nodejs20:0123456789ab");
}
