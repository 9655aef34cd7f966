//! Wrappers that lead elsewhere: other hosts, containers, terminals of their own.

use super::argument::Argument;
use super::limits::Fault;
use super::options::{self, Spec};
use super::run::{Input, Runner};
use super::variables::State;

impl Runner<'_> {
    pub(super) fn remote(&mut self, rest: &[Argument], options: &options::Options<'_>) -> Result<(), Fault> {
        const SAFE: &[&str] = &[
            "batchmode",
            "connecttimeout",
            "stricthostkeychecking",
            "loglevel",
            "port",
            "user",
            "identitiesonly",
            "preferredauthentications",
            "serveraliveinterval",
            "serveralivecountmax",
            "requesttty",
            "compression",
            "passwordauthentication",
            "userknownhostsfile",
        ];
        let tunnels = ["A", "X", "Y", "D", "L", "R", "W", "w", "F", "E", "S", "I", "J", "O"];
        let set = options.value(&["o"]).is_some_and(|set| {
            let key = set
                .text()
                .unwrap_or_default()
                .split(['=', ' '])
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase();
            !SAFE.contains(&key.as_str())
        });
        // Several `-o`: only the last is looked at above.
        if set || options.has(&tunnels) || options.count("o") > 1 {
            self.unknown();
        }
        let Some((host, words)) = rest.split_first() else { return Ok(()) };
        if !host.is_operand() {
            self.unknown();
        }
        if options.has(&["N", "G", "Q"]) {
            return Ok(());
        }
        // Options may follow the host.
        if words.first().is_some_and(|first| first.may_be_option() || first.prefix().starts_with('-')) {
            self.unknown();
            return Ok(());
        }
        if words.is_empty() {
            self.note_shell();
            return Ok(());
        }
        self.elsewhere += 1;
        let result = self.text_of(words, None);
        self.elsewhere -= 1;
        result
    }

    /// `docker exec [options] CONTAINER COMMAND…`; other subcommands that start something are `unknown`.
    pub(super) fn container(&mut self, arguments: &[Argument], input: Input) -> Result<(), Fault> {
        const QUIET: &[&str] = &[
            "ps", "images", "logs", "inspect", "stats", "top", "port", "version", "info", "start", "stop",
            "restart", "kill", "rm", "rmi", "pull", "push", "tag", "network", "volume", "events", "history",
            "pause", "unpause", "rename", "wait", "login", "logout", "list", "ls", "system", "image", "diff",
            "search",
        ];
        const EXEC: Spec = Spec {
            flags: "dit",
            valued: "euw",
            long: "detach interactive tty privileged env= user= workdir= detach-keys= env-file=",
        };
        let Some((subcommand, rest)) = arguments.split_first() else { return Ok(()) };
        match subcommand.text() {
            Some("exec") => {}
            Some("--version" | "--help" | "-v") => return Ok(()),
            Some(known) if QUIET.contains(&known) => return Ok(()),
            _ => {
                self.unknown();
                return Ok(());
            }
        }
        let Some(options) = options::parse(rest, &EXEC) else {
            self.unknown();
            return Ok(());
        };
        self.in_container(options.rest, input)
    }

    /// A container's name, perhaps `--`, and a command.
    pub(super) fn in_container(&mut self, rest: &[Argument], input: Input) -> Result<(), Fault> {
        let Some((container, command)) = rest.split_first() else { return Ok(()) };
        if !container.is_operand() && matches!(container, Argument::Hole(hole) if hole.many) {
            self.unknown();
        }
        let command = match command.split_first() {
            Some((Argument::Text(dashes), behind)) if dashes == "--" => behind,
            _ => command,
        };
        self.elsewhere += 1;
        let result = self.invoke(command, input, &mut State::new(None, None));
        self.elsewhere -= 1;
        result
    }

    pub(super) fn kubernetes(&mut self, rest: &[Argument], input: Input) -> Result<(), Fault> {
        const QUIET: &[&str] = &[
            "get",
            "describe",
            "logs",
            "version",
            "cluster-info",
            "api-resources",
            "api-versions",
            "explain",
            "top",
            "rollout",
            "scale",
            "delete",
            "apply",
            "create",
            "label",
            "annotate",
            "cordon",
            "uncordon",
            "drain",
            "taint",
            "wait",
            "auth",
            "patch",
            "expose",
            "events",
            "diff",
        ];
        let Some((subcommand, rest)) = rest.split_first() else { return Ok(()) };
        match subcommand.text() {
            Some("exec") => {}
            Some(known) if QUIET.contains(&known) => return Ok(()),
            _ => {
                self.unknown();
                return Ok(());
            }
        }
        const EXEC: Spec = Spec {
            flags: "itq",
            valued: "cfn",
            long: "container= stdin tty quiet namespace= context= pod-running-timeout= filename=",
        };
        // Options may stand before and behind the pod's name, up to `--`.
        let dashes = rest.iter().position(|argument| argument.text() == Some("--"));
        let Some((before, command)) = dashes.and_then(|at| rest.split_at_checked(at)) else {
            self.unknown();
            return Ok(());
        };
        let mut before = before;
        loop {
            let Some(options) = options::parse(before, &EXEC) else {
                self.unknown();
                return Ok(());
            };
            match options.rest.split_first() {
                Some((_, behind)) => before = behind,
                None => break,
            }
        }
        self.elsewhere += 1;
        let result = self.invoke(command.get(1..).unwrap_or_default(), input, &mut State::new(None, None));
        self.elsewhere -= 1;
        result
    }

    pub(super) fn multiplexer(&mut self, arguments: &[Argument]) {
        const QUIET: &[&str] = &[
            "ls",
            "list-sessions",
            "list-windows",
            "list-panes",
            "has-session",
            "has",
            "kill-session",
            "kill-server",
            "-ls",
            "-list",
            "-wipe",
            "-V",
            "-v",
        ];
        let quiet = match arguments.first() {
            Some(Argument::Text(first)) => {
                QUIET.contains(&first.as_str())
                    && arguments.iter().all(|argument| {
                        argument
                            .text()
                            .is_some_and(|text| !text.contains("#(") && text != ";" && !text.ends_with(';'))
                    })
            }
            _ => false,
        };
        if arguments.is_empty() {
            self.note_shell();
        } else if !quiet {
            self.unknown();
        }
    }
}
