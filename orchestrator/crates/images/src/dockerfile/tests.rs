//! What of Dockerfiles is taken and what is refused.

use super::*;

fn policy(may_run: bool) -> Policy {
    Policy {
        allow: vec!["node:*".to_owned(), "my-org/*".to_owned()],
        may_build: true,
        may_run,
        ..Policy::default()
    }
}

fn refusal(text: &str) -> String {
    Dockerfile::read(text, &policy(true)).unwrap_err().to_string()
}

#[test]
fn instructions_are_written_anew_with_images_by_their_ids() {
    let text = "# a comment\nfrom node:22 as Build\n\nRUN make \\\n  # inside\n  && make install\r\nFROM my-org/run\n\
                COPY --from=build --chown=1:1 /out /app\nENV A=b\\ c D=e\nENTRYPOINT [\"/app/run\"]\n";
    let read = Dockerfile::read(text, &policy(true)).unwrap();
    let images: Vec<String> = read.images().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(images, ["docker.io/library/node:22", "docker.io/my-org/run:latest"]);
    let ids = images.iter().zip(["sha256:1", "sha256:2"]).map(|(name, id)| (name.clone(), id.to_owned()));
    assert_eq!(
        read.with_ids(&ids.collect()).unwrap(),
        "FROM sha256:1 AS build\nRUN make   && make install\nFROM sha256:2\n\
         COPY --from=build --chown=1:1 /out /app\nENV A=b\\ c D=e\nENTRYPOINT [\"/app/run\"]\n"
    );
    assert!(read.with_ids(&BTreeMap::new()).is_err());
}

#[test]
fn steps_run_only_where_the_operator_allows_them() {
    let why = Dockerfile::read("FROM scratch\nRUN true\n", &policy(false)).unwrap_err().to_string();
    assert!(why.contains("line 2") && why.contains("images.run"), "{why}");
    assert!(Dockerfile::read("FROM scratch\nCOPY . /\n", &policy(false)).is_ok());
    for hidden in [
        "FROM scratch\n  rUn true\n",
        "FROM scratch\nCOPY a \\\n b\nRUN true\n",
        "FROM scratch\nCOPY a b\\\n\nRUN true\n",
        "FROM scratch\nCOPY a b # \\\nRUN true\n",
        "\u{feff}FROM scratch\nRUN true",
    ] {
        match Dockerfile::read(hidden, &policy(false)) {
            Err(_) => {}
            // Joined with what stands before it, it is no instruction any more.
            Ok(read) => assert!(read.instructions.iter().all(|it| it.word != "RUN"), "{hidden:?}"),
        }
    }
}

#[test]
fn what_reaches_beyond_the_build_is_refused() {
    for (text, why) in [
        ("", "begin with FROM"),
        ("ARG X=node\nFROM $X", "begin with FROM"),
        ("FROM $X", "no image's name"),
        ("FROM --platform=linux/arm64 node:22", "options"),
        ("FROM evil:1", "none of those"),
        ("FROM cloudbox/nodejs20:1", "own images"),
        ("FROM sha256:0000000000000000000000000000000000000000000000000000000000000000", "id"),
        ("# syntax=evil/frontend\nFROM scratch", "directive"),
        ("# escape=`\nFROM scratch", "directive"),
        ("FROM scratch\nADD https://example.com/x /x", "COPY"),
        ("FROM scratch\nADD x.tar /", "COPY"),
        ("FROM scratch\nONBUILD RUN true", "ONBUILD"),
        ("FROM scratch\nCOPY --from=evil:1 / /", "earlier stage"),
        ("FROM scratch AS a\nCOPY --from=a / /", "earlier stage"),
        ("FROM scratch\nCOPY --from=0 / /", "earlier stage"),
        ("FROM scratch\nCOPY --link a b", "--from and --chown"),
        ("FROM scratch\nRUN --mount=type=secret,id=x cat /run/secrets/x", "no options"),
        ("FROM scratch\nRUN --network=host true", "no options"),
        ("FROM scratch\nRUN <<EOF cat\n", "<<"),
        ("FROM scratch\nINCLUDE x", "no such"),
        ("FROM scratch\nENV", "not whole"),
        ("FROM scratch\nENV A=1 \\", "no end"),
        ("FROM scratch\nENV A=\u{1b}[0m", "control"),
    ] {
        let refused = refusal(text);
        assert!(refused.contains(why), "{text:?}: {refused}");
    }
    assert!(Dockerfile::read("FROM scratch AS a\nFROM scratch\nCOPY --from=0 / /", &policy(true)).is_ok());
    assert!(refusal(&"#".repeat(MAX_BYTES + 1)).contains("bytes"));
}
