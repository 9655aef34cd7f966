//! Files: judged operation by operation, byte for byte what they were.

use std::fs;

use portcullis_evidence::recording::{Event, FileResult};

use crate::house::House;

/// Every byte, and more than one packet of them.
fn payload() -> Vec<u8> {
    (0..300_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

#[tokio::test]
async fn files_go_both_ways_by_sftp_and_scp() {
    let house = House::new().await;
    let client = house.client("ana");
    let here = client.directory().join("here");
    fs::write(&here, payload()).unwrap();
    let (here, back) = (here.display().to_string(), client.directory().join("back").display().to_string());
    let batch =
        format!("pwd\nput {here} there\nget there {back}\nrename there elsewhere\nls -l\nrm elsewhere\n");
    let output = client.sftp(&batch).await.success();
    assert!(output.text().contains(&house.sshd.home.display().to_string()), "{}", output.text());
    assert_eq!(fs::read(&back).unwrap(), payload());
    for mode in [&[][..], &["-O"]] {
        fs::remove_file(&back).unwrap();
        let _ = client.scp(&[mode, &[&here, "box:there"]].concat()).await.success();
        let _ = client.scp(&[mode, &["box:there", &back]].concat()).await.success();
        assert_eq!(fs::read(&back).unwrap(), payload(), "{mode:?}");
    }
}

#[tokio::test]
async fn a_file_that_a_value_mask_covers_is_shown_masked_and_copied_by_nothing() {
    let policy = r#"
        policy "exports"
        default deny
        allow "work"    { by group "eng"  on ssh  do read, list on "/**"  do exec }
        mask  "screens" { on ssh  do exec  values credit_card  with redact }
        mask  "exports" { on ssh  do read on "/**/export"  values credit_card  with redact }
    "#;
    let house = House::policed(policy).await;
    let export = house.sshd.home.join("export");
    fs::write(&export, "4111 1111 1111 1111\n").unwrap();
    fs::write(house.sshd.home.join("plain"), "4111 1111 1111 1111\n").unwrap();
    let client = house.client("ana");
    let export = export.display().to_string();
    let shown = client.ssh(&["box", &format!("cat {export}")]).await.success();
    assert!(shown.text().contains("redacted") && !shown.text().contains("4111"), "{}", shown.text());
    let copy = client.directory().join("copy");
    let to = copy.display().to_string();
    for mode in [&[][..], &["-O"]] {
        let output = client.scp(&[mode, &[&format!("box:{export}"), &to]].concat()).await;
        assert!(matches!(output.code, Some(1..)), "{mode:?}: {}", output.errors());
        assert!(output.errors().contains("have to be masked"), "{mode:?}: {}", output.errors());
        assert!(!fs::read_to_string(&copy).unwrap_or_default().contains("4111"), "{mode:?}");
    }
    let output = client.rsync(&[&format!("box:{export}"), &to]).await;
    assert!(output.errors().contains("have to be masked"), "{}", output.errors());
    let output = client.sftp(&format!("-get {export} {to}\nget plain {to}\n")).await.success();
    assert!(output.errors().contains("have to be masked"), "{}", output.errors());
    // A mask of what is shown on a screen is none of what is copied.
    assert_eq!(fs::read_to_string(&copy).unwrap(), "4111 1111 1111 1111\n");
}

#[tokio::test]
async fn an_operation_that_is_not_permitted_is_refused_and_the_transfer_goes_on() {
    let policy = r#"
        policy "files"
        default deny
        allow "work"   { by group "eng"  on ssh  do read, write, list on "/**" }
        deny  "shadow" { on ssh  do read, write on "/**/secret*" }
    "#;
    let house = House::policed(policy).await;
    fs::write(house.sshd.home.join("secret"), "s3cret").unwrap();
    fs::write(house.sshd.home.join("plain"), "plain").unwrap();
    let client = house.client("ana");
    let (one, two) = (client.directory().join("one"), client.directory().join("two"));
    let batch = format!(
        "-get secret {}\n-get x/../secret {}\n-rm plain\nget plain {}\n",
        one.display(),
        one.display(),
        two.display()
    );
    let output = client.sftp(&batch).await.success();
    assert!(!one.exists(), "{}", output.errors());
    assert_eq!(fs::read_to_string(&two).unwrap(), "plain");
    assert!(house.sshd.home.join("plain").exists());
    assert!(output.errors().to_lowercase().contains("shadow"), "{}", output.errors());
}

#[tokio::test]
async fn a_recording_tells_of_each_operation_and_which_command_it_was() {
    let policy = r#"
        policy "files"
        default deny
        allow  "work"   { by group "eng"  on ssh  do read, list on "/**" }
        deny   "secret" { on ssh  do read on "/**/secret" }
        record "files" all { on ssh  do read, list }
    "#;
    let house = House::policed(policy).await;
    for name in ["plain", "secret"] {
        fs::write(house.sshd.home.join(name), "12345").unwrap();
    }
    let client = house.client("ana");
    let to = client.directory().join("copy").display().to_string();
    let _ = client.sftp(&format!("get plain {to}\n-get secret {to}\n")).await;
    house.until_evidence_says("\"result\":\"denied\"").await;
    let told: Vec<_> = house
        .recorded()
        .into_iter()
        .filter_map(|event| match event {
            Event::File { command, operation, path, result, bytes, .. } if operation != "list" => {
                let name = path.rsplit('/').next().unwrap_or_default().to_owned();
                Some((command, operation.to_string(), name, result, bytes))
            }
            _ => None,
        })
        .collect();
    let [opened, closed, refused] = told.as_slice() else { panic!("{told:?}") };
    let file = |operation: &str, name: &str| (operation.to_owned(), name.to_owned());
    assert_eq!((opened.1.clone(), opened.2.clone()), file("read", "plain"));
    assert_eq!((closed.1.clone(), closed.2.clone()), file("close", "plain"));
    assert!(opened.0 > 0 && opened.0 == closed.0, "{told:?}");
    assert_eq!(closed.4, Some(5));
    assert_eq!((refused.0, refused.2.as_str(), refused.3), (0, "secret", FileResult::Denied), "{told:?}");
}
