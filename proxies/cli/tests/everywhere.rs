//! What holds for every command: help, JSON, colour, pipes that close.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::process::Stdio;

use common::Folder;

const COMMANDS: &[&[&str]] = &[
    &["init"],
    &["serve"],
    &["check"],
    &["fmt"],
    &["test"],
    &["explain"],
    &["approvals"],
    &["approve"],
    &["refuse"],
    &["sessions"],
    &["revoke"],
    &["replay"],
    &["verify"],
    &["token", "create"],
    &["token", "list"],
    &["token", "revoke"],
    &["user", "add"],
    &["user", "list"],
    &["user", "remove"],
    &["secret", "set"],
    &["secret", "list"],
    &["secret", "remove"],
    &["doctor"],
    &["completions"],
];

#[test]
fn every_command_has_help() {
    let folder = Folder::new();
    let top = folder.run(&["--help"]);
    assert_eq!(top.code, 0);
    assert!(top.out.contains("Exit codes:"), "{}", top.out);
    for command in COMMANDS {
        let name = command.first().expect("a name");
        assert!(top.out.contains(&format!("\n  {name} ")), "{name} is not in the list:\n{}", top.out);
        let ran = folder.run(&[command, &["--help"][..]].concat());
        assert_eq!(ran.code, 0, "{command:?}");
        assert!(ran.out.contains("Usage: portcullis ") && ran.out.lines().count() > 8, "{}", ran.out);
    }
}

#[test]
fn json_is_one_document_that_parses() {
    let folder = Folder::initialised();
    for (arguments, keys) in [
        (&["check"][..], &["ok", "files", "rules", "errors", "diagnostics"][..]),
        (&["fmt", "--check"], &["files", "changed"]),
        (&["test"], &["ok", "passed", "failed", "results", "coverage"]),
        (
            &["explain", "--as", "ana", "--group", "eng", "--at", "shop", "drop table orders"],
            &["verdict", "statements", "notes", "connect"],
        ),
        (&["doctor"], &["ok", "problems", "warnings", "findings"]),
    ] {
        let document = folder.json(arguments);
        for key in keys {
            assert!(document.get(key).is_some(), "{arguments:?}: no `{key}` in {document:#}");
        }
    }
    for arguments in [&["user", "list"][..], &["secret", "list"], &["token", "list"]] {
        assert!(folder.json(arguments).is_array(), "{arguments:?}");
    }
    // Failures too, on standard error.
    let ran = folder.run(&["sessions", "--json"]);
    assert_eq!((ran.code, ran.out.as_str()), (4, ""));
    let document: serde_json::Value = serde_json::from_str(&ran.err).expect("a document");
    assert!(document["error"].as_str().is_some_and(|error| error.contains("no gateway")), "{document}");
    // The way out is apart from what is wrong.
    folder.write("wrong.policy", "deny \"x\" { on postgress }\n");
    for (arguments, code, error, help) in [
        (&["sessions", "--json"][..], 4, "no gateway listens", "portcullis serve"),
        (&["user", "ad", "--json"], 2, "unrecognized subcommand 'ad'", "a similar subcommand exists: 'add'"),
        (&["--json", "token", "revoke", "x"], 2, "invalid value 'x'", "'--help'"),
        (
            &["test", "wrong.policy", "--json"],
            3,
            "wrong.policy:1:15: unknown protocol",
            "did you mean `postgres`?",
        ),
        (&["user", "remove", "eve", "--json"], 3, "no local user `eve`", "portcullis user list"),
    ] {
        let ran = folder.run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{ran:?}");
        let document: serde_json::Value = serde_json::from_str(&ran.err).expect("a document");
        let part = |key: &str| document[key].as_str().map(str::to_owned).unwrap_or_default();
        assert!(part("error").contains(error) && !part("error").contains(help), "{document:#}");
        assert!(part("help").contains(help), "{document:#}");
    }
    assert_eq!(folder.run(&["--help", "--json"]).code, 0);
}

#[test]
fn a_json_init_says_what_it_made() {
    let folder = Folder::new();
    let document = folder.json(&["init", "--database", "shop"]);
    assert!(document["written"].as_array().is_some_and(|files| files.len() == 2), "{document:#}");
    assert_eq!(folder.run(&["check"]).code, 0);
}

#[test]
fn colour_is_for_terminals_only() {
    // `script` gives the command a terminal.
    let folder = Folder::initialised();
    let with_terminal = |variables: &[(&str, &str)]| {
        let mut command = std::process::Command::new("script");
        let inner = format!("{} check", env!("CARGO_BIN_EXE_portcullis"));
        command.args(["-qec", &inner, "/dev/null"]).current_dir(folder.path()).env_clear();
        command.env("PATH", "/usr/bin:/bin").env("TERM", "xterm").envs(variables.iter().copied());
        command.stdin(Stdio::null()).output().map(common::Ran::from)
    };
    let Ok(coloured) = with_terminal(&[]) else { return };
    assert!(coloured.out.contains("\u{1b}[32m"), "{coloured:?}");
    assert!(!with_terminal(&[("NO_COLOR", "1")]).expect("run").out.contains('\u{1b}'));
    assert!(!folder.run(&["check"]).out.contains('\u{1b}'));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = Folder::initialised();
    for arguments in
        [&["completions", "bash"][..], &["--help"], &["check"], &["check", "--json"], &["fmt", "--check"]]
    {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = folder.command(arguments).stdout(writer).stderr(Stdio::piped()).output().expect("run");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn a_full_disk_is_a_failure() {
    let folder = Folder::initialised();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("there");
    let output = folder.command(&["check"]).stdout(full).stderr(Stdio::piped()).output().expect("run");
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("can't write to standard output"));
}
