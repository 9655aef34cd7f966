//! sed and awk: small languages whose programs are mostly harmless, and are looked at for what is not.

use super::argument::Argument;
use super::options::{self, Spec};
use super::programs::Effect;

/// `sed`: a script without `e`, `r`, `w` is harmless; `-i` writes the files.
pub(super) fn sed(arguments: &[Argument]) -> Effect {
    const SPEC: Spec = Spec {
        flags: "nErsuz",
        valued: "el",
        long: "quiet silent regexp-extended separate unbuffered null-data posix expression= debug line-length= version help in-place?",
    };
    let (mut files, mut scripts, mut edits) = (vec![], vec![], false);
    let mut rest = arguments;
    // Options may stand between operands.
    loop {
        // `-i` has its value in the same word only.
        let (inline, behind) = match rest.split_first() {
            Some((Argument::Text(first), behind)) if first.starts_with("-i") => (true, behind),
            Some((Argument::Text(first), behind)) if matches!(first.as_str(), "-ni" | "-Ei" | "-ri") => {
                (true, behind)
            }
            _ => (false, rest),
        };
        if inline {
            edits = true;
            rest = behind;
            continue;
        }
        let ready = rest.split_first().map(|(first, _)| std::slice::from_ref(first));
        let Some(first) = ready else { break };
        let takes_next = matches!(first, [Argument::Text(text)] if matches!(text.as_str(), "-e" | "-l" | "-ne" | "-Ee" | "-re" | "-nEe" | "--expression" | "--line-length"));
        let length = if takes_next { 2 } else { 1 };
        let (word, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        let Some(options) = options::parse(word, &SPEC) else { return Effect::Unknown };
        edits |= options.has(&["in-place"]);
        if let Some(script) = options.value(&["e", "expression"]) {
            scripts.push(script.clone());
        }
        files.extend_from_slice(options.rest);
        rest = behind;
        if options.ended {
            files.extend_from_slice(rest);
            break;
        }
    }
    if scripts.is_empty() {
        if files.is_empty() {
            return Effect::Plain;
        }
        scripts.push(files.remove(0));
    }
    let harmless = scripts
        .iter()
        .all(|script| script.text().is_some_and(|script| is_harmless_sed(script) == Some(true)));
    match (harmless, edits) {
        (false, _) => Effect::Unknown,
        (true, true) => Effect::Writes(files),
        (true, false) => Effect::Plain,
    }
}

/// Reads a script; `None` or false where it is not understood or not harmless.
fn is_harmless_sed(script: &str) -> Option<bool> {
    let text: Vec<char> = script.chars().collect();
    let mut rest = text.as_slice();
    loop {
        rest = skip(rest, |character| {
            character.is_whitespace() || character == ';' || character == '{' || character == '}'
        });
        if rest.is_empty() {
            return Some(true);
        }
        rest = address(rest)?;
        if let [',', behind @ ..] = rest {
            rest = address(skip(behind, |character| matches!(character, ' ' | '+' | '~')))?;
        }
        rest = skip(rest, |character| matches!(character, ' ' | '!' | '\t'));
        let (command, behind) = rest.split_first()?;
        rest = match command {
            '{' | '}' => behind,
            'p' | 'd' | 'n' | 'N' | 'g' | 'G' | 'h' | 'H' | 'x' | 'D' | 'P' | '=' | 'z' => behind,
            'q' | 'Q' | 'l' => skip(behind, |character| character == ' ' || character.is_ascii_digit()),
            'b' | 't' | 'T' | ':' => skip(behind, |character| !matches!(character, ';' | '\n' | '}')),
            'a' | 'i' | 'c' => text_of(behind),
            'y' => delimited(behind, 2)?,
            's' => {
                let flags = delimited(behind, 2)?;
                skip(flags, |character| matches!(character, 'g' | 'p' | 'i' | 'I' | 'm' | 'M' | '0'..='9'))
            }
            _ => return Some(false),
        };
        rest = skip(rest, |character| matches!(character, ' ' | '\t'));
        // Whatever follows a command without a separator is not understood: a flag such as `e` or `w`.
        if !matches!(rest.first(), None | Some(';' | '\n' | '}')) && !matches!(command, '{' | '}') {
            return Some(false);
        }
    }
}

fn skip(text: &[char], test: impl Fn(char) -> bool) -> &[char] {
    let length = text.iter().take_while(|character| test(**character)).count();
    text.get(length..).unwrap_or_default()
}

/// `12`, `$`, `/regex/`, `\,regex,`, or nothing.
fn address(text: &[char]) -> Option<&[char]> {
    match text {
        ['/', ..] => Some(skip(delimited(text, 1)?, |character| matches!(character, 'I' | 'M'))),
        ['\\', behind @ ..] => Some(skip(delimited(behind, 1)?, |character| matches!(character, 'I' | 'M'))),
        ['$', behind @ ..] => Some(behind),
        _ => Some(skip(text, |character| character.is_ascii_digit() || character == '~')),
    }
}

/// Behind so many parts, each ended by the first character.
fn delimited(text: &[char], parts: usize) -> Option<&[char]> {
    let (delimiter, mut rest) = text.split_first()?;
    if matches!(delimiter, '\\' | '\n') {
        return None;
    }
    for _ in 0..parts {
        loop {
            let (first, behind) = rest.split_first()?;
            rest = behind;
            match first {
                '\\' => rest = rest.split_first()?.1,
                // In brackets the delimiter may stand for itself or not: not understood.
                '[' => {
                    let inside = skip_first(rest);
                    let length = inside.iter().position(|next| *next == ']')?;
                    let content = inside.get(..length).unwrap_or_default();
                    if content.contains(delimiter) || content.last() == Some(&'\\') {
                        return None;
                    }
                    rest = inside.get(length..).unwrap_or_default();
                }
                first if first == delimiter => break,
                _ => {}
            }
        }
    }
    Some(rest)
}

/// Behind a bracket's `^` and a `]` that stands for itself.
fn skip_first(text: &[char]) -> &[char] {
    let text = text.strip_prefix(&['^']).unwrap_or(text);
    text.strip_prefix(&[']']).unwrap_or(text)
}

/// The text of `a`, `i`, `c`: to the end of the line, continued behind a backslash.
fn text_of(text: &[char]) -> &[char] {
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        rest = match (first, behind.split_first()) {
            ('\\', Some((_, further))) => further,
            ('\n', _) => return rest,
            _ => behind,
        };
    }
    rest
}

/// `awk`: a program that starts nothing and opens no file but its operands.
pub(super) fn awk(arguments: &[Argument]) -> Effect {
    const SPEC: Spec = Spec { flags: "", valued: "Fv", long: "field-separator= assign= version help posix" };
    let Some(options) = options::parse(arguments, &SPEC) else { return Effect::Unknown };
    match options.rest.split_first() {
        Some((Argument::Text(program), _)) if is_harmless_awk(program) => Effect::Plain,
        None => Effect::Plain,
        _ => Effect::Unknown,
    }
}

/// Whether a program has no word or sign for files, pipes or commands. A pipe or comparison inside a regular expression
/// is taken for one, too.
fn is_harmless_awk(program: &str) -> bool {
    let program = program.replace("||", "").replace(">=", "");
    const SIGNS: &[&str] = &["system", "getline", "@", "|", ">", "include", "load", "extension"];
    !SIGNS.iter().any(|sign| program.contains(sign))
}
