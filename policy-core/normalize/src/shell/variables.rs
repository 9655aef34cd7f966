//! What a text has assigned so far, and where it stands.

use std::collections::BTreeMap;
use std::rc::Rc;

/// What is known of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Text(Rc<str>),
    /// Some whole number.
    Number,
    /// Nothing.
    Nothing,
}

impl Known {
    pub(super) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// Whether arithmetic may look at it: any other value could be a text with commands in it.
    pub(super) fn is_number(&self) -> bool {
        match self {
            Self::Text(text) => {
                let digits = text.strip_prefix('-').unwrap_or(text);
                !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
            }
            Self::Number => true,
            Self::Nothing => false,
        }
    }

    fn join(&mut self, other: &Self) {
        if self != other {
            *self = if self.is_number() && other.is_number() { Self::Number } else { Self::Nothing };
        }
    }
}

/// Where the shell stands at one point of the text. A variable that is missing comes from outside: nothing is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    variables: Rc<BTreeMap<Rc<str>, Known>>,
    /// `$1`, `$2`, …; `None` where they are not known.
    pub(super) positional: Option<Rc<[String]>>,
    /// The working directory, whether or not the last command succeeded; `None` where it is not known.
    pub(super) directory: Option<Rc<str>>,
    /// The working directory if the last command succeeded, where that is known better.
    pub(super) entered: Option<Rc<str>>,
}

impl State {
    pub(super) fn new(directory: Option<&str>, positional: Option<Vec<String>>) -> Self {
        Self {
            variables: Rc::default(),
            positional: positional.map(Into::into),
            directory: directory.map(Into::into),
            entered: None,
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Known> {
        self.variables.get(name)
    }

    pub(super) fn set(&mut self, name: &str, value: Known) {
        let value = if is_special(name) { Known::Nothing } else { value };
        if self.variables.get(name) != Some(&value) {
            Rc::make_mut(&mut self.variables).insert(name.into(), value);
        }
    }

    pub(super) fn forget_all(&mut self) {
        self.variables = Rc::default();
        self.positional = None;
        self.directory = None;
        self.entered = None;
    }

    /// What a copy or a comparison costs.
    pub(super) fn size(&self) -> usize {
        1 + self.variables.len()
    }

    /// The last command has succeeded.
    pub(super) fn succeeded(&mut self) {
        if let Some(entered) = self.entered.take() {
            self.directory = Some(entered);
        }
    }

    /// What holds either here or there.
    pub(super) fn join(&mut self, other: &Self) {
        if !Rc::ptr_eq(&self.variables, &other.variables) {
            let variables = Rc::make_mut(&mut self.variables);
            for (name, known) in variables.iter_mut() {
                match other.variables.get(name) {
                    Some(there) => known.join(there),
                    None => *known = Known::Nothing,
                }
            }
            for name in other.variables.keys() {
                if !variables.contains_key(name) {
                    variables.insert(Rc::clone(name), Known::Nothing);
                }
            }
        }
        if self.positional != other.positional {
            self.positional = None;
        }
        if self.directory != other.directory {
            self.directory = None;
        }
        if self.entered != other.entered {
            self.entered = None;
        }
    }
}

/// Variables whose value is the shell's own, whatever was assigned.
pub(super) fn is_special(name: &str) -> bool {
    const SPECIAL: &[&str] = &[
        "ARGC",
        "COLUMNS",
        "COPROC",
        "DIRSTACK",
        "EGID",
        "EPOCHREALTIME",
        "EPOCHSECONDS",
        "ERRNO",
        "EUID",
        "FUNCNAME",
        "GID",
        "GROUPS",
        "HISTCMD",
        "LINENO",
        "LINES",
        "MATCH",
        "MBEGIN",
        "MEND",
        "match",
        "mbegin",
        "mend",
        "reply",
        "MAPFILE",
        "OLDPWD",
        "OPTARG",
        "OPTIND",
        "PIPESTATUS",
        "PPID",
        "PWD",
        "RANDOM",
        "REPLY",
        "SECONDS",
        "SRANDOM",
        "TTYIDLE",
        "UID",
        "USERNAME",
        "_",
        "pipestatus",
        "signals",
        "status",
    ];
    SPECIAL.contains(&name) || name.starts_with("BASH") || name.starts_with("COMP_")
}

/// Variables whose value some shell works out as a number when it is assigned, and with it the index of an array in it
/// (`OPTIND='a[$(reboot)]'`).
pub(super) fn is_worked_out(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "ARGC",
        "BASHPID",
        "BAUD",
        "COLUMNS",
        "DIRSTACKSIZE",
        "EGID",
        "EPOCHSECONDS",
        "ERRNO",
        "EUID",
        "FUNCNEST",
        "GID",
        "HISTCMD",
        "HISTSIZE",
        "KEYTIMEOUT",
        "KSHEGID",
        "KSHGID",
        "KSHUID",
        "LINENO",
        "LINES",
        "LISTMAX",
        "LOGCHECK",
        "MAILCHECK",
        "OPTIND",
        "PERIOD",
        "PGRP",
        "PPID",
        "RANDOM",
        "REPORTMEMORY",
        "REPORTTIME",
        "SAVEHIST",
        "SECONDS",
        "SHLVL",
        "SRANDOM",
        "TMOUT",
        "TTYIDLE",
        "UID",
        "USER_ID",
        "ZSH_SUBSHELL",
        "status",
    ];
    NAMES.contains(&name) || name.starts_with("TRY_BLOCK_")
}

/// Whether a variable changes what commands run: where they are found, what is loaded into them, what they start.
pub(super) fn is_dangerous(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "ANSIBLE_CONFIG",
        "ARGV",
        "BROWSER",
        "CDPATH",
        "CLASSPATH",
        "DOCKER_CONFIG",
        "DOCKER_CONTEXT",
        "DOCKER_HOST",
        "EDITOR",
        "ENV",
        "EXINIT",
        "FCEDIT",
        "FPATH",
        "GCONV_PATH",
        "GOFLAGS",
        "HISTCHARS",
        "HISTFILE",
        "HOME",
        "HOSTALIASES",
        "IFS",
        "INPUTRC",
        "KUBECONFIG",
        "KUBE_EDITOR",
        "LESS",
        "LESSCLOSE",
        "LESSKEY",
        "LESSOPEN",
        "LOCPATH",
        "MAIL",
        "MAILPATH",
        "MAKEFLAGS",
        "MAKEFILES",
        "MANOPT",
        "MANPAGER",
        "MORE",
        "NIX_PATH",
        "NLSPATH",
        "NODE_OPTIONS",
        "NODE_PATH",
        "NULLCMD",
        "OPENSSL_CONF",
        "OPENSSL_ENGINES",
        "OPENSSL_MODULES",
        "PAGER",
        "PATH",
        "PERLLIB",
        "PHPRC",
        "PHP_INI_SCAN_DIR",
        "PROMPT_COMMAND",
        "PS0",
        "PS1",
        "PS2",
        "PS3",
        "PS4",
        "PWD",
        "READNULLCMD",
        "RIPGREP_CONFIG_PATH",
        "RSYNC_RSH",
        "RUBYLIB",
        "RUBYOPT",
        "SHELL",
        "SHELLOPTS",
        "SSH_ASKPASS",
        "SUDO_ASKPASS",
        "SUDO_EDITOR",
        "SVN_SSH",
        "SYSTEMD_EDITOR",
        "SYSTEMD_PAGER",
        "TAR_OPTIONS",
        "TERMCAP",
        "TERMINFO",
        "TERMINFO_DIRS",
        "TMPDIR",
        "TMPPREFIX",
        "VIM",
        "VIMINIT",
        "VIMRUNTIME",
        "VISUAL",
        "WGETRC",
        "XDG_CONFIG_DIRS",
        "XDG_CONFIG_HOME",
        "XDG_DATA_DIRS",
        "XDG_DATA_HOME",
        "ZDOTDIR",
        "aliases",
        "argv",
        "builtins",
        "cdpath",
        "commands",
        "dirstack",
        "fignore",
        "fpath",
        "functions",
        "galiases",
        "histchars",
        "mailpath",
        "manpath",
        "module_path",
        "modules",
        "nameddirs",
        "options",
        "path",
        "prompt",
        "psvar",
        "saliases",
        "userdirs",
        "watch",
        "zsh_eval_context",
    ];
    const STARTS: &[&str] = &[
        "BASH",
        "COMP_",
        "DYLD_",
        "GIT_",
        "JAVA_TOOL",
        "JDK_JAVA",
        "LD_",
        "MALLOC_",
        "NPM_CONFIG",
        "PAGER",
        "PERL5",
        "PIP_",
        "PYTHON",
        "RUST",
        "SSH_",
        "SSL_",
        "_JAVA",
        "dis_",
        "npm_config",
    ];
    NAMES.contains(&name) || STARTS.iter().any(|start| name.starts_with(start))
}
