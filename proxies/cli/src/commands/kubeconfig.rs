//! `kubeconfig`: what plain `kubectl` needs to reach a cluster through the gateway.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use policy_core::Protocol;
use portcullis_gateway::config::{AskedBy, Config};
use portcullis_gateway::tls::ServerCertificate;
use serde_json::{Value, json};

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
    let server = server(&config, asked_by, arguments.gateway.as_deref())?;
    let mut cluster = json!({ "server": server });
    // A certificate that the gateway made is known to nobody else.
    if config.tls.files.is_none() {
        let certificate = ServerCertificate::load(&config).map_err(Failure::configuration)?;
        if let (Some(own), Some(fields)) = (certificate.chain.first(), cluster.as_object_mut()) {
            let pem =
                format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64.encode(own));
            fields.insert("certificate-authority-data".to_owned(), json!(BASE64.encode(pem)));
        }
    }
    let account = match &arguments.token_file {
        Some(file) => json!({ "tokenFile": file }),
        None => json!({ "token": "PUT-YOUR-TOKEN-HERE" }),
    };
    let entry = format!("portcullis-{name}");
    context.output.document(&kubeconfig(&entry, &cluster, &account))?;
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

/// Where clients reach a cluster.
fn server(config: &Config, by: &AskedBy, gateway: Option<&str>) -> Result<String, Failure> {
    let shared = config.listen.http.first();
    let (listen, path) = match (by.listen.first(), &by.prefix) {
        (Some(own), _) => (Some(own), ""),
        (None, Some(prefix)) => (shared, prefix.as_str()),
        (None, None) => (shared, ""),
    };
    let Some(listen) = listen else {
        return Err(Failure::configuration("nothing says where the gateway listens for HTTP"));
    };
    let host = match (by.listen.is_empty() && by.prefix.is_none(), by.hosts.first()) {
        (true, Some(host)) => host.clone(),
        _ => reached(listen, gateway)?,
    };
    Ok(format!("https://{host}:{}{path}", listen.port()))
}

fn reached(listen: &SocketAddr, gateway: Option<&str>) -> Result<String, Failure> {
    match gateway {
        Some(host) => Ok(host.to_owned()),
        None if listen.ip().is_unspecified() => {
            Err(Failure::configuration(format_args!("the gateway listens on every address ({listen})"))
                .help("say by which name clients reach it: --gateway gateway.example.org"))
        }
        None if listen.is_ipv6() => Ok(format!("[{}]", listen.ip())),
        None => Ok(listen.ip().to_string()),
    }
}
