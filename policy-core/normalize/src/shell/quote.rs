//! An argument vector, written so that every shell reads exactly it.

use super::grammar::RESERVED;

/// A command line of these words, for sh, bash, zsh and ksh, and (words of one line) csh, tcsh and fish.
///
/// [`super::read`] gives the same vector back for words without control characters. `!`, `\` and `'` stand outside
/// quotes behind a backslash: within single quotes csh expands the first and fish unescapes the others.
pub fn quote<S: AsRef<str>>(argv: &[S]) -> String {
    let mut line = String::new();
    for (index, word) in argv.iter().enumerate() {
        if index > 0 {
            line.push(' ');
        }
        push(&mut line, word.as_ref(), index == 0);
    }
    line
}

fn push(line: &mut String, word: &str, is_command: bool) {
    // A command that is quoted is neither a reserved word nor an assignment.
    let bare = !word.is_empty()
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./,:+@".contains(&byte))
        && !(is_command
            && (RESERVED.contains(&word)
                || !word.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '/')));
    if bare {
        line.push_str(word);
        return;
    }
    if word.is_empty() {
        line.push_str("''");
        return;
    }
    let mut quoted = false;
    for character in word.chars() {
        let outside = matches!(character, '\'' | '\\' | '!');
        if quoted == outside {
            line.push('\'');
            quoted = !outside;
        }
        if outside {
            line.push('\\');
        }
        line.push(character);
    }
    if quoted {
        line.push('\'');
    }
}
