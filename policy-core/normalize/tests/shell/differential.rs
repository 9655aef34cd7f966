//! What real shells run, against what was predicted of the text.
//!
//! The shells run in an empty directory with a `PATH` that holds one harmless program under many names: it writes down its
//! arguments. Whatever ran must be covered by the predicted actions, or the prediction must say that it does not know.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::{has, lines_of, may_run, read, shown};

/// Names under which the one program can be called.
const NAMES: &[&str] = &["show", "rm", "tool", "x", "b", "]]", "-f"];

struct Place {
    directory: PathBuf,
    runs: AtomicUsize,
}

impl Place {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("portcullis-shell-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(directory.join("bin")).unwrap();
        fs::create_dir_all(directory.join("work")).unwrap();
        // Each call writes its words and a line break, each ended by NUL, in one piece.
        let program = "#!/bin/sh\nprintf '%s\\0' \"${0##*/}\" \"$@\" '\n' >> \"$SEEN\"\n";
        for name in NAMES {
            let path = directory.join("bin").join(name);
            fs::write(&path, program).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(&path, mode).unwrap();
        }
        for file in ["one", "two", "-f"] {
            fs::write(directory.join("work").join(file), "").unwrap();
        }
        Self { directory, runs: AtomicUsize::new(0) }
    }

    /// The commands that a shell ran, builtins aside.
    fn run(&self, shell: &str, text: &str) -> BTreeSet<Vec<String>> {
        // A file of its own: what runs in the background may write late.
        let seen = self.directory.join(format!("seen-{}", self.runs.fetch_add(1, Ordering::Relaxed)));
        fs::write(&seen, "").unwrap();
        let mut child = Command::new("/usr/bin/timeout")
            .args(["-k", "1", "10", shell, "-c", text])
            .env_clear()
            .env("PATH", self.directory.join("bin"))
            .env("SEEN", &seen)
            .env("HOME", "/home/ana")
            .env("OUTSIDE", "rm from outside")
            .current_dir(self.directory.join("work"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.wait().unwrap();
        let ran = parse(&fs::read(&seen).unwrap());
        let _ = fs::remove_file(&seen);
        ran
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn parse(seen: &[u8]) -> BTreeSet<Vec<String>> {
    let mut commands = BTreeSet::new();
    let mut words = vec![];
    for word in seen.split(|byte| *byte == 0) {
        match word {
            b"\n" => drop(commands.insert(std::mem::take(&mut words))),
            word => words.push(String::from_utf8_lossy(word).into_owned()),
        }
    }
    commands
}

/// Runs a text in every shell that is installed here; a command that nothing predicted is an error.
fn check(place: &Place, text: &str) -> Result<(), String> {
    let reading = read(text);
    if has(&reading, "unknown") || has(&reading, "shell") {
        return Ok(());
    }
    for shell in ["/bin/dash", "/bin/bash", "/bin/zsh", "/bin/ksh93", "/bin/mksh"] {
        if !Path::new(shell).exists() {
            continue;
        }
        for ran in place.run(shell, text) {
            let words: Vec<&str> = ran.iter().map(String::as_str).collect();
            if !reading.actions.iter().any(|action| may_run(action, &words)) {
                return Err(format!(
                    "{shell} ran {ran:?} of {text:?}, and predicted was {}",
                    shown(&reading)
                ));
            }
        }
    }
    Ok(())
}

#[test]
fn real_shells_run_nothing_that_was_not_predicted() {
    let place = Place::new("table");
    let mut count = 0;
    let mut problems = vec![];
    for (number, text) in lines_of(include_str!("../data/shells.txt")) {
        problems.extend(check(&place, &text).err().map(|problem| format!("line {number}: {problem}")));
        count += 1;
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(count >= 80, "only {count} texts");
}

/// Pieces that shells and readers easily see differently.
fn piece() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &[
        "show",
        "rm",
        "tool",
        "x",
        "-rf",
        "/",
        "a",
        "'a b'",
        "\"a b\"",
        "\"$v\"",
        "$v",
        "${v}",
        "$w",
        "${w:-rm}",
        "${v:+x y}",
        "${v-y}",
        "$(show in)",
        "`show old`",
        "\\r\\m",
        "r''m",
        "r\"\"m",
        "{a,b}",
        "{rm,x}",
        "{1..3}",
        "{a}",
        "a{b,c{d,e}}f",
        "*",
        "o*",
        "?ne",
        "[ot]*",
        "~",
        "~/x",
        "$IFS",
        "a${IFS}b",
        "$'a\\tb'",
        "$'r\\x6d'",
        "$\"rm\"",
        "\"\\$v\"",
        "'$v'",
        "\\$v",
        "\"`show q`\"",
        "\"$(show r)\"",
        "$((1+2))",
        "$#",
        "$1",
        "$@",
        "\"$@\"",
        "$*",
        "a=b",
        "v=rm",
        "=x",
        "''",
        "\"\"",
        "#c",
        "a#b",
        "[",
        "]",
        "[[",
        "]]",
        "!",
        "{",
        "}",
        "if",
        "time",
        "-f",
        "$OUTSIDE",
        "\"$OUTSIDE\"",
        "${OUTSIDE%% *}",
        "${#v}",
        "é",
        "\\\nrm",
        "$v$w",
        "${v}m",
        "r$w",
        "1",
        "2",
    ];
    const OPERATORS: &[&str] = &[
        " ",
        " ",
        " ",
        " ",
        " ",
        " ",
        " ",
        ";",
        "; ",
        " && ",
        " || ",
        " | ",
        " & ",
        "\n",
        "(",
        ")",
        " ( ",
        " ) ",
        " > f ",
        " < one ",
        " 2>&1 ",
        ">>g",
        " &> h ",
        " |& ",
        "; }",
        "{ ",
        "; fi",
        "; then ",
        "; do ",
        "; done",
        "if ",
        "while ",
        "for i in ",
        "f() { ",
        "f ",
        "; f ",
        "v=",
        "; v=",
        " w=",
        ";w=m;",
        "v=r;",
        " <<E\nshow $v\nE\n",
        " <<<",
        "case ",
        " in ",
        ") ",
        ";;",
        " esac",
        "eval ",
        "command ",
        "exec ",
        "set -- ",
        "export v=",
        "readonly v=",
        "unset v;",
        "break;",
        "trap ",
        " EXIT;",
        "local v=",
        "sh -c ",
        "[[ ",
        " ]] ",
        "((",
        "))",
        "$(",
        "`",
        "\"",
        "'",
        "${v:-",
        "}",
        "$((",
        "<(",
        "break 2",
        "return;",
        "shift;",
    ];
    prop_oneof![3 => select(WORDS), 2 => select(OPERATORS)].prop_map(str::to_owned)
}

/// Texts that are made of whole commands, so that most of them run.
fn command() -> impl Strategy<Value = String> {
    let word = piece();
    let simple = prop::collection::vec(word, 1..5).prop_map(|words| words.join(" "));
    let text = select(
        &[
            "show",
            "rm",
            "$v",
            "${w:-show}",
            "r$w",
            "eval show",
            "command rm",
            "v=rm;",
            "v=r w=m;",
            "v=ls; $v",
            "x=$v;",
        ][..],
    );
    let leaf = (text, simple).prop_map(|(command, words)| format!("{command} {words}"));
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}; {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} && {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} || {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} | {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}\n{b}")),
            inner.clone().prop_map(|a| format!("( {a} )")),
            inner.clone().prop_map(|a| format!("{{ {a}; }}")),
            inner.clone().prop_map(|a| format!("show \"$( {a} )\"")),
            inner.clone().prop_map(|a| format!("for v in rm x; do {a}; done")),
            inner.clone().prop_map(|a| format!("for v in rm; do {a}; break; v=x; done; $v z")),
            inner.clone().prop_map(|a| format!("f() {{ {a}; }}; f rm q")),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| format!("if {a}; then {b}; else v=rm; fi; $v y")),
            inner.clone().prop_map(|a| format!("case $v in r*) {a};; *) w=rm;; esac; $w")),
            inner.clone().prop_map(|a| format!("set -- {a}; \"$@\"")),
            inner.clone().prop_map(|a| format!("eval '{}'", a.replace('\'', "'\\''"))),
            inner.prop_map(|a| format!("v=x; {{ v=rm; w=$((1/0)); {a}; v=x; }}\n$v u")),
        ]
    })
}

#[test]
fn whatever_real_shells_run_of_random_texts_was_predicted() {
    let cases = std::env::var("SHELL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(400u32);
    let seed: [u8; 32] =
        [std::env::var("SHELL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7); 32];
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let place = Place::new("random");
    let mixed = prop::collection::vec(piece(), 1..10).prop_map(|pieces| pieces.concat());
    let texts = prop_oneof![1 => mixed, 2 => command()];
    let mut judged = 0;
    for _ in 0..cases {
        let text = texts.new_tree(&mut runner).unwrap().current();
        // A loop without an end, and names that would leave the empty PATH.
        if ["while", "until", "/bin", "cd ", "exit 9"].iter().any(|left_out| text.contains(left_out)) {
            continue;
        }
        let reading = read(&text);
        judged += usize::from(!has(&reading, "unknown") && !has(&reading, "shell"));
        if let Err(problem) = check(&place, &text) {
            panic!("{problem}");
        }
    }
    assert!(judged * 10 >= usize::try_from(cases).unwrap(), "only {judged} of {cases} are told");
}
