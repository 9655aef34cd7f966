//! Programs that can be told to start others, or to run code in a language of their own.
//!
//! From GTFOBins' shell escapes and the programs' manuals. A program that is not here is its `exec`.

use super::argument::Argument;
use super::{scripts, transfer};

/// What a known program does besides being run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Plain,
    /// It may start anything.
    Unknown,
    /// It writes these files.
    Writes(Vec<Argument>),
}

/// What makes programs start others. `-x` is a letter, alone or among others; `--name` a long option, shortened or not;
/// `^text` the start of a word, `=text` a part of one, anything else a word; `*` is any call at all.
const TRIGGERS: &[(&str, &str)] = &[
    (
        "tar gtar bsdtar",
        "--checkpoint-action --to-command --use-compress-program --rsh-command --rmt-command --info-script --new-volume-script --files-from -I -F -T",
    ),
    ("zip zipcloak", "-TT --unzip-command -T"),
    ("7z 7za 7zr", "^@"),
    ("rsync", "-e --rsh --rsync-path --daemon --config -M --remote-option"),
    ("scp", "-S -o -F -J -D"),
    (
        "git",
        "-c --config-env --exec-path --upload-pack --receive-pack -u --exec -x --extcmd -O --open-files-in-pager --paginate -p --git-dir --work-tree --template --ext-diff --textconv --show-signature --gpg-sign =ext:: bisect filter-branch difftool mergetool config submodule hook send-email instaweb citool gui svn p4 daemon shell rebase upload-pack receive-pack upload-archive commit -i --interactive -e --edit help hash-object credential maintenance --upload-archive --remote -C",
    ),
    ("hg", "--config -R --repository --ssh -e --cwd"),
    ("svn", "--config-option --config-dir --diff-cmd --editor-cmd --diff3-cmd --merge-cmd =ssh"),
    ("make gmake", "--eval --file --makefile -f -E ^SHELL= --directory -C --include-dir -I ^MAKEFLAGS"),
    ("npm yarn pnpm", "exec x explore run-script dlx create init edit --script-shell --call -c"),
    ("cargo", "run --config"),
    ("go", "run generate -exec ^-toolexec ^-exec test"),
    ("bundle gem", "exec console open -e --editor rdoc --config-file"),
    ("cmake", "-E -P -C"),
    ("pip pip3", "--editor edit --python config download install wheel"),
    (
        "apt apt-get aptitude apt-cache apt-config",
        "-o --option -c --config-file changelog source build-dep edit-sources -b --build --compile",
    ),
    ("dpkg", "--pre-invoke --post-invoke --status-logger --path-include --root --instdir --admindir"),
    ("dpkg-deb", ""),
    ("yum dnf microdnf", "--setopt -c --config --plugins --installroot shell sh"),
    ("rpm rpm2cpio", "--eval -E --define -D --pipe --load --rcfile --macros --root"),
    ("rpmquery rpmverify", "--eval -E --define -D --pipe --load --rcfile --macros"),
    ("snap", "run try"),
    ("flatpak", "run"),
    ("pacman", "--config --hookdir -S --sync -U"),
    ("apk", "--allow-untrusted"),
    ("tcpdump", "-z -w -V -F"),
    ("tshark dumpcap", "-X -w"),
    ("nmap", "--script --interactive --datadir --servicedb --versiondb --script-args -A -C -sC ^-sC"),
    ("nc ncat netcat nc.openbsd nc.traditional", "-e -c --exec --sh-exec --lua-exec"),
    (
        "curl",
        "-K --config -o -O --output --remote-name --engine --dump-header -D --cookie-jar -c --upload-file -T --libcurl --trace --trace-ascii --stderr",
    ),
    ("wget", "--use-askpass --config -e --execute -i --input-file --post-file --body-file"),
    ("openssl", "s_client s_server ^-engine ^-provider ^-config req ca ^-out speed"),
    (
        "gpg gpg2",
        "--exec-path --photo-viewer --options --gpg-agent --agent-program --dirmngr-program --pinentry-mode",
    ),
    ("sort gsort", "--compress-program -o --output --files0-from"),
    ("split gsplit", "--filter"),
    ("csplit", ""),
    ("date", "-s --set -f --file"),
    ("man", "-P --pager -H --html -l --local-file -C --config-file --browser --preprocessor -p"),
    ("less zless lesspipe", "^+ -k --lesskey-file --lesskey-src -o -O --log-file -E"),
    ("more most pg", "^+"),
    ("journalctl", "--root --image"),
    ("systemctl", "edit link --root --image --host -H enable set-environment import-environment link"),
    ("service", "=/"),
    ("hostnamectl timedatectl loginctl localectl", "-H --host"),
    ("busctl", "-H --host"),
    ("crontab", ""),
    ("grep egrep fgrep zgrep ggrep", "-f --file"),
    ("rg", "--pre -z --search-zip --hostname-bin"),
    ("ack", "--pager --output"),
    ("ag", "--pager"),
    ("fd fdfind", "-x -X --exec --exec-batch"),
    ("locate mlocate plocate updatedb", ""),
    ("top htop atop", ""),
    ("pgrep pkill", ""),
    ("ps", ""),
    ("dmesg", "-F --file"),
    ("ldconfig", "-r -f -C"),
    ("ld.so ldd ld-linux.so.2 ld-linux-x86-64.so.2 ld-linux-aarch64.so.1 ld-musl-x86_64.so.1", "*"),
    ("gcc g++ cc c++ clang clang++ cpp c89 c99 as ld", "-wrapper ^-wrapper ^-fplugin -B ^-specs ^@ ^-x"),
    ("tclsh", "*"),
    ("java", "^-agentlib ^-javaagent ^-agentpath ^-XX:OnError ^-XX:OnOut ^@"),
    ("javac", "^-J ^-processor"),
    ("mount", "-o --options"),
    ("umount", ""),
    ("losetup", ""),
    ("debugfs", "*"),
    ("dd", ""),
    ("install ginstall", "--strip-program -s --strip"),
    ("cpio", "--rsh-command -F -E --pattern-file"),
    ("pax", ""),
    ("shred", ""),
    ("ssh-keygen", "-D ^-D -w"),
    ("ssh-add", "-s -S -e"),
    ("ssh-agent", "*"),
    ("ssh-copy-id", "-o -i"),
    ("ssh-keyscan", "-f"),
    ("sshd", "*"),
    ("dropbear dbclient", "*"),
    ("keytool", ""),
    ("lsof", ""),
    ("ss", "-D --diag -F --filter"),
    ("iptables iptables-save iptables-restore ip6tables", "--modprobe -M"),
    ("nft", "-i --interactive -f --file -I"),
    ("tc", "-b -batch ^-b ^-force exec"),
    ("modprobe insmod kmod", "-C --config -d --dirname --set-version install"),
    ("sysctl", "-p --load --system -w"),
    ("ethtool", ""),
    ("gdb lldb", "*"),
    ("strace ltrace", "*"),
    ("dialog whiptail zenity", "--file"),
    ("column", ""),
    ("xxd hexdump od", ""),
    ("tee", ""),
    ("diff diff3 sdiff", "--diff-program -o --output"),
    ("patch", "-e --ed -o -r -i"),
    ("gprof", ""),
    ("nl", ""),
    ("tac", ""),
    ("pr", ""),
    ("ul", ""),
    ("file", "-f --files-from -C -m -z -Z"),
    ("wc du", "--files0-from"),
    ("ctags", "--options"),
    ("exiftool", "-config ^-config -if ^-if ^-@ ^-p"),
    ("ffmpeg", "*"),
    ("convert magick identify mogrify", "*"),
    ("gs ghostscript", "*"),
    ("latex pdflatex xelatex lualatex tex pdftex xetex luatex bibtex", "*"),
    ("pandoc", "-F --filter -L --lua-filter --pdf-engine"),
    ("dot", ""),
    ("jq", "-f --from-file -L"),
    ("yq", "=load =system"),
    ("xmllint xsltproc", "--shell"),
    ("msfconsole", "*"),
    ("mutt neomutt mail mailx sendmail", "*"),
    ("w3m lynx links elinks", "*"),
    ("cowsay cowthink", "-f"),
    ("whois finger", ""),
    ("dig", "-f"),
    ("nsupdate", "*"),
    ("nslookup host", ""),
    ("aws", "configure --cli-auto-prompt help"),
    ("gcloud az", "ssh scp run"),
    ("terraform tofu", "console apply destroy init plan"),
    ("helm", "--post-renderer plugin install"),
    ("puppet chef-client chef-solo knife facter", "*"),
    ("loginctl-shell", "*"),
    ("wall write", ""),
    ("choom", "*"),
    ("cobc", "*"),
    ("pkg", ""),
    ("opkg", ""),
    ("varnishncsa", ""),
    ("zathura", "*"),
    ("zsoelim soelim", ""),
    ("ginsh", "*"),
    ("slsh", "*"),
    ("ispell aspell", "*"),
    ("tasksh", "*"),
    ("unexpand expand", ""),
    ("run-init", "*"),
    ("setfacl chmod chown", ""),
    ("restic", "--password-command -o --option --repository-file"),
    ("borg", "--rsh --remote-path with-lock"),
    ("rclone", "rcd rc --password-command mount serve config"),
    ("logrotate", "-m --mail -l --log"),
    ("certbot", "=hook --config -c"),
    ("pytest tox ninja mvn gradle", "*"),
    ("etcdctl", "lock exec-watch watch elect"),
    ("nginx", "-g -c -p"),
    ("apache2 httpd apache2ctl apachectl", "-c -C -f -d"),
    ("haproxy", "-f"),
    ("dmsetup", "--exec"),
    ("dnsmasq", "*"),
    ("dhclient", "-sf ^-sf -cf ^-cf"),
    ("arp", ""),
    ("aa-exec", "*"),
    ("genie", "*"),
    ("update-alternatives", "--install"),
    ("ldapsearch", ""),
    ("pg_dump pg_dumpall pg_restore", ""),
    ("mysqldump mysqladmin", "--defaults-file --defaults-extra-file --plugin-dir"),
];

/// The effect of a program called with these arguments.
pub(super) fn effect(name: &str, arguments: &[Argument]) -> Effect {
    if transfer::is_server(name, arguments) {
        return Effect::Unknown;
    }
    match name {
        "sed" | "gsed" => return scripts::sed(arguments),
        "awk" | "gawk" | "mawk" | "nawk" | "original-awk" => return scripts::awk(arguments),
        _ => {}
    }
    let Some((_, triggers)) = TRIGGERS.iter().find(|(names, _)| names.split(' ').any(|known| known == name))
    else {
        return Effect::Plain;
    };
    // Letters without a dash, as tar takes them.
    let bundled: Vec<Argument>;
    let mut arguments = arguments;
    if matches!(name, "tar" | "gtar" | "bsdtar")
        && let Some((Argument::Text(first), rest)) = arguments.split_first()
        && !first.starts_with('-')
    {
        bundled = std::iter::once(Argument::Text(format!("-{first}"))).chain(rest.iter().cloned()).collect();
        arguments = &bundled;
    }
    let mut triggers = triggers.split(' ').filter(|trigger| !trigger.is_empty());
    let hidden = arguments.iter().any(Argument::may_be_option);
    let triggered = triggers
        .any(|trigger| trigger == "*" || hidden || arguments.iter().any(|argument| fires(trigger, argument)));
    let safe_shell = name == "rsync" && only_ssh(arguments);
    if triggered && !safe_shell { Effect::Unknown } else { Effect::Plain }
}

/// Programs whose operands are documents or places, and whose commands come from standard input.
pub(super) fn reads_commands(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "ed",
        "red",
        "ex",
        "vi",
        "vim",
        "nvim",
        "vimdiff",
        "rvim",
        "rview",
        "view",
        "vimtutor",
        "emacs",
        "emacsclient",
        "nano",
        "pico",
        "joe",
        "jed",
        "mg",
        "mcedit",
        "mc",
        "ne",
        "sqlite3",
        "psql",
        "mysql",
        "mariadb",
        "redis-cli",
        "mongo",
        "mongosh",
        "ftp",
        "lftp",
        "sftp",
        "telnet",
        "bc",
        "dc",
        "gdb",
        "lldb",
        "gnuplot",
        "cqlsh",
        "maxima",
    ];
    NAMES.contains(&name)
}

fn fires(trigger: &str, argument: &Argument) -> bool {
    let text = argument.prefix();
    let whole = argument.text().is_some();
    if let Some(long) = trigger.strip_prefix("--") {
        let Some(given) = text.strip_prefix("--").filter(|given| !given.is_empty()) else { return false };
        let given = given.split('=').next().unwrap_or_default();
        return long.starts_with(given);
    }
    if let Some(start) = trigger.strip_prefix('^') {
        return text.starts_with(start);
    }
    if let Some(part) = trigger.strip_prefix('=') {
        return text.contains(part);
    }
    if let Some(letter) = trigger.strip_prefix('-') {
        return text.starts_with('-') && !text.starts_with("--") && text.contains(letter);
    }
    whole && text == trigger
}

/// `rsync -e ssh` is what it does anyway.
fn only_ssh(arguments: &[Argument]) -> bool {
    const LONG: &[&str] = &["--rsh", "--rsync-path", "--daemon", "--config", "--remote-option"];
    let Some(texts) = arguments.iter().map(Argument::text).collect::<Option<Vec<_>>>() else { return false };
    let told = |text: &str| LONG.iter().any(|trigger| fires(trigger, &Argument::Text(text.into())));
    let mut rest = texts.into_iter();
    while let Some(text) = rest.next() {
        let harmless = match text {
            "-e" | "--rsh" => rest.next() == Some("ssh"),
            "--rsh=ssh" => true,
            text if text.starts_with("--") => !told(text),
            text => !(text.starts_with('-') && text.contains(['e', 'M'])),
        };
        if !harmless {
            return false;
        }
    }
    true
}
