//! Destructive commands in other spellings: `tests/data/spellings.txt`.

use crate::{has, lines_of, may_run, read, shown};

#[test]
fn a_destructive_command_in_any_spelling_is_itself_or_unknown() {
    let mut plain: Vec<String> = vec![];
    let mut count = 0;
    let mut told = 0;
    let mut hidden = vec![];
    for (number, line) in lines_of(include_str!("../data/spellings.txt")) {
        if let Some(argv) = line.strip_prefix("= ") {
            plain = argv.split(' ').map(str::to_owned).collect();
            continue;
        }
        let reading = read(&line);
        let argv: Vec<&str> = plain.iter().map(String::as_str).collect();
        let found = reading.actions.iter().any(|action| may_run(action, &argv));
        let open = has(&reading, "unknown") || has(&reading, "shell");
        if !found && !open {
            hidden.push(format!("line {number}: {line:?}: {}", shown(&reading)));
        }
        count += 1;
        told += usize::from(found);
    }
    assert!(hidden.is_empty(), "{}", hidden.join("\n"));
    assert!(count >= 300, "only {count} spellings");
    assert!(told >= 150, "only {told} are told by name");
}
