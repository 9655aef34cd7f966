//! `quote` writes what `read` reads, and what real shells read.

use std::process::Command;

use policy_normalize::shell::quote;
use proptest::prelude::*;

use crate::read;

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::string::string_regex("[ -~\n\t]{0,12}").unwrap(),
        prop::string::string_regex("[^\\p{C}]{0,8}").unwrap(),
        prop::sample::select(
            &[
                "if", "!", "", "~", "-", "a=b", "=x", "%1", "{a,b}", "'", "\\", "#", "time", "[[", "$'x'",
                "*", "!!", "^a", "\n"
            ][..]
        )
        .prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_quoted_is_read_as_the_same_words(argv in prop::collection::vec(word(), 1..5)) {
        let text = quote(&argv);
        prop_assert_eq!(read(&text).argv, Some(argv), "{}", text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn real_shells_read_what_is_quoted_as_the_same_words(argv in prop::collection::vec(word(), 1..5)) {
        let mut words = vec!["printf".to_owned(), "%s\\0".to_owned()];
        words.extend(argv.clone());
        for shell in ["/bin/dash", "/bin/bash"] {
            let output = Command::new(shell).args(["-c", &quote(&words)]).output().unwrap();
            let printed = String::from_utf8(output.stdout).unwrap();
            let seen: Vec<&str> = printed.split_terminator('\0').collect();
            prop_assert_eq!(&seen, &argv, "{}", shell);
        }
    }
}

#[test]
fn a_vector_is_written_in_one_known_way() {
    for (argv, expected) in [
        (&["ls", "-la", "/etc/passwd"][..], "ls -la /etc/passwd"),
        (&["echo", "a b", ""], "echo 'a b' ''"),
        (&["echo", "it's"], r"echo 'it'\''s'"),
        (&["echo", r"a\b!"], r"echo 'a'\\'b'\!"),
        (&["if", "if"], "'if' if"),
        (&["A=b", "A=b"], "'A=b' 'A=b'"),
        (&[], ""),
    ] {
        assert_eq!(quote(argv), expected);
    }
}

#[test]
fn only_one_plain_command_has_a_vector() {
    for (text, expected) in [
        ("ls -la", Some(&["ls", "-la"][..])),
        ("  ls\t'a b'  # why", Some(&["ls", "a b"])),
        (r#"e"c"ho\ x "" "#, Some(&["echo x", ""])),
        ("ls\n", Some(&["ls"])),
        ("ls;", Some(&["ls"])),
        ("sh -c 'if'", Some(&["sh", "-c", "if"])),
        ("ls &", None),
        ("ls | cat", None),
        ("ls $x", None),
        ("ls *", None),
        ("ls ~", None),
        ("ls {a,b}", None),
        ("ls =x", None),
        ("ls $'x'", None),
        ("A=b ls", None),
        ("ls > x", None),
        ("! ls", None),
        ("time ls", None),
        ("(ls)", None),
        ("", None),
    ] {
        let expected = expected.map(|words| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(read(text).argv, expected, "{text}");
    }
}
