//! The command line, as people type it. What each word means is said here, once, for `--help`.

mod values;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueHint};

use self::values::{address, approval, command, lifetime, name, session, socket, speed, time, token};

const EXIT_CODES: &str = "\
Exit codes:
  0  done, and the answer is yes
  1  done, and the answer is no: a policy has errors, a test failed, a command would be denied or
     held, a log does not verify, doctor found a problem
  2  the command line could not be understood
  3  the configuration or a policy file can't be used
  4  the gateway can't be reached, or refused (wrong password, no such approval)
  5  reading or writing failed

Colour is used on a terminal only; NO_COLOR turns it off. --json prints for scripts.";

const REPLAY: &str = "\
Keys while a terminal plays:
  space  pause and go on       .  one step, then pause
  + -    twice, half the speed
  → ←    five seconds on, back  q  end

Examples:
  portcullis replay                                        what sessions there are
  portcullis replay 5f1d9a0b3c2e4d61 --speed 4 --max-pause 2         play one quickly
  portcullis replay 5f1d9a0b3c2e4d61 --search 'rm -rf'               when was that shown?
  portcullis replay 5f1d9a0b3c2e4d61 --from 12:30                    play from there
  portcullis replay 5f1d9a0b3c2e4d61 --events                        commands, files and terminals as a list
  portcullis replay 5f1d9a0b3c2e4d61 --export asciicast-v3 -o a.cast  for asciinema and its web player";

const EXPLAIN: &str = "\
COMMAND is what the target's protocol has for one:
  postgres    SQL             'drop table orders'
  ssh         a command line  'sudo systemctl restart nginx'
  http        a request       'GET /orders/7'   with a body: 'POST /orders {\"amount\": 5}'
  kubernetes  a request       'GET /api/v1/namespaces/default/pods'
  mcp         a message of JSON-RPC:
    '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"read_file\"}}'
The path of a request is the target's own: the `prefix` that clients put before it is no part of it.
`kubectl -v=8 …` shows which requests it sends.

Examples:
  portcullis explain --as ana --group eng --at shop 'drop table orders'
  portcullis explain --as ana --at api -H 'x-dry-run: true' 'DELETE /orders/7'
  portcullis explain --as bot --on-behalf-of ana --at files --pinned yes '{\"jsonrpc\": \"2.0\", …}'
  portcullis explain --as ana --at prod --do 'get on \"secrets\" with namespace = \"default\"'";

/// Stands in front of your databases, hosts and APIs; judges, holds, masks and records every command.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// The gateway's configuration [default: $PORTCULLIS_CONFIG, else ./portcullis.toml, else
    /// /etc/portcullis/portcullis.toml]
    #[arg(long, short, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON, one document, for scripts
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a working configuration, a first policy and the gateway's keys into a folder
    ///
    /// Start here. Nothing that exists is overwritten. Then: `user add`, `secret set`, `doctor`, `serve`.
    #[command(
        after_help = "Examples:\n  portcullis init guard --target 127.0.0.1:5432 --database shop --role app\n  \
                      portcullis init guard --http https://api.example.org --name billing"
    )]
    Init(Init),
    /// Run the gateway
    ///
    /// `portcullis reload`, or SIGHUP, has it take up the configuration and policy again; SIGTERM lets sessions finish and
    /// then stops.
    Serve(Serve),
    /// Read policies and say what is wrong with them
    Check(Policies),
    /// Lay policies out in the one canonical way; comments stay
    Fmt(Fmt),
    /// Run the `test` blocks of policies, with coverage of rules and clauses
    Test(Policies),
    /// Say why a command gets the answer it gets, without running it
    #[command(after_help = EXPLAIN)]
    Explain(Explain),
    /// List commands that wait for a decision
    Approvals(Approvals),
    /// Let a held command go on
    Approve(Vote),
    /// Turn a held command down
    Refuse(Vote),
    /// List live sessions
    Sessions,
    /// Watch a live session as it happens, and end it if need be
    ///
    /// Shows what a recording would have: masked output, commands and decisions, and nothing of before. On a
    /// terminal, q leaves and K ends the session; its user is told who ended it and why. Open to reviewers of such
    /// sessions (--as) and to operators, never for a session of one's own. That you watched is recorded.
    #[command(after_help = "Example:\n  portcullis watch 0123456789abcdef --as ben")]
    Watch(Watch),
    /// End sessions at once and refuse new ones
    ///
    /// Within a second nothing more of them is forwarded, and running work has been cancelled.
    Revoke(Revoke),
    /// Have the running gateway take up its configuration and policies again
    ///
    /// All of it or nothing: what can't be used changes nothing, and is said here. SIGHUP does the same.
    Reload,
    /// Show what happened in a session: a terminal's screen in its time, or command by command
    ///
    /// Nothing that was recorded acts on your terminal: it draws, no more. A session that had a terminal is played
    /// on it; without a terminal to play on (`| less -R`) all is printed at once.
    #[command(after_help = REPLAY)]
    Replay(Replay),
    /// Check that the audit log and the recordings are as they were written
    ///
    /// Without --checkpoint this finds change, removal and reordering inside the log. Whoever can write
    /// the whole folder could still cut its end off or replace all of it: keep a copy of checkpoint.json
    /// elsewhere and name it here to see that too.
    Verify(Verify),
    /// Manage local users, and the keys they log in with
    User {
        #[command(subcommand)]
        action: User,
    },
    /// Manage the tokens that HTTP clients prove themselves by
    ///
    /// A token is shown as `Authorization: Bearer …`, or as the password of its user by clients that know passwords only.
    /// It lets nobody into PostgreSQL or SSH.
    Token {
        #[command(subcommand)]
        action: Token,
    },
    /// Print `Host` blocks for ~/.ssh/config, so that `ssh TARGET` goes through the gateway
    #[command(
        after_help = "Example:\n  portcullis ssh-config --as ana --gateway bastion.example.org >> ~/.ssh/config"
    )]
    SshConfig(SshConfig),
    /// Print a kubeconfig, so that plain `kubectl` reaches a cluster through the gateway
    #[command(
        after_help = "Example:\n  portcullis kubeconfig prod --token-file ~/.kube/portcullis-token > ~/.kube/prod\n  kubectl --kubeconfig ~/.kube/prod get pods"
    )]
    Kubeconfig(Kubeconfig),
    /// Manage the encrypted secrets file that holds targets' credentials
    Secret {
        #[command(subcommand)]
        action: Secret,
    },
    /// Look for what is unsafe or will not work, and say how to mend it
    Doctor,
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  portcullis completions bash > /etc/bash_completion.d/portcullis")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Where; made if it does not exist
    #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) folder: PathBuf,
    /// The first target is one over HTTP, at this address: https://HOST or https://HOST:PORT, on this machine http:// too
    #[arg(long, value_name = "URL", conflicts_with_all = ["target", "database", "role"])]
    pub(crate) http: Option<String>,
    /// With --http: the target's name, below which clients ask for its paths
    #[arg(long, value_name = "NAME", default_value = "api", requires = "http", value_parser = name)]
    pub(crate) name: String,
    /// The first target's address, of PostgreSQL
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:5432")]
    pub(crate) target: String,
    /// The database on the first target, which is also the name clients ask for
    #[arg(long, value_name = "NAME", default_value = "postgres")]
    pub(crate) database: String,
    /// The role the gateway uses on the first target
    #[arg(long, value_name = "ROLE", default_value = "portcullis")]
    pub(crate) role: String,
    /// The label `env` of the first target, which policies select by
    #[arg(long, value_name = "NAME", default_value = "prod")]
    pub(crate) env: String,
    /// Where clients connect [default: 127.0.0.1:6432, with --http 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = socket)]
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// Where keys, users, approvals and evidence go
    #[arg(long, value_name = "DIRECTORY", default_value = "state", value_hint = ValueHint::DirPath)]
    pub(crate) state: String,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Check everything that starting would, then stop
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Policies {
    /// Policy files, read as one policy [default: those the configuration names]
    ///
    /// The configuration is then read only if --config names one; with it, the names of targets and labels
    /// are checked too.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Fmt {
    /// Change nothing; exit with 1 if something would change
    #[arg(long)]
    pub(crate) check: bool,
    /// Policy files; `-` reads standard input and prints the result [default: those the configuration names]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The command, as the client would send it
    #[arg(value_name = "COMMAND")]
    pub(crate) text: String,
    /// COMMAND is an action, as tests in policies spell it: --do 'read on "/srv/www/**"'
    #[arg(long = "do")]
    pub(crate) is_action: bool,
    /// Who asks
    #[arg(long = "as", value_name = "USER")]
    pub(crate) user: String,
    /// A group of theirs; may be given several times [default: what the local user has]
    #[arg(long = "group", value_name = "GROUP")]
    pub(crate) groups: Vec<String>,
    /// For an agent: the user it acts for, as its token says [default: its owner]
    #[arg(long, value_name = "USER")]
    pub(crate) on_behalf_of: Option<String>,
    /// A group of the user it acts for; may be given several times [default: what that local user has]
    #[arg(long = "owner-group", value_name = "GROUP", requires = "on_behalf_of")]
    pub(crate) owner_groups: Vec<String>,
    /// The target asked for
    #[arg(long = "at", value_name = "TARGET")]
    pub(crate) target: String,
    /// The address the client connects from [default: not known, so conditions on it are undetermined]
    #[arg(long = "from", value_name = "ADDRESS", value_parser = address)]
    pub(crate) source: Option<std::net::IpAddr>,
    /// A label of a target that is not configured, such as env=prod; may be given several times
    #[arg(long = "label", value_name = "NAME=VALUE")]
    pub(crate) labels: Vec<String>,
    /// The target's protocol [default: the configured target's, or else postgres]
    #[arg(long, value_name = "PROTOCOL", value_parser = ["postgres", "ssh", "http", "kubernetes", "mcp"])]
    pub(crate) protocol: Option<String>,
    /// A header field of the request, over HTTP: -H 'x-dry-run: true'; may be given several times
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", conflicts_with = "is_action")]
    pub(crate) headers: Vec<String>,
    /// Of MCP: whether the tools that are called are described as was approved [default: not known, so rules on it restrict]
    #[arg(long, value_name = "YES|NO", value_parser = ["yes", "no"], conflicts_with = "is_action")]
    pub(crate) pinned: Option<String>,
    /// The schemas that names without one are looked up in
    #[arg(long, value_name = "SCHEMAS", default_value = "public")]
    pub(crate) search_path: String,
    /// Policy files [default: those the configuration names]
    #[arg(long = "policy", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) policies: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Approvals {
    /// One approval, with its actions and votes
    #[arg(value_parser = approval)]
    pub(crate) number: Option<u64>,
    /// Also those already decided, expired or withdrawn
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Vote {
    /// The approval's number, as the notice and `portcullis approvals` show it
    #[arg(value_parser = approval)]
    pub(crate) number: u64,
    /// Vote as this local user
    #[arg(long = "as", value_name = "USER", env = "PORTCULLIS_USER", hide_env_values = true)]
    pub(crate) user: String,
    /// Why; recorded, and shown to the one who asked
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
    /// Do not ask before voting, on a terminal either
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) password: Password,
}

/// How a password reaches the command without standing in a process list.
#[derive(Debug, Args)]
pub(crate) struct Password {
    /// Read the password from this file [default: $PORTCULLIS_PASSWORD, else ask on the terminal]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The session, as `portcullis sessions` shows it
    #[arg(group = "whom", required_unless_present_any = ["user", "restore"], value_parser = session)]
    pub(crate) session: Option<String>,
    /// All sessions of this user, and new ones until the user is allowed again
    #[arg(long, value_name = "USER", group = "whom")]
    pub(crate) user: Option<String>,
    /// Let this user connect again
    #[arg(long, value_name = "USER", group = "whom")]
    pub(crate) restore: Option<String>,
    /// Why; recorded, and shown to the one whose sessions end
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct Kubeconfig {
    /// The cluster: a target with `protocol = "kubernetes"`
    #[arg(value_name = "TARGET")]
    pub(crate) target: String,
    /// The file that holds your token, as `kubectl` finds it
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<String>,
    /// Who you are, for the words that say how to get a token
    #[arg(long = "as", value_name = "USER", env = "PORTCULLIS_USER", hide_env_values = true)]
    pub(crate) user: Option<String>,
    /// Where clients reach the gateway: HOST or HOST:PORT, with brackets around IPv6, or https://… of these [default: where it listens]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) gateway: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SshConfig {
    /// Who logs in
    #[arg(long = "as", value_name = "USER", env = "PORTCULLIS_USER", hide_env_values = true)]
    pub(crate) user: String,
    /// Where clients reach the gateway: HOST or HOST:PORT, with brackets around IPv6 [default: where it listens]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) gateway: Option<String>,
    /// Put before each target's name, where a name is taken already, such as `p-`
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
}

#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// The session, as `portcullis sessions` and a hold's notice show it
    pub(crate) session: String,
    /// Watch as this local user [default: as the operator]
    #[arg(long = "as", value_name = "USER", env = "PORTCULLIS_USER", hide_env_values = true)]
    pub(crate) user: Option<String>,
    /// Do not watch: end the session
    #[arg(long)]
    pub(crate) end: bool,
    /// Why it is ended, by --end or by K; recorded, and shown to the one whose session ends
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) password: Password,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The session, as `portcullis sessions` and the audit log show it [default: list what there is]
    #[arg(value_parser = session)]
    pub(crate) session: Option<String>,
    /// The evidence folder [default: the configuration's]
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) evidence: Option<PathBuf>,
    /// Also print the recorded (masked) rows
    #[arg(long)]
    pub(crate) rows: bool,
    /// List what happened instead of playing the terminal
    #[arg(long)]
    pub(crate) events: bool,
    /// Which command's terminal, where a session had several [default: the first]
    #[arg(long, value_name = "N", value_parser = command)]
    pub(crate) command: Option<u64>,
    /// Play so many times as fast
    #[arg(long, value_name = "N", value_parser = speed, default_value = "1", hide_default_value = true)]
    pub(crate) speed: f64,
    /// Begin there: seconds, MINUTES:SECONDS or HOURS:MINUTES:SECONDS, since the session was opened
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "0", hide_default_value = true)]
    pub(crate) from: Duration,
    /// End there [default: at the end]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) to: Option<Duration>,
    /// Wait no longer than so many seconds where nothing happened
    #[arg(long, value_name = "SECONDS", value_parser = time)]
    pub(crate) max_pause: Option<Duration>,
    /// Say when this text was shown, instead of playing; exit with 1 if it never was
    #[arg(long, value_name = "TEXT", conflicts_with = "export")]
    pub(crate) search: Option<String>,
    /// Write the terminal as a file for other players instead of playing it
    #[arg(long, value_name = "FORMAT", conflicts_with = "json")]
    pub(crate) export: Option<Cast>,
    /// The file to write to [default: standard output]
    #[arg(long, short, value_name = "FILE", requires = "export", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
}

/// A file format of terminal sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Cast {
    /// asciinema 3
    AsciicastV3,
    /// asciinema 2
    AsciicastV2,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The evidence folder [default: the configuration's]
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) folder: Option<PathBuf>,
    /// A checkpoint.json that was kept elsewhere
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) checkpoint: Option<PathBuf>,
    /// The public key that checkpoints must be signed with, such as a copy of audit-key.pub
    ///
    /// Without it the key in the gateway's state folder is used, or else the one that the log itself names.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) key: Option<PathBuf>,
    /// The oldest segments and recordings were archived: do not miss them
    #[arg(long)]
    pub(crate) pruned: bool,
    /// Leave the recordings unread
    #[arg(long)]
    pub(crate) skip_recordings: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Add a local user, or change one; asks for a person's password and keeps only its SCRAM verifier
    ///
    /// An agent or a service is asked for none: it has one only where --password-file or $PORTCULLIS_PASSWORD gives it, and
    /// is let in by tokens, keys and certificates otherwise. When one is changed, what it had stays.
    #[command(
        after_help = "Examples:\n  portcullis user add ana --group eng\n  portcullis user add bot --kind agent --group bots\n  \
                      portcullis token create --user bot --on-behalf-of ana --expires 8h"
    )]
    Add {
        /// The name clients log in with
        name: String,
        /// A group; may be given several times
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
        /// human, service or agent
        #[arg(long, value_name = "KIND", default_value = "human", value_parser = ["human", "service", "agent"])]
        kind: String,
        /// The person behind the account, where one person has several
        #[arg(long, value_name = "PERSON")]
        person: Option<String>,
        /// For an agent: the user it acts for; without one, its tokens say so (`token create --on-behalf-of`)
        #[arg(long, value_name = "USER")]
        owner: Option<String>,
        /// Without a password, of a person too: tokens, keys and certificates alone let them in
        #[arg(long, conflicts_with = "password_file")]
        no_password: bool,
        #[command(flatten)]
        password: Password,
    },
    /// List local users
    List,
    /// Manage the public keys that a user logs in with over SSH
    Key {
        #[command(subcommand)]
        action: Key,
    },
    /// Remove a local user
    Remove {
        /// The name
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Let a user log in with these public keys
    #[command(after_help = "Example:\n  portcullis user key add ana ~/.ssh/id_ed25519.pub")]
    Add {
        /// The user
        name: String,
        /// A file of public keys as OpenSSH writes them, one a line; `-` reads standard input
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// List a user's keys
    List {
        /// The user
        name: String,
    },
    /// Take a key from a user
    Remove {
        /// The user
        name: String,
        /// The key's fingerprint, as `user key list` shows it
        fingerprint: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token and print it, once
    ///
    /// What is kept is a hash: a token that is lost is revoked, and another one made.
    #[command(
        after_help = "Examples:\n  portcullis token create --user ci --expires 30d --name 'nightly build'\n  \
                      portcullis token create --user bot --on-behalf-of ana --expires 8h\n  \
                      curl -H \"Authorization: Bearer $(portcullis token create --user ana --expires 1h)\" …"
    )]
    Create {
        /// The local user that it proves
        #[arg(long, value_name = "USER")]
        user: String,
        /// When it ends: 45m, 12h, 30d; at most 365d
        #[arg(long, value_name = "TIME", value_parser = lifetime, default_value = "90d")]
        expires: Duration,
        /// What it is for, as `token list` shows it
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        name: String,
        /// For an agent: the user it acts for with this token [default: its owner]
        #[arg(long, value_name = "USER")]
        on_behalf_of: Option<String>,
    },
    /// List tokens, newest first; never what would let somebody in
    List {
        /// Those of this user alone
        #[arg(long, value_name = "USER")]
        user: Option<String>,
    },
    /// End a token, and within a second every session that it opened
    Revoke {
        /// The token's number, as `token list` shows it
        #[arg(value_name = "NUMBER", value_parser = token)]
        number: u64,
        /// Why; recorded, and shown to the one whose sessions end
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Secret {
    /// Put a secret in, or replace it; the value is read from standard input or asked for
    Set {
        /// The name that the configuration refers to, as in `credential = { secret = "NAME" }`
        name: String,
    },
    /// List the names of secrets
    List,
    /// Remove a secret
    Remove {
        /// The name
        name: String,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_and_option_says_what_it_is() {
        fn walk(command: &clap::Command) {
            for argument in command.get_arguments().filter(|a| !a.is_hide_set()) {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
            for sub in command.get_subcommands() {
                assert!(sub.get_about().is_some(), "{}", sub.get_name());
                walk(sub);
            }
        }
        walk(&Arguments::command());
    }
}
