//! `init`: a working configuration, a first policy and the gateway's keys.

mod http;

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use portcullis_evidence::SigningKey;
use portcullis_gateway::config::{Config, stays_on_this_machine};
use portcullis_gateway::start::open_store;

use super::secret;
use crate::args::Init;
use crate::context::{Context, unusable};
use crate::failure::{Answer, Failure, Outcome};
use crate::output::Tone;

const STARTER: &str = include_str!("starter.policy");
const CONFIG: &str = "portcullis.toml";
const POLICY: &str = "policies/production.policy";
/// Where clients connect unless it is said.
const WHERE_POSTGRES: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 6432);
const WHERE_HTTP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

pub(super) fn run(context: &Context, arguments: &Init) -> Outcome {
    // Without a `./` that says nothing.
    let folder = arguments.folder.strip_prefix(".").unwrap_or(&arguments.folder);
    let files = [folder.join(CONFIG), folder.join(POLICY)];
    if let Some(taken) = files.iter().find(|file| file.symlink_metadata().is_ok()) {
        return Err(Failure::io(format_args!(
            "`{}` exists already, and nothing was changed",
            taken.display()
        ))
        .help("choose another folder, or move that file away"));
    }
    let (text, starter) = match &arguments.http {
        Some(url) => (http::configuration(arguments, url), http::STARTER),
        None => (configuration(arguments), STARTER),
    };
    let [file, policy] = &files;
    // What can't be right is refused before anything is written.
    let config = Config::parse(file, &text).map_err(|error| {
        let failure = unusable(&error);
        let message = format!("these options make no configuration that works\n{}", failure.message);
        Failure { message, ..failure }
    })?;
    for directory in [Some(folder), policy.parent(), Some(&config.state)].into_iter().flatten() {
        private(directory)?;
    }
    write(policy, starter)?;
    write(file, &text)?;
    secret::prepare(&config.secrets)?;
    SigningKey::load_or_create(&config.state).map_err(Failure::io)?;
    open_store(&config).map_err(Failure::io)?;
    let steps = steps(arguments, &config);
    if context.output.is_json() {
        let next: Vec<&str> = steps.iter().map(|step| step.command.as_str()).collect();
        context
            .output
            .document(&serde_json::json!({ "written": files, "state": config.state, "next": next }))?;
        return Ok(Answer::Yes);
    }
    for file in &files {
        context.output.line(&format!("wrote {}", file.display()))?;
    }
    context.output.line(&format!("made keys and store in {}", config.state.display()))?;
    context.output.line("\nNext:")?;
    for (number, step) in steps.iter().enumerate() {
        let why = context.output.tone(Tone::Faint, &format!("# {}", step.why));
        context.output.line(&format!("  {}. {:<60} {why}", number + 1, step.command))?;
    }
    Ok(Answer::Yes)
}

/// The example, with this target in place of its own.
fn configuration(arguments: &Init) -> String {
    let name = quoted(&arguments.database);
    let credential = format!("credential = {{ secret = {name} }}");
    let label = format!("labels = {{ env = {} }}", quoted(&arguments.env));
    let tls = if stays_on_this_machine(host(&arguments.target)) {
        "tls = { mode = \"disable\" }                    # this machine only; anywhere else it is verify-full"
    } else {
        "# tls = { ca = \"ca.crt\" }                     # verify-full by the system's roots, unless said otherwise"
    };
    let lines = Config::example().lines().map(|line| match line.split(" = ").next() {
        Some("postgres") => format!("postgres = {}", quoted(&listen(arguments).to_string())),
        Some("state") => format!("state = {}", quoted(&arguments.state)),
        Some("name") => format!("name = {name}"),
        Some("address") => format!("address = {}", quoted(&arguments.target)),
        Some("database") => format!("database = {name}"),
        Some("user") => format!("user = {}", quoted(&arguments.role)),
        Some("credential") => {
            format!("{credential}      # or {{ env = \"…\" }} or {{ file = \"…\" }}")
        }
        Some("tls") => tls.to_owned(),
        Some("labels") => label.clone(),
        Some(comment) if comment.starts_with("# `psql ") => {
            format!("# `{}` reaches this one.", psql(arguments))
        }
        _ => line.to_owned(),
    });
    lines.map(|line| line + "\n").collect()
}

/// A TOML string. JSON's escapes are among TOML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The host of an address, without port and brackets.
fn host(address: &str) -> &str {
    match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => address.rsplit_once(':').map_or(address, |(host, _)| host),
    }
}

struct Step {
    command: String,
    why: &'static str,
}

fn steps(arguments: &Init, config: &Config) -> Vec<Step> {
    let step = |command: String, why| Step { command, why };
    let (secret, reached) = match &arguments.http {
        Some(_) => (http::secret(arguments), Vec::from(http::steps(arguments))),
        None => (
            step(
                format!("portcullis secret set {}", shell(&arguments.database)),
                "the password of the gateway's role at the target",
            ),
            vec![step(psql(arguments), "in another terminal")],
        ),
    };
    let mut steps = Vec::new();
    if arguments.folder != Path::new(".") {
        let enter = format!("export PORTCULLIS_CONFIG={}", shell(&config.file.display().to_string()));
        steps.push(step(enter, "or --config with each command"));
    }
    steps.extend([
        secret,
        step(
            "portcullis user add YOU --group eng".to_owned(),
            "a user of the gateway, with a password of its own",
        ),
        step("portcullis doctor".to_owned(), "looks for what will not work, or is unsafe"),
        step("portcullis serve".to_owned(), "runs the gateway"),
    ]);
    steps.extend(reached);
    steps
}

fn listen(arguments: &Init) -> SocketAddr {
    arguments.listen.unwrap_or(WHERE_POSTGRES)
}

fn psql(arguments: &Init) -> String {
    let (ip, port) = (listen(arguments).ip(), listen(arguments).port());
    let host = if ip.is_unspecified() { "127.0.0.1".to_owned() } else { ip.to_string() };
    format!("psql -h {host} -p {port} -U YOU {}", shell(&arguments.database))
}

/// A word as a shell takes it.
pub(super) fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn private(directory: &Path) -> Result<(), Failure> {
    if directory.as_os_str().is_empty() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| {
        Failure::io(format_args!("can't make the directory `{}`: {error}", directory.display()))
    })
}

fn write(file: &PathBuf, text: &str) -> Result<(), Failure> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o640)
        .open(file)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error: io::Error| {
        // Half a file would be in the way of the next try; there is none if it could not be made.
        if error.kind() != io::ErrorKind::AlreadyExists {
            let _ = fs::remove_file(file);
        }
        Failure::io(format_args!("can't write `{}`: {error}", file.display()))
    })
}

#[cfg(test)]
mod tests {
    use portcullis_gateway::config::Leg;

    use super::*;

    fn arguments(target: &str, database: &str) -> Init {
        Init {
            folder: ".".into(),
            http: None,
            name: "api".to_owned(),
            target: target.to_owned(),
            database: database.to_owned(),
            role: "gate \"keeper\"".to_owned(),
            env: "dev".to_owned(),
            state: "state".into(),
            listen: Some("[::1]:7000".parse().expect("an address")),
        }
    }

    #[test]
    fn what_is_asked_for_is_what_is_written() {
        for (target, host, port) in [
            ("db.example.org:5433", "db.example.org", 5433),
            ("127.0.0.1:1", "127.0.0.1", 1),
            ("/run/pg", "/run/pg", 5432),
        ] {
            let text = configuration(&arguments(target, "shop"));
            let config = Config::parse(Path::new("portcullis.toml"), &text).expect(&text);
            let [target] = config.targets.as_slice() else { panic!("one target: {text}") };
            assert_eq!((target.host.as_str(), target.port), (host, port), "{text}");
            assert_eq!(target.user, "gate \"keeper\"");
            assert!(
                matches!(&target.leg, Leg::Postgres { database, .. } if database == "shop"),
                "{:?}",
                target.leg
            );
            assert_eq!(target.subject.labels.get("env").map(AsRef::as_ref), Some("dev"));
            assert_eq!(config.listen.postgres, ["[::1]:7000".parse().expect("an address")]);
            assert!(matches!(
                target.credential,
                Some(portcullis_gateway::config::CredentialSource::Secret(_))
            ));
        }
    }

    #[test]
    fn a_target_over_http_is_what_is_written() {
        for (url, host, port) in [
            ("https://api.example.org", "api.example.org", 443),
            ("https://[2001:db8::1]:8443", "2001:db8::1", 8443),
            ("http://127.0.0.1:9000", "127.0.0.1", 9000),
        ] {
            let text = http::configuration(&arguments("unused", "unused"), url);
            let config = Config::parse(Path::new("portcullis.toml"), &text).expect(&text);
            let [target] = config.targets.as_slice() else { panic!("one target: {text}") };
            assert_eq!((target.host.as_str(), target.port), (host, port), "{text}");
            let Leg::Http(leg) = &target.leg else { panic!("{:?}", target.leg) };
            assert_eq!(leg.asked_by.prefix.as_deref(), Some("/api"));
            assert_eq!(target.subject.labels.get("env").map(AsRef::as_ref), Some("dev"));
            assert_eq!(config.listen.http, ["[::1]:7000".parse().expect("an address")]);
            assert!(config.listen.postgres.is_empty(), "{:?}", config.listen.postgres);
        }
    }

    #[test]
    fn both_first_configurations_are_the_same_but_for_the_target() {
        let parse = |text: &str| Config::parse(Path::new("portcullis.toml"), text).expect(text);
        let postgres = parse(&configuration(&arguments("127.0.0.1:1", "shop")));
        let http = parse(&http::configuration(&arguments("unused", "unused"), "https://api.example.org"));
        let shared = |config: Config| {
            let Config { state, evidence, policies, tls, limits, health, log, ssh, .. } = config;
            format!("{state:?} {evidence:?} {policies:?} {tls:?} {limits:?} {health:?} {log:?} {ssh:?}")
        };
        assert_eq!(shared(postgres), shared(http));
    }

    #[test]
    fn what_is_filled_in_is_not_filled_in_again() {
        let odd = Init { name: "<url>".to_owned(), env: "<name>\"".to_owned(), ..arguments("", "") };
        let text = http::configuration(&odd, "https://api.example.org");
        assert!(text.contains("\nname = \"<url>\"\n"), "{text}");
        assert!(text.contains("\nlabels = { env = \"<name>\\\"\" }\n"), "{text}");
        assert_eq!(text.matches('<').count(), 5, "{text}");
    }

    #[test]
    fn only_this_machine_is_reached_in_the_clear() {
        for (address, local) in [
            ("127.0.0.1:5432", true),
            ("localhost:5432", true),
            ("[::1]:5432", true),
            ("[::1]", true),
            ("/run/postgresql", true),
            ("10.0.0.1:5432", false),
            ("localhost.example.org:5432", false),
        ] {
            assert_eq!(stays_on_this_machine(host(address)), local, "{address}");
        }
    }
}
