//! Programs that run the command among their arguments.

use super::argument::{Argument, Hole};
use super::invoke::joined;
use super::limits::Fault;
use super::options::{self, Spec};
use super::run::{Input, Runner};
use super::variables::{Known, State};

/// How a wrapper finds its command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Behind so many operands; without a command it does nothing more.
    Behind(usize),
    /// As above; without a command it starts a shell.
    OrShell(usize),
    /// As above, in a place where paths mean something else.
    Elsewhere(usize),
    /// `NAME=value …` may stand before the command.
    Environment,
    Sudo,
    Su,
    /// The words are joined and given to a shell.
    Joined,
    /// Joined for the shell of another host, behind the host's name.
    Remote,
    /// Behind a `--` or a container's name.
    Container,
    Kubernetes,
    Script,
    Flock,
    Xargs,
    Find,
    Multiplexer,
    /// It runs what it is told in a way that is not followed.
    Opaque,
}

struct Wrapper {
    names: &'static str,
    spec: Spec,
    manner: Manner,
}

const fn row(
    names: &'static str,
    flags: &'static str,
    valued: &'static str,
    long: &'static str,
    manner: Manner,
) -> Wrapper {
    Wrapper { names, spec: Spec { flags, valued, long }, manner }
}

use Manner::{Behind, Elsewhere, OrShell};

/// What is known. An option that is not here makes the command `unknown`.
const WRAPPERS: &[Wrapper] = &[
    row(
        "sudo",
        "AbEeHiKklNnPSsVv",
        "Cghprtu",
        "askpass background close-from= edit preserve-env? set-home login remove-timestamp reset-timestamp list no-update non-interactive preserve-groups prompt= stdin shell user= group= host= validate version",
        Manner::Sudo,
    ),
    row("doas", "ns", "u", "", OrShell(0)),
    row(
        "su",
        "lmpP",
        "cgGsw",
        "command= group= supp-group= login preserve-environment shell= pty whitelist-environment=",
        Manner::Su,
    ),
    row(
        "runuser",
        "lmpPf",
        "cgGsuw",
        "command= group= supp-group= login preserve-environment shell= pty user= whitelist-environment=",
        Manner::Su,
    ),
    row("pkexec", "", "", "user= disable-internal-agent keep-cwd", OrShell(0)),
    row("gosu su-exec setuidgid envuidgid", "", "", "", Behind(1)),
    row("chpst", "vP012", "uUbe/nlLmdocpftrC", "", Manner::Opaque),
    row(
        "env",
        "iv0",
        "uC",
        "ignore-environment null unset= chdir= debug block-signal? default-signal? ignore-signal?",
        Manner::Environment,
    ),
    row("nohup", "", "", "", Behind(0)),
    row("setsid", "cfw", "", "ctty fork wait", Behind(0)),
    row("timeout", "fpv", "ks", "foreground preserve-status verbose kill-after= signal=", Behind(1)),
    row("nice", "", "n", "adjustment=", Behind(0)),
    row("ionice", "t", "cn", "class= classdata= ignore", Behind(0)),
    row(
        "chrt",
        "abdfiorRv",
        "TPD",
        "all-tasks batch deadline fifo idle other rr reset-on-fork verbose sched-runtime= sched-period= sched-deadline=",
        Behind(1),
    ),
    row("taskset", "ac", "", "all-tasks cpu-list", Behind(1)),
    row(
        "numactl",
        "",
        "mNCpil",
        "interleave= membind= cpunodebind= physcpubind= localalloc preferred=",
        Behind(0),
    ),
    row(
        "prlimit",
        "v",
        "",
        "as= core= cpu= data= fsize= locks= memlock= msgqueue= nice= nofile= nproc= rss= rtprio= sigpending= stack= verbose",
        Behind(0),
    ),
    row("stdbuf", "", "ioe", "input= output= error=", Behind(0)),
    row("unbuffer", "p", "", "", Behind(0)),
    row("time", "apqvV", "f", "append format= portability quiet verbose", Behind(0)),
    row(
        "catchsegv chronic fakeroot eatmydata nocorrect noglob coproc - builtin torsocks torify proxychains proxychains4 tsocks dbus-launch tini dumb-init catatonit softlimit caffeinate",
        "",
        "",
        "",
        Behind(0),
    ),
    row("command", "p", "", "", Behind(0)),
    row("exec", "cl", "a", "", Behind(0)),
    row("dbus-run-session", "", "", "config-file= dbus-daemon=", Behind(0)),
    row("xvfb-run", "a", "ns", "auto-servernum server-num= server-args=", Behind(0)),
    row("cgexec", "", "g", "sticky", Behind(0)),
    row(
        "setpriv",
        "d",
        "",
        "dump nnp no-new-privs reuid= regid= clear-groups keep-groups init-groups groups= inh-caps= ambient-caps= bounding-set= pdeathsig= reset-env ruid= euid= rgid= egid=",
        Behind(0),
    ),
    row("setarch", "vRFZLXBITS3u", "", "verbose addr-no-randomize uname-2.6 32bit 3gb 4gb", OrShell(1)),
    row(
        "linux32 linux64 i386 i686 x86_64",
        "vRFZLXBITS3",
        "",
        "verbose addr-no-randomize uname-2.6 32bit 3gb 4gb",
        OrShell(0),
    ),
    row("systemd-inhibit", "", "", "what= who= why= mode= no-pager no-legend list", Behind(0)),
    row(
        "systemd-run",
        "GdqStPr",
        "Mpu",
        "scope unit= property= description= slice= collect remain-after-exit quiet no-block wait pipe pty same-dir user system uid= gid= nice= working-directory= on-active= on-boot= on-calendar= service-type= shell no-ask-password",
        OrShell(0),
    ),
    row("systemd-cat", "", "tp", "identifier= priority= level-prefix= stderr-priority=", Behind(0)),
    row("logsave", "asv", "", "", Behind(1)),
    row("chroot", "", "", "userspec= groups= skip-chdir", Elsewhere(1)),
    row(
        "unshare",
        "cfimnprTuUC",
        "GSw",
        "fork map-root-user map-current-user mount-proc? mount pid net uts ipc user cgroup kill-child? setgroups= propagation= keep-caps wd=",
        Elsewhere(0),
    ),
    row(
        "nsenter",
        "acCFimnpTUu",
        "tGSWr",
        "all target= mount? uts? ipc? net? pid? cgroup? user? time? preserve-credentials no-fork setuid= setgid= root? wd?",
        Elsewhere(0),
    ),
    row(
        "flock",
        "enosxFuv",
        "cwE",
        "close command= conflict-exit-code= exclusive nonblock nb no-fork shared timeout= wait= unlock verbose",
        Manner::Flock,
    ),
    row(
        "script scriptlive",
        "aefqt",
        "cEIBOTlmo",
        "append command= return flush force quiet echo= log-in= log-io= log-out= log-timing= logging-format= output-limit=",
        Manner::Script,
    ),
    row(
        "watch",
        "bcetgdpwx",
        "nq",
        "beep color errexit no-title chgexit differences? precise no-wrap interval= exec equexit=",
        Manner::Joined,
    ),
    row("ssh slogin", "46AaCfKkqTtvXxYyNnG", "bcDeEFIiJLlmoOpQRSwW", "", Manner::Remote),
    row("docker podman nerdctl lxc", "", "", "", Manner::Container),
    row(
        "kubectl oc k3s microk8s",
        "",
        "ns",
        "namespace= context= cluster= user= server=",
        Manner::Kubernetes,
    ),
    row(
        "xargs",
        "0rtpox",
        "adEILnPs",
        "null no-run-if-empty verbose interactive exit show-limits open-tty delimiter= arg-file= max-args= max-procs= max-chars= max-lines= replace? eof?",
        Manner::Xargs,
    ),
    row("find gfind", "", "", "", Manner::Find),
    row("tmux screen byobu dtach abduco zellij", "", "", "", Manner::Multiplexer),
    row(
        "parallel sem rush mpirun mpiexec srun salloc sbatch run-parts start-stop-daemon daemon daemonize entr inotifywait incrontab runcon newgrp sg capsh firejail bwrap bubblewrap proot systemd-nspawn machinectl lxc-attach lxc-execute vagrant multipass at batch crontab ltrace perf valgrind rr gdbserver rlwrap rlfe expect-run dsh pdsh clush pssh parallel-ssh ansible ansible-playbook ansible-console salt salt-call salt-ssh rsh rlogin rexec mosh autossh sshpass sudoedit visudo vipw vigr crictl ctr runc crun buildah nomad consul aoss npx rake ant just task scons bazel nix nix-shell nix-env guix dpkg-buildpackage debuild rpmbuild makepkg checkinstall socat tshark openvpn wg-quick pppd ip ifup ifdown run-mailcap xdg-open see open bzr fossil",
        "",
        "",
        "",
        Manner::Opaque,
    ),
];

fn find(name: &str) -> Option<&'static Wrapper> {
    WRAPPERS.iter().find(|wrapper| wrapper.names.split(' ').any(|known| known == name))
}

pub(super) fn is_known(name: &str) -> bool {
    find(name).is_some()
}

impl Runner<'_> {
    /// Follows what a wrapper runs. The wrapper itself is noted already.
    pub(super) fn wrapped(
        &mut self,
        name: &str,
        arguments: &[Argument],
        input: Input,
        state: &mut State,
    ) -> Result<(), Fault> {
        let Some(wrapper) = find(name) else { return Ok(()) };
        match wrapper.manner {
            Manner::Find => return self.find(arguments, state),
            Manner::Container => return self.container(arguments, input),
            Manner::Multiplexer => {
                self.multiplexer(arguments);
                return Ok(());
            }
            Manner::Opaque => {
                if !is_question(name, arguments) {
                    self.unknown();
                }
                return Ok(());
            }
            Manner::Su => return self.switch_user(arguments, wrapper, state),
            _ => {}
        }
        // `nice -5`, and `-` of env.
        let old_style = match arguments.first().and_then(Argument::text) {
            Some(first) if name == "nice" => first.strip_prefix('-').is_some_and(|digits| {
                !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
            }),
            first => name == "env" && first == Some("-"),
        };
        let arguments = if old_style { arguments.get(1..).unwrap_or_default() } else { arguments };
        if name == "command"
            && arguments.first().and_then(Argument::text).is_some_and(|first| matches!(first, "-v" | "-V"))
        {
            return Ok(());
        }
        let Some(options) = options::parse(arguments, &wrapper.spec) else {
            self.unknown();
            return Ok(());
        };
        let rest = options.rest;
        match wrapper.manner {
            Behind(operands) => self.behind(rest, operands, input, state, false),
            // They start somewhere else.
            OrShell(operands) if matches!(name, "pkexec" | "systemd-run") => {
                let mut inside = state.clone();
                inside.directory = None;
                self.behind(rest, operands, input, &mut inside, true)
            }
            OrShell(operands) => {
                if options.has(&["s", "S", "shell", "t", "pty"]) && rest.len() <= operands {
                    self.note_shell();
                    return Ok(());
                }
                self.behind(rest, operands, input, state, true)
            }
            Elsewhere(operands) => {
                self.elsewhere += 1;
                let result = self.behind(rest, operands, input, state, true);
                self.elsewhere -= 1;
                result
            }
            Manner::Environment => {
                let mut inside = state.clone();
                if options.has(&["C", "chdir"]) {
                    inside.directory = None;
                }
                self.environment_of(rest, input, &inside)
            }
            Manner::Sudo => {
                if options.has(&["e", "edit"]) {
                    self.unknown();
                    return Ok(());
                }
                if options.has(&["l", "list", "K", "V", "version"])
                    || (rest.is_empty() && options.has(&["v", "k", "validate"]))
                {
                    return Ok(());
                }
                let login = options.has(&["i", "login"]);
                if login || options.has(&["s", "shell"]) {
                    if rest.is_empty() {
                        self.note_shell();
                        return Ok(());
                    }
                    // All but `$` is escaped on the way through the shell.
                    if rest.iter().any(|argument| argument.text().is_none_or(|text| text.contains('$'))) {
                        self.unknown();
                    }
                }
                let mut inside = state.clone();
                if login {
                    inside.directory = None;
                }
                self.environment_of(rest, input, &inside)
            }
            Manner::Joined => {
                if options.has(&["x", "exec"]) {
                    return self.behind(rest, 0, input, state, false);
                }
                self.text_of(rest, state.directory.as_deref())
            }
            Manner::Remote => self.remote(rest, &options),
            Manner::Kubernetes => self.kubernetes(rest, input),
            Manner::Script => {
                // Options may stand behind the file.
                if rest.iter().any(|argument| !argument.is_operand()) {
                    self.unknown();
                    return Ok(());
                }
                for file in rest.iter().chain(options.value(&[
                    "log-in",
                    "I",
                    "log-out",
                    "O",
                    "log-io",
                    "B",
                    "log-timing",
                    "T",
                ])) {
                    self.note_file("write", file.text(), state);
                }
                match options.value(&["c", "command"]) {
                    Some(text) => self.text_of(std::slice::from_ref(text), state.directory.as_deref()),
                    None => {
                        self.note_shell();
                        Ok(())
                    }
                }
            }
            Manner::Flock => {
                let Some((file, behind)) = rest.split_first() else { return Ok(()) };
                if let Some(text) = options.value(&["c", "command"]) {
                    return self.text_of(std::slice::from_ref(text), state.directory.as_deref());
                }
                if !file.is_operand() {
                    self.unknown();
                }
                match behind.split_first() {
                    Some((Argument::Text(flag), behind)) if flag == "-c" || flag == "--command" => {
                        self.text_of(behind.get(..1).unwrap_or_default(), state.directory.as_deref())
                    }
                    Some(_) => self.invoke(behind, input, &mut state.clone()),
                    None => Ok(()),
                }
            }
            Manner::Xargs => self.xargs(rest, &options, state),
            Manner::Find | Manner::Container | Manner::Multiplexer | Manner::Opaque | Manner::Su => Ok(()),
        }
    }

    /// The command behind some operands.
    fn behind(
        &mut self,
        rest: &[Argument],
        operands: usize,
        input: Input,
        state: &mut State,
        shell: bool,
    ) -> Result<(), Fault> {
        let (before, command) = rest.split_at_checked(operands).unwrap_or((rest, &[]));
        if before.iter().any(|operand| !operand.is_operand()) {
            self.unknown();
        }
        if command.is_empty() {
            if shell {
                self.note_shell();
            }
            return Ok(());
        }
        // What a builtin of the wrapped name would change is changed in place by the shell's own wrappers only: both
        // ways are kept in mind.
        let mut inside = state.clone();
        self.invoke(command, input, &mut inside)?;
        state.join(&inside);
        Ok(())
    }

    /// `env` and `sudo`: `NAME=value` before the command.
    fn environment_of(&mut self, rest: &[Argument], input: Input, state: &State) -> Result<(), Fault> {
        let mut rest = rest;
        while let Some((first, behind)) = rest.split_first() {
            let Some((name, value)) = first.prefix().split_once('=') else { break };
            let value = if first.text().is_some() { Known::text(value) } else { Known::Nothing };
            self.note_variable(name, &value);
            if matches!(first, Argument::Hole(hole) if hole.many) {
                self.unknown();
            }
            rest = behind;
        }
        self.invoke(rest, input, &mut state.clone())
    }

    /// Words that are joined for a shell.
    fn text_of(&mut self, arguments: &[Argument], directory: Option<&str>) -> Result<(), Fault> {
        match joined(arguments) {
            Some(text) => self.shell_text(&text, Some(vec![]), directory),
            None => {
                self.unknown();
                Ok(())
            }
        }
    }

    /// `su [options] [-] [user [arguments…]]`: options may stand anywhere.
    fn switch_user(&mut self, arguments: &[Argument], wrapper: &Wrapper, state: &State) -> Result<(), Fault> {
        let mut rest = arguments;
        let (mut text, mut user_given, mut operands) = (None, false, vec![]);
        let mut login = false;
        loop {
            let Some(options) = options::parse(rest, &wrapper.spec) else {
                self.unknown();
                return Ok(());
            };
            if options.has(&["s", "shell", "w", "whitelist-environment"]) {
                self.unknown();
            }
            login |= options.has(&["l", "login"]);
            user_given |= options.has(&["u", "user"]);
            text = options.value(&["c", "command"]).cloned().or(text);
            let Some((operand, behind)) = options.rest.split_first() else { break };
            if options.ended || user_given {
                operands.extend_from_slice(options.rest);
                break;
            }
            if operand.text() == Some("-") {
                login = true;
            } else {
                operands.push(operand.clone());
            }
            rest = behind;
        }
        let mut inside = state.clone();
        if login {
            inside.directory = None;
        }
        match text {
            Some(text) if operands.len() <= 1 => {
                self.text_of(std::slice::from_ref(&text), inside.directory.as_deref())
            }
            Some(_) => {
                self.unknown();
                Ok(())
            }
            None if user_given => self.invoke(&operands, None, &mut inside),
            None => {
                // What follows the user's name goes to the shell.
                if operands.len() > 1 {
                    self.unknown();
                }
                self.note_shell();
                Ok(())
            }
        }
    }

    fn remote(&mut self, rest: &[Argument], options: &options::Options<'_>) -> Result<(), Fault> {
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
    fn container(&mut self, arguments: &[Argument], input: Input) -> Result<(), Fault> {
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
    fn in_container(&mut self, rest: &[Argument], input: Input) -> Result<(), Fault> {
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

    fn kubernetes(&mut self, rest: &[Argument], input: Input) -> Result<(), Fault> {
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

    fn multiplexer(&mut self, arguments: &[Argument]) {
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

    fn xargs(
        &mut self,
        rest: &[Argument],
        options: &options::Options<'_>,
        state: &State,
    ) -> Result<(), Fault> {
        let placeholder = match (options.value(&["I", "replace"]), options.has(&["replace"])) {
            (Some(Argument::Text(text)), _) => Some(text.as_str()),
            (None, true) => Some("{}"),
            (None, false) => None,
            (Some(Argument::Hole(_)), _) => {
                self.unknown();
                return Ok(());
            }
        };
        if let Some(file) = options.value(&["a", "arg-file"]) {
            self.note_file("read", file.text(), state);
        }
        let mut command: Vec<Argument> = rest.to_vec();
        if command.is_empty() {
            command.push(Argument::Text("echo".into()));
        }
        match placeholder {
            Some(placeholder) => {
                for argument in &mut command {
                    if let Some((prefix, _)) = argument.prefix().split_once(placeholder) {
                        *argument = Argument::starting(prefix);
                    }
                }
            }
            None => command.push(Argument::anything()),
        }
        self.invoke(&command, None, &mut state.clone())
    }

    /// `find`: its tests and actions.
    fn find(&mut self, arguments: &[Argument], state: &State) -> Result<(), Fault> {
        let is_start = |argument: &&Argument| match argument {
            Argument::Text(text) => !text.starts_with(['-', '(', ')', '!', ',']),
            Argument::Hole(hole) => !hole.option,
        };
        let options = ["-H", "-L", "-P"];
        let starts: Vec<&Argument> = arguments
            .iter()
            .skip_while(|argument| argument.text().is_some_and(|text| options.contains(&text)))
            .take_while(is_start)
            .collect();
        // A hole might be any action; one that can't be an option is a place to start from, or a value.
        if arguments.iter().any(Argument::may_be_option) {
            self.unknown();
        }
        let mut rest = arguments;
        while let Some((first, behind)) = rest.split_first() {
            rest = behind;
            match first.text().unwrap_or_default() {
                action @ ("-exec" | "-execdir" | "-ok" | "-okdir") => {
                    let end = rest.iter().position(|argument| matches!(argument.text(), Some(";")));
                    let plus = rest.windows(2).position(|pair| {
                        matches!(pair, [Argument::Text(found), Argument::Text(plus)] if found == "{}" && plus == "+")
                    });
                    let (end, many) = match (end, plus) {
                        (Some(end), Some(plus)) if plus + 1 < end => (plus + 1, true),
                        (Some(end), _) => (end, false),
                        (None, Some(plus)) => (plus + 1, true),
                        (None, None) => {
                            self.unknown();
                            return Ok(());
                        }
                    };
                    let (command, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
                    rest = behind.get(1..).unwrap_or_default();
                    let start = match starts.as_slice() {
                        _ if action.ends_with("dir") => "./",
                        [] => ".",
                        [only] => only.prefix(),
                        _ => "",
                    };
                    let known = starts.iter().all(|start| {
                        start.is_operand() || matches!(start, Argument::Hole(hole) if !hole.option)
                    });
                    let command: Vec<Argument> =
                        command.iter().map(|argument| found(argument, start, many, known)).collect();
                    let mut inside = state.clone();
                    if action.ends_with("dir") {
                        inside.directory = None;
                    }
                    self.invoke(&command, None, &mut inside)?;
                }
                text if text.starts_with("-exec") || text.starts_with("-ok") => self.unknown(),
                "-delete" => {
                    if starts.is_empty() {
                        self.note_file("remove", Some("."), state);
                    }
                    for start in &starts {
                        self.note_file("remove", start.text(), state);
                    }
                }
                "-fprint" | "-fprint0" | "-fls" | "-fprintf" => {
                    if let Some((file, behind)) = rest.split_first() {
                        self.note_file("write", file.text(), state);
                        rest = behind;
                    }
                }
                "-files0-from" => {
                    if let Some((file, behind)) = rest.split_first() {
                        self.note_file("read", file.text(), state);
                        rest = behind;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// An argument of find's command: `{}` stands for what is found.
fn found(argument: &Argument, start: &str, many: bool, known: bool) -> Argument {
    let Some((prefix, behind)) = argument.prefix().split_once("{}") else { return argument.clone() };
    let prefix = format!("{prefix}{start}");
    let option = !known || prefix.starts_with('-');
    Argument::Hole(Hole { prefix, many: many && behind.is_empty(), option, number: false })
}

/// Whether a program of the list of those that are not followed is only asked something.
fn is_question(name: &str, arguments: &[Argument]) -> bool {
    let words: Option<Vec<&str>> = arguments.iter().map(Argument::text).collect();
    let Some(words) = words else { return false };
    match (name, words.as_slice()) {
        (_, ["--version" | "--help" | "version"]) => true,
        ("crontab", ["-l"] | ["-l", "-u", _] | ["-u", _, "-l"]) => true,
        // `netns exec` and `vrf exec` run a command, `-batch` a file of them; each may be shortened.
        ("ip", words) => {
            let short = |word: &str, full: &str| !word.is_empty() && full.starts_with(word);
            !words.iter().any(|word| {
                short(word, "exec") || (word.len() > 1 && (short(word, "-batch") || short(word, "--batch")))
            })
        }
        ("machinectl", ["list" | "status" | "show", ..]) => true,
        _ => false,
    }
}
