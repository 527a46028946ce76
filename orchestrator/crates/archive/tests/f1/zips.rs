//! The archives of F1 that are `.zip`.

use super::make_tar::noise;
use super::make_zip::{EndOf, Item, deflate, zip, zip_with};
use super::{Case, Want, accepted, refused};

type Make = Box<dyn FnOnce() -> Case>;

fn a() -> Item {
    Item::deflated("a.js", b"aaaaaaaaaaaaaaaaaaaaaaaa")
}

pub fn all(outside: &str) -> Vec<Make> {
    let mut all: Vec<Make> = Vec::new();
    plain(&mut all);
    kinds(&mut all);
    names(&mut all, outside);
    two_ways(&mut all);
    places(&mut all);
    sizes(&mut all);
    all
}

fn plain(all: &mut Vec<Make>) {
    all.push(Box::new(|| {
        let items = [Item::stored("index.js", b"a"), Item::folder("lib/"), Item::deflated("lib/b.js", b"bb")];
        accepted("a zip", zip(&items), &[("index.js", "a"), ("lib/b.js", "bb")])
    }));
    all.push(Box::new(|| {
        accepted(
            "npm's folder in a zip",
            zip(&[Item::deflated("package/index.js", b"a")]),
            &[("index.js", "a")],
        )
    }));
    all.push(Box::new(|| {
        let item = Item { mode: 0o100_755, ..Item::stored("run", b"#!") };
        let want = Want::Files(vec![("run", b"#!".to_vec(), true)]);
        Case { name: "a program in a zip".to_owned(), archive: zip(&[item]), want }
    }));
    all.push(Box::new(|| {
        let item = Item { made_by: 0, mode: 0o120_777, ..Item::deflated("dos.js", b"a") };
        accepted("a zip of DOS, whose attributes are others", zip(&[item]), &[("dos.js", "a")])
    }));
    all.push(Box::new(|| {
        let item = Item { flags: 8, front_size: Some(0), front_crc: Some(0), behind: vec![7; 16], ..a() };
        let want = &[("a.js", "aaaaaaaaaaaaaaaaaaaaaaaa"), ("b", "b")];
        accepted("sizes that follow", zip(&[item, Item::stored("b", b"b")]), want)
    }));
    all.push(Box::new(|| {
        let end = EndOf { comment: b"a comment".to_vec(), ..EndOf::default() };
        accepted("a comment", zip_with(&[Item::stored("a", b"1")], &end), &[("a", "1")])
    }));
    all.push(Box::new(|| {
        let item =
            Item { extra: vec![0x55, 0x54, 1, 0, 9], front_extra: vec![0; 9], ..Item::stored("a", b"1") };
        accepted("extra fields of times", zip(&[item]), &[("a", "1")])
    }));
}

fn kinds(all: &mut Vec<Make>) {
    for (name, mode, why) in [
        ("a symlink in a zip", 0o120_777, "symbolic link"),
        ("a character device in a zip", 0o020_600, "a device"),
        ("a block device in a zip", 0o060_600, "a device"),
        ("a FIFO in a zip", 0o010_600, "a FIFO"),
        ("a socket in a zip", 0o140_600, "a socket"),
        ("a folder without a slash", 0o040_755, "file and a folder"),
    ] {
        all.push(Box::new(move || {
            refused(name, zip(&[Item { mode, ..Item::stored("x", b"/etc/passwd") }]), why)
        }));
    }
    all.push(Box::new(|| {
        refused("a folder with bytes", zip(&[Item { mode: 0, ..Item::stored("x/", b"abc") }]), "has bytes")
    }));
    for (name, flags) in [("encrypted", 1), ("strongly encrypted", 0x41)] {
        all.push(Box::new(move || refused(name, zip(&[Item { flags, ..a() }]), "is encrypted")));
    }
    for method in [9, 12, 14, 93, 99] {
        all.push(Box::new(move || {
            refused(format!("method {method}"), zip(&[Item { method, ..a() }]), "compressed by method")
        }));
    }
}

fn names(all: &mut Vec<Make>, outside: &str) {
    for (name, path, why) in [
        ("up in a zip", "../../canary".to_owned(), "leads out"),
        ("absolute in a zip", format!("{outside}/canary"), "absolute"),
        ("backslashes in a zip", "..\\..\\canary".to_owned(), "backslash"),
        ("a drive in a zip", "C:\\canary".to_owned(), "backslash"),
        ("a NUL in a zip", "a\0.js".to_owned(), "NUL"),
        ("an empty name in a zip", String::new(), "is empty"),
    ] {
        all.push(Box::new(move || refused(name, zip(&[Item::stored(&path, b"no")]), why)));
    }
    all.push(Box::new(|| {
        let item = Item { name: b"caf\x82.js".to_vec(), ..a() };
        refused("a name in a code page", zip(&[item]), "not UTF-8")
    }));
    all.push(Box::new(|| {
        refused("a name twice in a zip", zip(&[a(), Item::stored("a.js", b"other")]), "twice")
    }));
    all.push(Box::new(|| {
        refused("other case in a zip", zip(&[a(), Item::stored("A.JS", b"other")]), "upper and lower case")
    }));
    all.push(Box::new(|| {
        let extra = [&[0x75, 0x70, 14, 0, 1, 0, 0, 0, 0][..], b"../canary"].concat();
        refused("a second name in Unicode", zip(&[Item { extra, ..a() }]), "second name")
    }));
}

fn two_ways(all: &mut Vec<Make>) {
    all.push(Box::new(|| {
        let item = Item { front_name: Some(b"b.js".to_vec()), ..a() };
        refused("another name in front", zip(&[item]), "its name differs")
    }));
    all.push(Box::new(|| {
        let item = Item { front_method: Some(0), ..a() };
        refused("another method in front", zip(&[item]), "its method differs")
    }));
    all.push(Box::new(|| {
        refused("another size in front", zip(&[Item { front_size: Some(7), ..a() }]), "its size differs")
    }));
    all.push(Box::new(|| {
        refused("another sum in front", zip(&[Item { front_crc: Some(7), ..a() }]), "its sum (CRC) differs")
    }));
    all.push(Box::new(|| {
        refused("encrypted in front", zip(&[Item { front_flags: Some(1), ..a() }]), "its flags differs")
    }));
    all.push(Box::new(|| {
        let item = Item { crc: 7, ..a() };
        refused("another sum than the content", zip(&[item]), "another sum")
    }));
    all.push(Box::new(|| {
        let item = Item { size: 5, ..a() };
        refused("longer than it says", zip(&[item]), "not the bytes")
    }));
    all.push(Box::new(|| {
        let packed = [deflate(b"aaaaaaaaaaaaaaaaaaaaaaaa"), b"hidden".to_vec()].concat();
        refused("something behind a content", zip(&[Item { packed, ..a() }]), "something follows the end of")
    }));
    all.push(Box::new(|| {
        let mut packed = deflate(&noise(4000));
        packed.truncate(2000);
        refused("a content that is cut", zip(&[Item { packed, size: 4000, ..a() }]), "broken")
    }));
    all.push(Box::new(|| {
        let item = Item { size: 9, front_size: Some(9), ..Item::stored("a", b"1") };
        refused("stored, and of two sizes", zip(&[item]), "its size differs")
    }));
}

fn places(all: &mut Vec<Make>) {
    all.push(Box::new(|| {
        let items = [Item::stored("a", b"1"), Item { start: Some(0), ..Item::stored("a", b"1") }];
        refused("two rows of one file", zip(&items), "over one another")
    }));
    all.push(Box::new(|| {
        // The second file's header is in the first one's content.
        let inner = zip(&[Item::stored("b", b"1")]);
        let items = [Item::stored("a", &inner[..32]), Item { start: Some(31), ..Item::stored("b", b"1") }];
        refused("a file in a file", zip(&items), "over one another")
    }));
    all.push(Box::new(|| {
        refused(
            "a place with nothing",
            zip(&[Item { start: Some(3), ..a() }]),
            "not where its directory says",
        )
    }));
    all.push(Box::new(|| {
        refused("a place behind the end", zip(&[Item { start: Some(90_000), ..a() }]), "ends too early")
    }));
    for (name, end, why) in [
        ("a directory that says more", EndOf { bytes_off: 4, start_off: -4, ..EndOf::default() }, "broken"),
        ("a directory elsewhere", EndOf { start_off: -3, ..EndOf::default() }, "not where it says"),
        ("more rows than there are", EndOf { count: Some(2), ..EndOf::default() }, "ends too early"),
        ("fewer rows than there are", EndOf { count: Some(0), ..EndOf::default() }, "longer than it says"),
        ("one of several", EndOf { disk: 1, ..EndOf::default() }, "part of several"),
        ("zip64 by its count", EndOf { count: Some(u16::MAX), ..EndOf::default() }, "zip64"),
    ] {
        all.push(Box::new(move || refused(name, zip_with(&[a()], &end), why)));
    }
    all.push(Box::new(|| {
        let mut before = b"PK\x06\x07".to_vec();
        before.resize(20, 0);
        let end = EndOf { before, ..EndOf::default() };
        refused("zip64 by its record", zip_with(&[a()], &end), "zip64")
    }));
    all.push(Box::new(|| {
        refused("zip64 in a row", zip(&[Item { extra: vec![1, 0, 0, 0], ..a() }]), "zip64")
    }));
    all.push(Box::new(|| {
        let mut comment = b"PK\x05\x06".to_vec();
        comment.resize(22, 0);
        refused("two ends", zip_with(&[a()], &EndOf { comment, ..EndOf::default() }), "two places")
    }));
    all.push(Box::new(|| {
        refused("something behind a zip", [zip(&[a()]), b"x".to_vec()].concat(), "something follows its end")
    }));
    all.push(Box::new(|| {
        let end = EndOf { prefix: b"#!/bin/sh\n".to_vec(), ..EndOf::default() };
        refused("a script in front of a zip", zip_with(&[a()], &end), "neither a .tgz nor a .zip")
    }));
    all.push(Box::new(|| {
        let mut archive = zip(&[a(), Item::deflated("b", b"b")]);
        archive.truncate(archive.len() - 10);
        refused("a zip without its end", archive, "broken")
    }));
}

fn sizes(all: &mut Vec<Make>) {
    all.push(Box::new(|| {
        let item = Item::deflated("zeros", &vec![0; 20 << 20]);
        refused("a bomb in a zip", zip(&[item]), "100 times as long")
    }));
    all.push(Box::new(|| {
        let item = Item { size: 200 << 20, ..a() };
        refused("200 MiB by its row", zip(&[item]), "104857600 bytes")
    }));
    all.push(Box::new(|| {
        let items: Vec<Item> = (0..10_001).map(|number| Item::stored(&number.to_string(), b"")).collect();
        refused("10,001 rows", zip(&items), "10000 files and folders")
    }));
    all.push(Box::new(|| refused("a zip of nothing", zip(&[]), "holds no file")));
}
