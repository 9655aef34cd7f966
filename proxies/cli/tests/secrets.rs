//! Passwords and secrets: how they come in, and that they never come out.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::Folder;
use portcullis_gateway::config::Config;
use portcullis_gateway::identity::Verifier;
use portcullis_gateway::start::open_store;
use portcullis_gateway::store::{NewToken, Sqlite, Store as _};

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

fn open(folder: &Folder) -> Sqlite {
    let file = folder.path().join("portcullis.toml");
    open_store(&Config::load(file).expect("a configuration")).expect("a store")
}

/// What the store keeps of a user's password.
fn verifier(folder: &Folder, name: &str) -> Verifier {
    let user = open(folder).user(name).expect("read").expect("there");
    user.verifier.parse().expect("whole")
}

#[test]
fn agents_and_services_need_no_password() {
    let folder = Folder::initialised();
    let ran = folder.run(&["user", "add", "bot", "--kind", "agent", "--group", "bots"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "added bot: agent, groups bots\n"), "{ran:?}");
    assert!(ran.err.contains("it has no password") && ran.err.contains("token create"), "{ran:?}");
    assert!(!verifier(&folder, "bot").fits("") && !verifier(&folder, "bot").fits("bot"));
    assert_eq!(folder.run(&["user", "add", "ci", "--kind", "service"]).code, 0);
    // One that is given counts, stays when the user is changed without one, and is taken away by name.
    let variable = [("PORTCULLIS_PASSWORD", PASSWORD)];
    assert_eq!(folder.run_with(&variable, &["user", "add", "ci", "--kind", "service"]).code, 0);
    assert!(verifier(&folder, "ci").fits(PASSWORD));
    let ran = folder.run(&["user", "add", "ci", "--kind", "service", "--group", "ops"]);
    assert!(ran.out.contains("changed ci") && ran.err.contains("--no-password takes it away"), "{ran:?}");
    assert!(verifier(&folder, "ci").fits(PASSWORD));
    let none = ["user", "add", "ci", "--kind", "service", "--no-password"];
    let ran = folder.run_with(&variable, &none);
    assert!(ran.code == 0 && ran.err.contains("it has no password"), "{ran:?}");
    assert!(!verifier(&folder, "ci").fits(PASSWORD));
    // A person has one, unless it is said otherwise.
    let ran = folder.run(&["user", "add", "ana", "--group", "eng", "--no-password"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let both = [&none[..], &["--password-file", "x"]].concat();
    assert_eq!(folder.run(&both).code, 2);
}

#[test]
fn a_token_is_shown_once_and_ends() {
    let folder = Folder::initialised();
    let with = |arguments: &[&str]| {
        let ran = folder.run_with(&[("PORTCULLIS_PASSWORD", PASSWORD)], arguments);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran
    };
    with(&["user", "add", "ana", "--group", "eng"]);
    let free = with(&["user", "add", "bot", "--kind", "agent"]);
    assert!(free.err.contains("--on-behalf-of"), "{free:?}");

    let made = folder.run(&["token", "create", "--user", "ana", "--expires", "30d", "--name", "ci"]);
    let token = made.out.trim_end();
    assert!(made.code == 0 && token.starts_with("pcl_") && token.len() == 53, "{made:?}");
    assert!(made.err.contains("token 1 of ana") && made.err.contains("token revoke 1"), "{made:?}");
    let made = folder.json(&["token", "create", "--user", "bot", "--on-behalf-of", "ana"]);
    assert_eq!((&made["number"], &made["on_behalf_of"]), (&2.into(), &"ana".into()), "{made}");
    assert!(made["token"].as_str().is_some_and(|text| text.starts_with("pcl_")));

    let listed = folder.run(&["token", "list"]);
    assert!(!listed.out.contains("pcl_") && listed.out.contains("ci"), "{listed:?}");
    let of_ana = folder.json(&["token", "list", "--user", "ana"]);
    assert_eq!(of_ana.as_array().map(Vec::len), Some(1));
    assert_eq!(of_ana[0]["good"], true);
    assert!(!of_ana.to_string().contains(token));
    let store = std::fs::read(folder.path().join("state/portcullis.db")).expect("a store");
    let log = std::fs::read(folder.path().join("state/portcullis.db-wal")).unwrap_or_default();
    for bytes in [store, log] {
        assert!(!bytes.windows(token.len()).any(|window| window == token.as_bytes()), "the store has it");
    }

    let revoked = folder.run(&["token", "revoke", "1"]);
    assert_eq!(revoked.out, "revoked token 1 of ana; sessions that it opened end\n", "{revoked:?}");
    assert_eq!(folder.json(&["token", "list", "--user", "ana"])[0]["good"], false);
    assert_eq!(folder.run(&["token", "revoke", "1"]).out, "token 1 of ana was revoked before\n");

    assert_eq!(folder.json(&["doctor"])["findings"].to_string().matches("within a week").count(), 0);
    // One that was never to last longer surprises nobody; one that was made long ago does.
    folder.run(&["token", "create", "--user", "ana", "--expires", "8h"]);
    folder.run(&["token", "create", "--user", "ana", "--expires", "7d"]);
    assert!(!folder.run(&["doctor"]).out.contains("within a week"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let now = i64::try_from(now.as_millis()).expect("a time");
    let day = 86_400_000;
    let (created, expires) = (now - 28 * day, now + 2 * day);
    let old =
        NewToken { hash: [7; 32], user: "ana".into(), name: "ci".into(), owner: None, created, expires };
    open(&folder).add_token(&old).expect("added");
    let doctor = folder.run(&["doctor"]);
    assert!(doctor.out.contains("tokens: 1 token ends within a week: 5 of ana, ci"), "{doctor:?}");
}

#[test]
fn tokens_that_make_no_sense_are_refused() {
    let folder = Folder::initialised();
    for arguments in [
        &["user", "add", "ana"][..],
        &["user", "add", "ben"],
        &["user", "add", "bot", "--kind", "agent", "--owner", "ana"],
        &["user", "add", "free", "--kind", "agent"],
    ] {
        folder.run_with(&[("PORTCULLIS_PASSWORD", PASSWORD)], arguments);
    }
    for (arguments, code, part) in [
        (&["--user", "eve"][..], 3, "there is no local user `eve`"),
        (&["--user", "ana", "--expires", "never"], 2, "a token ends"),
        (&["--user", "ana", "--expires", "366d"], 2, "365 days"),
        (&["--user", "ana", "--on-behalf-of", "ben"], 3, "only an agent"),
        (&["--user", "bot", "--on-behalf-of", "ben"], 3, "bot acts for ana, not for ben"),
        (&["--user", "free"], 3, "--on-behalf-of USER"),
        (
            &["--user", "bot9", "--on-behalf-of", "ana"],
            3,
            "`portcullis user add bot9 --kind agent` makes one",
        ),
        (&["--user", "free", "--on-behalf-of", "eve"], 3, "there is no local user `eve`"),
        (&["--user", "free", "--on-behalf-of", "bot"], 3, "never for another agent"),
        (&["--user", "ana", "--name", "a\nb"], 3, "can't be a token's name"),
    ] {
        let ran = folder.run(&[&["token", "create"], arguments].concat());
        assert!(ran.code == code && ran.err.contains(part) && ran.out.is_empty(), "{arguments:?} {ran:?}");
    }
    let ran = folder.run(&["token", "revoke", "7"]);
    assert!(ran.code == 3 && ran.err.contains("token list"), "{ran:?}");
    // A password can't be taken for a token.
    let ran = folder.run_with(&[("PORTCULLIS_PASSWORD", "pcl_correct horse")], &["user", "add", "ana"]);
    assert!(ran.code == 3 && ran.err.contains("begins like a token"), "{ran:?}");
    let owned = ["user", "add", "bot2", "--kind", "agent", "--owner", "bot"];
    let ran = folder.run_with(&[("PORTCULLIS_PASSWORD", PASSWORD)], &owned);
    assert!(ran.code == 3 && ran.err.contains("bot is an agent itself"), "{ran:?}");
}

#[test]
fn users_that_make_no_sense_are_refused() {
    let folder = Folder::initialised();
    for (arguments, part) in [
        (&["user", "add", "a:b"][..], "can't be a user's name"),
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
    assert!(ran.err.contains("needs none") && ran.err.contains("--no-password"), "{ran:?}");
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
