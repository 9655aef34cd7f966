//! The far ends of scp and rsync: file operations rather than commands.

use super::argument::Argument;

/// The files that a server mode touches, with the verb for each; `None` for any other command, and where an option is
/// not known (that is an `exec` with an `unknown`, by [`is_server`]).
pub(super) fn files(command: &str, arguments: &[Argument]) -> Option<Vec<(&'static str, Argument)>> {
    match command {
        "scp" | "/usr/bin/scp" => scp(arguments),
        "rsync" | "/usr/bin/rsync" => rsync(arguments),
        _ => None,
    }
}

/// Whether a command that was no known file operation is a server mode all the same.
pub(super) fn is_server(name: &str, arguments: &[Argument]) -> bool {
    let has = |test: fn(&str) -> bool| arguments.iter().any(|argument| argument.text().is_none_or(test));
    match name {
        "sftp-server" | "internal-sftp" => true,
        "scp" => has(|text| text.starts_with('-') && !text.starts_with("--") && text.contains(['t', 'f'])),
        "rsync" => has(|text| matches!(text, "--server" | "--daemon")),
        _ => false,
    }
}

/// `scp -t PATH` receives, `scp -f PATH…` sends. `-r`, `-p`, `-d`, `-v`, `-q` may come with them.
fn scp(arguments: &[Argument]) -> Option<Vec<(&'static str, Argument)>> {
    let mut verb = None;
    let mut rest = arguments;
    while let Some((first, behind)) = rest.split_first() {
        let Some(text) = first.text() else {
            if first.may_be_option() {
                return None;
            }
            break;
        };
        if text == "--" {
            rest = behind;
            break;
        }
        let Some(letters) = text.strip_prefix('-').filter(|letters| !letters.is_empty()) else { break };
        for letter in letters.chars() {
            match letter {
                't' if verb != Some("read") => verb = Some("write"),
                'f' if verb != Some("write") => verb = Some("read"),
                'r' | 'p' | 'd' | 'v' | 'q' => {}
                _ => return None,
            }
        }
        rest = behind;
    }
    let verb = verb?;
    if rest.is_empty() || (verb == "write" && rest.len() != 1) {
        return None;
    }
    Some(rest.iter().map(|path| (verb, path.clone())).collect())
}

/// `rsync --server [--sender] -flags . PATH…`, with the flags that rsync sends itself.
fn rsync(arguments: &[Argument]) -> Option<Vec<(&'static str, Argument)>> {
    const LONG: &[&str] = &[
        "--numeric-ids",
        "--partial",
        "--inplace",
        "--append",
        "--stats",
        "--ignore-existing",
        "--existing",
        "--size-only",
        "--ignore-times",
        "--no-implied-dirs",
        "--relative",
        "--no-relative",
        "--sparse",
        "--safe-links",
        "--copy-unsafe-links",
        "--list-only",
        "--fsync",
        "--old-args",
        "--no-r",
        "--no-inc-recursive",
        "--inc-recursive",
        "--fake-super",
        "--omit-dir-times",
        "--omit-link-times",
        "--delay-updates",
        "--force",
    ];
    const VALUED: &[&str] = &[
        "--bwlimit=",
        "--timeout=",
        "--log-format=",
        "--out-format=",
        "--compress-level=",
        "--max-size=",
        "--min-size=",
        "--modify-window=",
        "--max-delete=",
        "--checksum-choice=",
        "--compress-choice=",
        "--block-size=",
        "--chmod=",
        "--iconv=",
    ];
    let mut texts = arguments.iter();
    let (mut server, mut sender, mut deletes, mut takes) = (false, false, false, false);
    let mut paths: Option<Vec<Argument>> = None;
    for argument in texts.by_ref() {
        let text = match argument {
            Argument::Text(text) => text.as_str(),
            Argument::Hole(_) => return None,
        };
        match text {
            "--server" => server = true,
            "--sender" => sender = true,
            "--remove-source-files" | "--remove-sent-files" => takes = true,
            "--delete"
            | "--delete-before"
            | "--delete-during"
            | "--delete-delay"
            | "--delete-after"
            | "--delete-excluded"
            | "--delete-missing-args" => deletes = true,
            _ if LONG.contains(&text) || VALUED.iter().any(|known| text.starts_with(known)) => {}
            "." => {
                paths = Some(texts.by_ref().cloned().collect());
                break;
            }
            _ if text.starts_with("--") => return None,
            _ => known_letters(text.strip_prefix('-')?)?,
        }
    }
    let paths = paths.filter(|paths| server && !paths.is_empty() && (sender || paths.len() == 1))?;
    if paths.iter().any(Argument::may_be_option) || paths.iter().any(|path| path.prefix().starts_with('-')) {
        return None;
    }
    let mut files = vec![];
    for path in paths {
        files.push((if sender { "read" } else { "write" }, path.clone()));
        if (deletes && !sender) || (takes && sender) {
            files.push(("remove", path));
        }
    }
    Some(files)
}

/// `logDtpre.iLsfxCIvu`: what follows `e` says what the client can do. An `s` before it would send the paths apart.
fn known_letters(letters: &str) -> Option<()> {
    let (flags, can) = letters.split_once('e').map_or((letters, None), |(flags, can)| (flags, Some(can)));
    let known = !flags.is_empty() || can.is_some();
    let known = known && flags.chars().all(|letter| "vqlogDtprzucnHAXUNLkKRWiIJOSdxybmE".contains(letter));
    // Without anything behind it `e` takes the next word, and another is the directory where paths begin.
    let known = known
        && can.is_none_or(|can| {
            !can.is_empty() && can.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '.')
        });
    known.then_some(())
}
