//! Passwords and secrets: how they come in, and that they never come out.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::Folder;

const PASSWORD: &str = "correct horse battery staple";

#[test]
fn a_user_comes_by_variable_or_private_file() {
    let folder = Folder::initialised();
    let ran =
        folder.run_with(&[("PORTCULLIS_PASSWORD", PASSWORD)], &["user", "add", "ana", "--group", "eng"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "added ana: human, groups eng\n"), "{ran:?}");
    folder.write("password", format!("{PASSWORD}\n"));
    folder.mode("password", 0o644);
    let arguments =
        ["user", "add", "bot", "--kind", "agent", "--owner", "ana", "--password-file", "password"];
    let ran = folder.run(&arguments);
    assert!(ran.code == 5 && ran.err.contains("chmod 600 password"), "{ran:?}");
    folder.mode("password", 0o600);
    assert_eq!(folder.run(&arguments).out, "added bot: agent, no groups, for ana\n");
    let users = folder.json(&["user", "list"]);
    assert_eq!(users[0]["name"], "ana");
    assert_eq!(users[1]["owner"], "ana");
    assert!(!users.to_string().contains("SCRAM"), "verifiers stay in the store: {users}");
    // Groups given to explain are the user's own where none is given.
    let explained = folder.json(&["explain", "--as", "ana", "--at", "shop", "select a from b"]);
    assert_eq!(explained["groups"], serde_json::json!(["eng"]));
    assert_eq!(explained["verdict"], "allow");
}

#[test]
fn users_that_make_no_sense_are_refused() {
    let folder = Folder::initialised();
    for (arguments, part) in [
        (&["user", "add", "a:b"][..], "can't be a user's name"),
        (&["user", "add", "bot", "--kind", "agent"], "--owner"),
        (&["user", "add", "bot", "--kind", "agent", "--owner", "nobody"], "there is no local user `nobody`"),
        (&["user", "add", "ana", "--owner", "ben"], "only an agent has an owner"),
    ] {
        let ran = folder.run_with(&[("PORTCULLIS_PASSWORD", PASSWORD)], arguments);
        assert!(ran.code == 3 && ran.err.contains(part), "{arguments:?} {ran:?}");
    }
    // Without a terminal (`setsid` takes it away) there is nobody to ask; and nothing waits for an answer.
    let inner = folder.command(&["user", "add", "ana"]);
    let mut detached = std::process::Command::new("setsid");
    detached.arg("--wait").arg(inner.get_program()).args(inner.get_args());
    detached
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(std::process::Stdio::null());
    let ran = common::Ran::from(detached.output().expect("setsid of util-linux"));
    assert!(
        ran.code == 5 && ran.err.contains("there is no terminal") && ran.err.contains("--password-file"),
        "{ran:?}"
    );
    let ran = folder.run_with(&[("PORTCULLIS_PASSWORD", "")], &["user", "add", "ana"]);
    assert!(ran.code == 5 && ran.err.contains("empty"), "{ran:?}");
}

#[test]
fn a_lock_out_is_undone_by_restore() {
    let folder = Folder::initialised();
    folder.run_with(&[("PORTCULLIS_PASSWORD", PASSWORD)], &["user", "add", "ana"]);
    // No gateway runs: the door is shut all the same, and the answer says that the rest could not be ordered.
    let ran = folder.run(&["revoke", "--user", "ana"]);
    assert!(ran.code == 4 && ran.err.contains("new sessions of `ana` are refused"), "{ran:?}");
    assert_eq!(folder.json(&["user", "list"])[0]["disabled"], true);
    assert_eq!(folder.run(&["revoke", "--restore", "ana"]).out, "ana may connect again\n");
    assert_eq!(folder.json(&["user", "list"])[0]["disabled"], false);
    assert_eq!(folder.run(&["revoke", "--restore", "ana"]).out, "ana was not locked out\n");
    assert_eq!(folder.run(&["revoke", "--restore", "eve"]).code, 3);
}

#[test]
fn a_secret_is_stored_and_never_shown() {
    let folder = Folder::initialised();
    let ran = folder.feed(b"hunter2-hunter2\n", &["secret", "set", "shop"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "the secret `shop` is stored\n"), "{ran:?}");
    let ran = folder.feed(b"", &["secret", "set", "shop"]);
    assert!(ran.code == 5 && ran.err.contains("brought no value"), "{ran:?}");
    let ran = folder.feed(b"x", &["secret", "set", "unused"]);
    assert!(ran.code == 0 && ran.err.contains("no target uses it yet"), "{ran:?}");
    let list = folder.run(&["secret", "list"]);
    assert!(list.out.contains("shop") && !list.out.contains("hunter2"), "{list:?}");
    let sealed = folder.read("state/secrets.sealed");
    assert!(!sealed.contains("hunter2"), "{sealed}");
    assert_eq!(folder.run(&["secret", "remove", "shop"]).code, 0);
    // Nor does any argument take a password.
    let help = folder.run(&["user", "add", "--help"]).out;
    assert!(!help.contains("--password ") && help.contains("--password-file"), "{help}");
}

#[test]
fn what_init_makes_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::initialised();
    for (name, open) in [
        ("state", 0),
        ("state/secrets.key", 0),
        ("state/audit-key.der", 0),
        ("state/portcullis.db", 0),
        ("portcullis.toml", 0o040),
    ] {
        let mode = std::fs::metadata(folder.path().join(name)).expect(name).permissions().mode();
        assert_eq!(mode & 0o077 & !open, 0, "{name} has mode {mode:o}");
    }
}
