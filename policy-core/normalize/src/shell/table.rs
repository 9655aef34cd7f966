//! The wrappers that are known, and their options.

use super::argument::Argument;
use super::options::Spec;

/// How a wrapper finds its command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
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

/// A program that runs another.
pub(super) struct Wrapper {
    names: &'static str,
    pub(super) spec: Spec,
    pub(super) manner: Manner,
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

/// The wrapper of this name.
pub(super) fn find(name: &str) -> Option<&'static Wrapper> {
    WRAPPERS.iter().find(|wrapper| wrapper.names.split(' ').any(|known| known == name))
}

/// Whether a program of the list of those that are not followed is only asked something.
pub(super) fn is_question(name: &str, arguments: &[Argument]) -> bool {
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
