//! Has the crate compiled again when a file of `runtimes` changes, since `include_dir!` doesn't tell cargo.

fn main() {
    println!("cargo::rerun-if-changed=../../../runtimes");
}
