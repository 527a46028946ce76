//! The archives of F1 that are `.tgz`.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};

use super::make_tar::{Entry, Tar, gz, noise, record};
use super::{Case, Want, accepted, refused};

type Make = Box<dyn FnOnce() -> Case>;

fn tar() -> Tar {
    Tar::default()
}

pub fn all(outside: &str) -> Vec<Make> {
    let mut all: Vec<Make> = Vec::new();
    plain(&mut all);
    kinds(&mut all, outside);
    names(&mut all, outside);
    headers(&mut all);
    sizes(&mut all);
    broken(&mut all);
    all
}

fn plain(all: &mut Vec<Make>) {
    all.push(Box::new(|| accepted("one file", tar().file("index.js", "a").gz(), &[("index.js", "a")])));
    all.push(Box::new(|| {
        let archive =
            tar().folder("package/").file("package/index.js", "a").file("package/lib/b.js", "b").gz();
        accepted("npm's folder", archive, &[("index.js", "a"), ("lib/b.js", "b")])
    }));
    all.push(Box::new(|| {
        let archive = tar().file("package/a.js", "a").file("index.js", "b").gz();
        accepted("a folder package beside others", archive, &[("package/a.js", "a"), ("index.js", "b")])
    }));
    all.push(Box::new(|| {
        let archive = tar().folder("./").file("./index.js", "a").folder("./lib/").file("./lib/b", "").gz();
        accepted("the current folder", archive, &[("index.js", "a"), ("lib/b", "")])
    }));
    all.push(Box::new(|| {
        let entry = Entry { mode: 0o6755, ..Entry::new(b"run", b'0', b"#!") };
        let want = Want::Files(vec![("run", b"#!".to_vec(), true)]);
        Case { name: "a setuid program".to_owned(), archive: tar().entry(&entry).gz(), want }
    }));
    all.push(Box::new(|| {
        let archive = tar().entry(&Entry::new(b"old", 0, b"v7")).entry(&Entry::new(b"lib/", 0, b"")).gz();
        accepted("the oldest form", archive, &[("old", "v7")])
    }));
    all.push(Box::new(|| {
        let archive = tar().folder("lib").folder("lib").file("lib/a", "1").gz();
        accepted("a folder named twice", archive, &[("lib/a", "1")])
    }));
    all.push(Box::new(|| {
        let inner = tar().file("../canary", "no").gz();
        let entry = Entry::new(b"inner.tgz", b'0', &inner);
        let want = Want::Files(vec![("inner.tgz", inner.clone(), false)]);
        Case { name: "an archive in an archive".to_owned(), archive: tar().entry(&entry).gz(), want }
    }));
    all.push(Box::new(|| {
        let archive = tar().file("näme 日本.js", "a").file("a b.js", "b").gz();
        accepted("names in Unicode", archive, &[("näme 日本.js", "a"), ("a b.js", "b")])
    }));
    all.push(Box::new(|| {
        let (first, second) = (tar().file("a", "1").0, tar().file("b", "2").end());
        accepted("two members of gzip", [gz(&first), gz(&second)].concat(), &[("a", "1"), ("b", "2")])
    }));
    all.push(Box::new(|| accepted("without an end mark", gz(&tar().file("a", "1").0), &[("a", "1")])));
    all.push(Box::new(|| {
        let mut padded = tar().file("a", "1").end();
        padded.resize(10_240, 0);
        accepted("padded to a block of a tape", gz(&padded), &[("a", "1")])
    }));
}

fn kinds(all: &mut Vec<Make>, outside: &str) {
    let target = format!("{outside}/a");
    for (name, kind, link, why) in [
        ("a symlink to a folder", b'2', target.clone(), "symbolic link"),
        ("a symlink upwards", b'2', "../..".to_owned(), "symbolic link"),
        ("a symlink inside", b'2', "index.js".to_owned(), "symbolic link"),
        ("a hard link outside", b'1', format!("{outside}/canary"), "hard link"),
        ("a hard link inside", b'1', "index.js".to_owned(), "hard link"),
        ("a character device", b'3', String::new(), "a device"),
        ("a block device", b'4', String::new(), "a device"),
        ("a FIFO", b'6', String::new(), "a FIFO"),
        ("a contiguous file", b'7', String::new(), "unknown kind"),
        ("a sparse file of GNU", b'S', String::new(), "sparse"),
        ("a volume label", b'V', String::new(), "unknown kind"),
        ("a multi-volume part", b'M', String::new(), "unknown kind"),
        ("an unknown letter", b'Z', String::new(), "unknown kind"),
        ("a long link of GNU", b'K', String::new(), "link with a long target"),
    ] {
        let make = move || {
            let archive = tar().file("index.js", "a").kind("x", kind, &link).file("x/canary", "no").gz();
            refused(name, archive, why)
        };
        all.push(Box::new(make));
    }
    all.push(Box::new(|| {
        let archive =
            tar().pax(b'x', &[("GNU.sparse.major", b"1"), ("GNU.sparse.name", b"a")]).file("a", "b");
        refused("a sparse file of PAX", archive.gz(), "sparse")
    }));
    all.push(Box::new(|| {
        let archive = tar().pax(b'x', &[("linkpath", b"/etc")]).kind("l", b'2', "x").gz();
        refused("a symlink by PAX", archive, "symbolic link")
    }));
}

fn names(all: &mut Vec<Make>, outside: &str) {
    let absolute = format!("{outside}/canary");
    for (name, path, why) in [
        ("one up", "../canary".to_owned(), "leads out"),
        ("two up", "../../canary".to_owned(), "leads out"),
        ("up in the middle", "lib/../../canary".to_owned(), "leads out"),
        ("up behind npm's folder", "package/../../canary".to_owned(), "leads out"),
        ("up and down", "a/../b".to_owned(), "leads out"),
        ("up at the end", "lib/..".to_owned(), "leads out"),
        ("up alone", "..".to_owned(), "leads out"),
        ("absolute", absolute, "absolute"),
        ("the root", "/".to_owned(), "absolute"),
        ("two slashes", "//etc/passwd".to_owned(), "absolute"),
        ("an empty part", "lib//a.js".to_owned(), "empty part"),
        ("a dot in the middle", "lib/./a.js".to_owned(), "part \".\""),
        ("backslashes", "..\\canary".to_owned(), "backslash"),
        ("a line feed", "a\nb".to_owned(), "control"),
        ("an escape", "a\u{1b}[2Jb".to_owned(), "control"),
        ("a C1 control", "a\u{9b}b".to_owned(), "control"),
        ("decomposed", "e\u{301}.js".to_owned(), "NFC"),
        ("a decomposed folder", "u\u{308}/a.js".to_owned(), "NFC"),
    ] {
        all.push(Box::new(move || refused(name, tar().file(&path, "no").gz(), why)));
    }
    all.push(Box::new(|| refused("no name", tar().file("", "no").gz(), "is empty")));
    all.push(Box::new(|| refused("the root as a file", tar().file(".", "no").gz(), "file and a folder")));
    all.push(Box::new(|| {
        refused("not UTF-8", tar().entry(&Entry::new(b"a\xff.js", b'0', b"")).gz(), "not UTF-8")
    }));
    all.push(Box::new(|| refused("a name twice", tar().file("a.js", "1").file("a.js", "2").gz(), "twice")));
    all.push(Box::new(|| {
        refused("a name twice, once with a dot", tar().file("a.js", "1").file("./a.js", "2").gz(), "twice")
    }));
    all.push(Box::new(|| {
        refused("other case", tar().file("a.js", "1").file("A.js", "2").gz(), "upper and lower case")
    }));
    all.push(Box::new(|| {
        let archive = tar().file("lib/a.js", "1").file("LIB/b.js", "2").gz();
        refused("other case of a folder", archive, "upper and lower case")
    }));
    all.push(Box::new(|| {
        refused("sharp s", tar().file("stra\u{df}e", "1").file("STRASSE", "2").gz(), "upper and lower case")
    }));
    all.push(Box::new(|| {
        let archive = tar().file("\u{212a}.js", "1").file("k.js", "2").gz();
        // The Kelvin sign's composed form is the letter K.
        refused("the Kelvin sign", archive, "NFC")
    }));
    all.push(Box::new(|| {
        refused("below a file", tar().file("a", "1").file("a/b", "2").gz(), "file and a folder")
    }));
    all.push(Box::new(|| {
        refused("a file for a folder", tar().file("a/b", "1").file("a", "2").gz(), "file and a folder")
    }));
}

fn headers(all: &mut Vec<Make>) {
    let long = format!("{}/index.js", "d".repeat(150));
    let path = long.clone();
    all.push(Box::new(move || {
        let archive = tar().long(path.as_bytes()).file("short", "a").gz();
        let want = Want::Count(1);
        Case { name: "a long name of GNU".to_owned(), archive, want }
    }));
    all.push(Box::new(move || {
        let archive =
            tar().pax(b'x', &[("path", long.as_bytes()), ("mtime", b"1.5")]).file("short", "a").gz();
        Case { name: "a long name of PAX".to_owned(), archive, want: Want::Count(1) }
    }));
    all.push(Box::new(|| {
        let archive =
            tar().pax(b'g', &[("comment", b"4b825dc642cb6eb9a060e54bf8d69288fbee4904")]).file("a", "1");
        accepted("git's comment", archive.gz(), &[("a", "1")])
    }));
    all.push(Box::new(|| {
        let archive =
            tar().pax(b'x', &[("SCHILY.xattr.user.x", b"a\n\0b"), ("size", b"1")]).file("a", "1").gz();
        accepted("attributes", archive, &[("a", "1")])
    }));
    for (name, records, why) in [
        ("up by PAX", vec![("path", &b"../../canary"[..])], "leads out"),
        ("absolute by PAX", vec![("path", b"/etc/cron.d/x")], "absolute"),
        ("a NUL by PAX", vec![("path", b"a\0b")], "NUL"),
        ("a size that differs", vec![("size", b"1024")], "two sizes"),
        ("a size of nothing", vec![("size", b"0")], "two sizes"),
        ("a size that is none", vec![("size", b"-1")], "extended header"),
        ("two paths", vec![("path", b"a"), ("path", b"b")], "named twice"),
    ] {
        all.push(Box::new(move || refused(name, tar().pax(b'x', &records).file("short", "ab").gz(), why)));
    }
    all.push(Box::new(|| {
        let archive = tar().long(b"../../canary").file("short", "a").gz();
        refused("up by GNU's long name", archive, "leads out")
    }));
    all.push(Box::new(|| {
        let archive = tar().long(b"a").pax(b'x', &[("path", b"b")]).file("short", "a").gz();
        refused("two long names", archive, "named twice")
    }));
    all.push(Box::new(|| {
        let archive = tar().pax(b'g', &[("path", b"a")]).file("b", "1").gz();
        refused("one path for all", archive, "one path or size")
    }));
    all.push(Box::new(|| refused("a header of nothing", tar().long(b"a").gz(), "last header")));
    all.push(Box::new(|| {
        let archive = tar().entry(&Entry::new(b"x", b'x', b"99 path=a\n")).file("a", "1").gz();
        refused("a record longer than its header", archive, "extended header")
    }));
    all.push(Box::new(|| {
        let mut text = record("path", b"a");
        text[0] = b'+';
        refused(
            "a length that is none",
            tar().entry(&Entry::new(b"x", b'x', &text)).file("a", "1").gz(),
            "extended",
        )
    }));
    all.push(Box::new(|| {
        let text = record("comment", &vec![b'x'; 70 << 10]);
        refused(
            "records too long",
            tar().entry(&Entry::new(b"x", b'x', &text)).file("a", "1").gz(),
            "65536 bytes",
        )
    }));
    all.push(Box::new(|| {
        let name = vec![b'd'; 70 << 10];
        refused("a name too long for its header", tar().long(&name).file("a", "1").gz(), "65536 bytes")
    }));
    all.push(Box::new(|| {
        let name = "dir/".repeat(300);
        refused("a path too long", tar().long(name.as_bytes()).file("a", "1").gz(), "1024 bytes")
    }));
    all.push(Box::new(|| {
        let name = format!("{}/a", "d".repeat(300));
        refused("a part too long", tar().long(name.as_bytes()).file("a", "1").gz(), "255 bytes")
    }));
    all.push(Box::new(|| {
        let name = "d/".repeat(33) + "a";
        refused("too deep", tar().file(&name, "1").gz(), "32 folders deep")
    }));
}

/// A gzip of one file of zeros, made without holding it.
fn zeros(len: u64) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let header = tar().entry(&Entry { size: Some(len), ..Entry::new(b"zeros", b'0', b"") }).0;
    encoder.write_all(&header).unwrap();
    let piece = vec![0; 1 << 20];
    let mut left = len as usize;
    while left > 0 {
        let now = left.min(piece.len());
        encoder.write_all(&piece[..now]).unwrap();
        left -= now;
    }
    encoder.finish().unwrap()
}

fn sizes(all: &mut Vec<Make>) {
    all.push(Box::new(|| refused("a bomb", zeros(60 << 20), "100 times as long")));
    all.push(Box::new(|| refused("a bomb that says how long it is", zeros(120 << 20), "104857600 bytes")));
    all.push(Box::new(|| {
        let entry = Entry { size: Some(8_589_934_591), ..Entry::new(b"a", b'0', b"x") };
        refused("8 GiB by its header", gz(&tar().entry(&entry).0), "104857600 bytes")
    }));
    all.push(Box::new(|| {
        let mut archive = tar().file("a", "1").gz();
        archive.resize((50 << 20) + 1, 0);
        refused("50 MiB and a byte", archive, "the limit is 52428800")
    }));
    all.push(Box::new(|| {
        let mut tar = tar();
        for number in 0..10_001 {
            tar = tar.file(&format!("{number}"), "");
        }
        refused("10,001 files", tar.gz(), "10000 files and folders")
    }));
    all.push(Box::new(|| {
        let mut tar = tar();
        for number in 0..400 {
            tar = tar.file(&format!("{number}{}/a", "/d".repeat(27)), "");
        }
        refused("folders that only names tell of", tar.gz(), "10000 files and folders")
    }));
    all.push(Box::new(|| {
        let mut tar = tar();
        for number in 0..9_999 {
            tar = tar.file(&format!("{number}"), "");
        }
        let (archive, want) = (tar.file("last", "x").gz(), Want::Count(10_000));
        Case { name: "10,000 files".to_owned(), archive, want }
    }));
    all.push(Box::new(|| {
        let content = noise(3 << 20);
        let archive = tar().entry(&Entry::new(b"big", b'0', &content)).gz();
        Case { name: "3 MiB".to_owned(), archive, want: Want::Files(vec![("big", content, false)]) }
    }));
    all.push(Box::new(|| refused("no entry", tar().gz(), "holds no file")));
    all.push(Box::new(|| refused("folders alone", tar().folder("a/").folder("b/").gz(), "holds no file")));
}

fn broken(all: &mut Vec<Make>) {
    let whole = || tar().file("index.js", &"code ".repeat(500)).file("b.js", "b");
    for (name, keep) in [("cut in half", 2), ("cut near its end", 20)] {
        all.push(Box::new(move || {
            let mut archive = whole().gz();
            archive.truncate(archive.len() - archive.len() / keep);
            refused(name, archive, "broken")
        }));
    }
    all.push(Box::new(move || {
        let mut archive = whole().gz();
        archive.truncate(archive.len() - 4);
        refused("without gzip's length", archive, "ends too early")
    }));
    for (name, from_end) in [("another sum of gzip", 8), ("another length of gzip", 4)] {
        all.push(Box::new(move || {
            let mut archive = whole().gz();
            let at = archive.len() - from_end;
            archive[at] ^= 1;
            refused(name, archive, "broken")
        }));
    }
    all.push(Box::new(move || {
        refused("something behind gzip", [whole().gz(), b"trailing bytes".to_vec()].concat(), "broken")
    }));
    all.push(Box::new(move || {
        let archive = [whole().end(), tar().file("../canary", "no").end()].concat();
        refused("a second tar behind the end", gz(&archive), "something follows its end")
    }));
    all.push(Box::new(move || {
        let mut archive = whole().end();
        archive[0] ^= 1;
        refused("another sum of a header", gz(&archive), "broken")
    }));
    all.push(Box::new(move || {
        let mut archive = whole().0;
        archive.truncate(1000);
        refused("a tar that is cut", gz(&archive), "broken")
    }));
    all.push(Box::new(|| {
        let entry = Entry { size: Some(5000), ..Entry::new(b"a", b'0', b"short") };
        refused("a file that is cut", gz(&tar().entry(&entry).0), "broken")
    }));
    all.push(Box::new(|| refused("gzip of something else", gz(&noise(2000)), "broken")));
    all.push(Box::new(|| {
        refused("a tar without gzip", tar().file("a", "1").end(), "neither a .tgz nor a .zip")
    }));
    all.push(Box::new(|| refused("nothing", Vec::new(), "neither a .tgz nor a .zip")));
    all.push(Box::new(|| refused("two bytes of gzip", vec![0x1f, 0x8b], "broken")));
    all.push(Box::new(|| refused("bzip2", b"BZh91AY&SY".to_vec(), "neither a .tgz nor a .zip")));
    all.push(Box::new(|| refused("a script", b"#!/bin/sh\n".to_vec(), "neither a .tgz nor a .zip")));
}
