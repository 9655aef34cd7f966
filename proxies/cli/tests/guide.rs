//! The tests in the guide and in the README pass, read by `portcullis test` as their readers would run them.

#![allow(clippy::expect_used, reason = "a test states what it expects by failing")]

mod common;

use common::Folder;

const GUIDE: &str = include_str!("../../../docs/LANGUAGE.md");
const README: &str = include_str!("../../../README.md");

#[test]
fn every_test_that_readers_are_shown_passes() {
    let folder = Folder::new();
    let mut tests = 0;
    for (name, page) in [("guide", GUIDE), ("README", README)] {
        for (index, block) in page.split("```").enumerate().filter(|(index, _)| index % 2 == 1) {
            let Some(text) = block.strip_prefix("policy\n").filter(|text| text.contains("\ntest \"")) else {
                continue;
            };
            folder.write("shown.policy", text);
            let ran = folder.run(&["test", "shown.policy"]);
            assert_eq!(ran.code, 0, "block {index} of the {name}\n{text}\n{ran:?}");
            tests += text.matches("\ntest \"").count();
        }
    }
    assert!(tests >= 4, "{tests}");
}
