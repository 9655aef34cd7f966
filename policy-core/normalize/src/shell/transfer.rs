//! The far ends of scp and rsync: file operations rather than commands.

use super::argument::Argument;

/// What a server mode does to a path.
pub(super) struct Touched {
    pub(super) verb: &'static str,
    pub(super) path: Argument,
    /// Whether it may be a directory, of which whatever lies below is meant.
    pub(super) below: bool,
}

/// The files that a server mode touches; `None` for any other command, and where an option is
/// not known (that is an `exec` with an `unknown`, by [`is_server`]).
pub(super) fn files(command: &str, arguments: &[Argument]) -> Option<Vec<Touched>> {
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

/// `scp -t PATH` receives, `scp -f PATH…` sends. `-r`, `-p`, `-d`, `-v`, `-q` may come with them. What is received goes to the
/// path, or into it where that is a directory.
fn scp(arguments: &[Argument]) -> Option<Vec<Touched>> {
    let (mut verb, mut recursive) = (None, false);
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
                'r' => recursive = true,
                'p' | 'd' | 'v' | 'q' => {}
                _ => return None,
            }
        }
        rest = behind;
    }
    let verb = verb?;
    if rest.is_empty() || (verb == "write" && rest.len() != 1) {
        return None;
    }
    let below = recursive || verb == "write";
    Some(rest.iter().map(|path| Touched { verb, path: path.clone(), below }).collect())
}

/// `rsync --server [--sender] -flags . PATH…`, with the flags that rsync sends itself. It receives into a directory, and sends
/// what lies in one where it is told to (`-r`, `-d`), or to say what that is (`--list-only`).
fn rsync(arguments: &[Argument]) -> Option<Vec<Touched>> {
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
        "--fsync",
        "--old-args",
        "--no-r",
        "--no-inc-recursive",
        "--inc-recursive",
        "--fake-super",
        "--omit-dir-times",
        "--omit-link-times",
        "--delay-updates",
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
    let mut descends = false;
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
            | "--delete-missing-args"
            // Takes away a whole directory where a file is to be.
            | "--force" => deletes = true,
            // Names what lies in a directory, and sends what is asked for of that.
            "--list-only" => descends = true,
            _ if LONG.contains(&text) || VALUED.iter().any(|known| text.starts_with(known)) => {}
            "." => {
                paths = Some(texts.by_ref().cloned().collect());
                break;
            }
            _ if text.starts_with("--") => return None,
            _ => descends |= flags(text.strip_prefix('-')?)?.contains(['r', 'd']),
        }
    }
    let paths = paths.filter(|paths| server && !paths.is_empty() && (sender || paths.len() == 1))?;
    if paths.iter().any(Argument::may_be_option) || paths.iter().any(|path| path.prefix().starts_with('-')) {
        return None;
    }
    let mut files = vec![];
    for path in paths {
        let below = descends || !sender;
        let verb = if sender { "read" } else { "write" };
        files.push(Touched { verb, path: path.clone(), below });
        if (deletes && !sender) || (takes && sender) {
            files.push(Touched { verb: "remove", path, below });
        }
    }
    Some(files)
}

/// The flags of `logDtpre.iLsfxCIvu`, where all are known: what follows `e` says what the client can do. An `s` before it would
/// send the paths apart.
fn flags(letters: &str) -> Option<&str> {
    let (flags, can) = letters.split_once('e').map_or((letters, None), |(flags, can)| (flags, Some(can)));
    let known = !flags.is_empty() || can.is_some();
    let known = known && flags.chars().all(|letter| "vqlogDtprzucnHAXUNLkKRWiIJOSdxybmE".contains(letter));
    // Without anything behind it `e` takes the next word, and another is the directory where paths begin.
    let known = known
        && can.is_none_or(|can| {
            !can.is_empty() && can.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '.')
        });
    known.then_some(flags)
}
