//! Directories that are copied whole: whatever may lie below one is judged with it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::house::House;

/// In the target's home: a page of a site, and a key below it.
async fn site(policy: &str) -> House {
    let house = House::policed(policy).await;
    for (name, text) in [("site/page", "page"), ("site/keys/tls", "k3y")] {
        let path = house.sshd.home.join(name);
        let directory = path.parent().unwrap();
        fs::create_dir_all(directory).unwrap();
        fs::set_permissions(directory, fs::Permissions::from_mode(0o777)).unwrap();
        fs::write(path, text).unwrap();
    }
    house
}

#[tokio::test]
async fn a_directory_is_not_copied_whole_where_something_below_it_is_forbidden() {
    let policy = r#"
        policy "keys"
        default deny
        allow "work" { by group "eng"  on ssh  do read, write, remove, list, mkdir, setstat on "/**"  do exec }
        deny  "keys" { on ssh  do read, write, remove on "/**/keys/**"  say "Keys stay here" }
    "#;
    let house = site(policy).await;
    let client = house.client("ana");
    let at = |name: &str| client.directory().join(name);
    let to = |name: &str| at(name).display().to_string();

    for (attempt, output) in [
        ("scp -O -r", client.scp(&["-O", "-r", "box:site", &to("scp")]).await),
        ("rsync -r", client.rsync(&["-r", "box:site/", &to("rsync")]).await),
        ("rsync -d", client.rsync(&["-d", "box:site/keys/", &to("level")]).await),
        ("find", client.ssh(&["box", "find site -delete"]).await),
    ] {
        let said = output.errors();
        assert!(matches!(output.code, Some(1..)) && said.contains("Keys stay here"), "{attempt}: {said}");
        assert!(said.contains("/**`"), "{attempt}: {said}");
    }
    assert!(!at("scp/keys").exists() && !at("rsync").join("keys").exists() && !at("level/tls").exists());
    assert!(house.sshd.home.join("site/keys/tls").exists());

    // What is received into a directory may land anywhere in it, whatever its sender calls it.
    fs::create_dir(at("up")).unwrap();
    fs::create_dir(at("up/keys")).unwrap();
    fs::write(at("up/keys/tls"), "mine").unwrap();
    for (attempt, output) in [
        ("scp -O -r", client.scp(&["-O", "-r", &format!("{}/.", to("up")), "box:site"]).await),
        ("scp -O", client.scp(&["-O", &to("up/keys/tls"), "box:site/keys"]).await),
        ("rsync", client.rsync(&["-r", &format!("{}/", to("up")), "box:site/"]).await),
    ] {
        assert!(matches!(output.code, Some(1..)), "{attempt}: {}", output.errors());
        assert_eq!(fs::read_to_string(house.sshd.home.join("site/keys/tls")).unwrap(), "k3y", "{attempt}");
    }

    // By SFTP each file is asked for on its own.
    let output = client.scp(&["-r", "box:site", &to("sftp")]).await;
    assert!(
        output.errors().contains("Keys stay here") || output.errors().contains("keys"),
        "{}",
        output.errors()
    );
    assert_eq!(fs::read_to_string(at("sftp/page")).unwrap(), "page");
    assert!(!at("sftp/keys/tls").exists());
}

#[tokio::test]
async fn a_directory_is_copied_whole_where_all_below_it_is_permitted() {
    let policy = r#"
        policy "site"
        default deny
        allow "site"  { by group "eng"  on ssh  do read, write on "/**/site/**" }
        allow "notes" { by group "eng"  on ssh  do read on "/**/notes/*" }
    "#;
    let house = site(policy).await;
    fs::create_dir(house.sshd.home.join("notes")).unwrap();
    fs::write(house.sshd.home.join("notes/today"), "today").unwrap();
    let client = house.client("ana");
    let at = |name: &str| client.directory().join(name);
    let to = |name: &str| at(name).display().to_string();

    let _ = client.scp(&["-O", "-r", "box:site", &to("scp")]).await.success();
    let _ = client.rsync(&["-r", "box:site/", &to("rsync")]).await.success();
    for copy in ["scp", "rsync"] {
        assert_eq!(fs::read_to_string(at(copy).join("keys/tls")).unwrap(), "k3y");
    }
    fs::write(at("rsync/page"), "another page").unwrap();
    let _ = client.rsync(&["-r", &format!("{}/", to("rsync")), "box:site/"]).await.success();
    assert_eq!(fs::read_to_string(house.sshd.home.join("site/page")).unwrap(), "another page");

    // One level is not all below; a file of it is what it is.
    let output = client.scp(&["-O", "-r", "box:notes", &to("notes")]).await;
    assert!(output.errors().contains("no rule permits") && !at("notes").exists(), "{}", output.errors());
    let _ = client.scp(&["-O", "box:notes/today", &to("today")]).await.success();
    assert_eq!(fs::read_to_string(at("today")).unwrap(), "today");
}

#[tokio::test]
async fn what_holds_or_masks_something_below_holds_or_refuses_the_whole() {
    let allow = r#"
        policy "keys"
        default deny
        allow "work" { by group "eng"  on ssh  do read, write, remove on "/**"  do exec }
    "#;
    let hold = r#"hold "keys" { on ssh  do read, remove on "/**/keys/*"  until 1 of group "sre" approve within 10m }"#;
    let house = site(&format!("{allow}\n{hold}")).await;
    let client = house.client("ana");
    let to = client.directory().join("copy").display().to_string();
    let copy = client.start("scp", &["-O", "-r", "box:site", &to]);
    copy.until("held for approval").await;
    assert!(!client.directory().join("copy/keys/tls").exists());
    house.vote(&house.waiting().await, true).await;
    assert_eq!(copy.wait().await.code, Some(0));
    assert_eq!(fs::read_to_string(client.directory().join("copy/keys/tls")).unwrap(), "k3y");
    let other = client.start("scp", &["-O", "-r", "box:site/keys", &to]);
    other.until("held for approval").await;
    drop(other);

    let mask = r#"mask "keys" { on ssh  do read on "/**/keys/*"  values credit_card  with redact }"#;
    house.police(&format!("{allow}\n{mask}"));
    let to = client.directory().join("masked").display().to_string();
    let output = client.scp(&["-O", "-r", "box:site", &to]).await;
    assert!(output.errors().contains("a file transfer can't"), "{}", output.errors());
    assert!(!client.directory().join("masked").exists());
}
