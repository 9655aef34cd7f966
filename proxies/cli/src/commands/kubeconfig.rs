//! `kubeconfig`: what plain `kubectl` needs to reach a cluster through the gateway.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use policy_core::Protocol;
use portcullis_evidence::inert;
use portcullis_gateway::config::{AskedBy, Config};
use portcullis_gateway::tls::ServerCertificate;
use serde_json::{Value, json};
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use super::reached::Reached;
use crate::args::Kubeconfig;
use crate::context::Context;
use crate::failure::{Answer, Failure, Outcome};

pub(super) fn run(context: &Context, arguments: &Kubeconfig) -> Outcome {
    let config = context.config()?;
    let clusters: Vec<(&str, &AskedBy)> = config
        .http_targets()
        .filter(|(target, _)| target.subject.protocol == Protocol::KUBERNETES)
        .map(|(target, leg)| (&*target.subject.name, &leg.asked_by))
        .collect();
    let Some((name, asked_by)) = clusters.iter().copied().find(|(name, _)| *name == arguments.target) else {
        let known: Vec<&str> = clusters.iter().map(|(name, _)| *name).collect();
        let help = if known.is_empty() {
            "add a [[target]] with protocol = \"kubernetes\"".to_owned()
        } else {
            format!("there is: {}", known.join(", "))
        };
        return Err(
            Failure::configuration(format_args!("no cluster is named `{}`", arguments.target)).help(help)
        );
    };
    let (reached, server) = server(&config, asked_by, arguments.gateway.as_deref())?;
    let mut cluster = json!({ "server": server });
    let mut unnamed = None;
    // A certificate that the gateway made is known to nobody else.
    if config.tls.files.is_none() {
        let certificate = ServerCertificate::load(&config).map_err(Failure::configuration)?;
        if let (Some(own), Some(fields)) = (certificate.chain.first(), cluster.as_object_mut()) {
            let pem =
                format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64.encode(own));
            fields.insert("certificate-authority-data".to_owned(), json!(BASE64.encode(pem)));
            unnamed = names(own)
                .filter(|names| !names.iter().any(|name| name.eq_ignore_ascii_case(reached.bare())));
        }
    }
    let account = match &arguments.token_file {
        // `kubectl` takes a path that is not absolute to be below the kubeconfig's folder, and nobody knows yet where that is put.
        Some(file) => {
            json!({ "tokenFile": std::path::absolute(file).map_err(Failure::io)?.display().to_string() })
        }
        None => json!({ "token": "PUT-YOUR-TOKEN-HERE" }),
    };
    let entry = format!("portcullis-{name}");
    context.output.document(&kubeconfig(&entry, &cluster, &account))?;
    if let Some(names) = unnamed {
        context.output.note(&format!(
            "warning: the certificate that the gateway made does not name `{}`, so kubectl will refuse it: it names {}. Reach the \
             gateway by one of these (--gateway), give it a certificate of its own (`certificate` and `key` under `[tls]`), or \
             put `\"tls-server-name\": \"localhost\"` beside \"server\"",
            inert::line(reached.bare()),
            names.join(", ")
        ));
    }
    if let Some(file) = arguments.token_file.as_ref().filter(|file| !std::path::Path::new(file).exists()) {
        context.output.note(&format!("warning: there is no file `{}` yet", inert::line(file)));
    }
    if arguments.token_file.is_none() {
        context.output.note(&format!(
            "put a token of `portcullis token create --user {}` where it says so, or name its file: --token-file",
            arguments.user.as_deref().unwrap_or("YOU")
        ));
    }
    Ok(Answer::Yes)
}

/// JSON, which every reader of kubeconfigs takes: it is YAML.
fn kubeconfig(entry: &str, cluster: &Value, account: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": entry, "cluster": cluster }],
        "users": [{ "name": entry, "user": account }],
        "contexts": [{ "name": entry, "context": { "cluster": entry, "user": entry } }],
        "current-context": entry,
    })
}

/// The names and addresses that a certificate is for; `None` where it can't be told.
fn names(certificate: &[u8]) -> Option<Vec<String>> {
    let (_, parsed) = parse_x509_certificate(certificate).ok()?;
    let names = parsed.subject_alternative_name().ok()??;
    let named = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
            (Ok(four), _) => Some(IpAddr::from(four).to_string()),
            (_, Ok(sixteen)) => Some(IpAddr::from(sixteen).to_string()),
            _ => None,
        },
        _ => None,
    });
    Some(named.collect())
}

/// Where clients reach a cluster: the host, and the whole URL.
fn server(config: &Config, by: &AskedBy, gateway: Option<&str>) -> Result<(Reached, String), Failure> {
    let shared = config.listen.http.first();
    let (listen, path) = match (by.listen.first(), &by.prefix) {
        (Some(own), _) => (Some(own), ""),
        (None, Some(prefix)) => (shared, prefix.as_str()),
        (None, None) => (shared, ""),
    };
    let Some(listen) = listen else {
        return Err(Failure::configuration("nothing says where the gateway listens for HTTP"));
    };
    let said = gateway.map(Reached::parse_https).transpose()?;
    let by_host = by.listen.is_empty() && by.prefix.is_none() && !by.hosts.is_empty();
    let reached = match (said, by.hosts.first()) {
        (Some(said), _) if by_host && !by.hosts.contains(&said.host) => {
            return Err(Failure::configuration(format_args!(
                "the cluster is asked for by its host, which `{}` is not",
                said.host
            ))
            .help(format_args!("--gateway takes one of its `hosts`: {}", by.hosts.join(", "))));
        }
        (Some(said), _) => said,
        (None, Some(host)) if by_host => Reached { host: host.clone(), port: None },
        (None, _) => Reached::listening(listen, "gateway.example.org")?,
    };
    let url = format!("https://{}:{}{path}", reached.host, reached.port.unwrap_or(listen.port()));
    Ok((reached, url))
}
