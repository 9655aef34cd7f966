//! An action in the words of a policy's tests, for what has no text of its own: file transfers, tunnels, tools.

use policy_core::{ActionSet, Protocol};
use policy_lang::suite::Command;
use policy_lang::{Environment, Source, Style, load};

use crate::failure::Failure;

/// Reads the action by the language's own parser, as the one command of a test.
pub(super) fn read(text: &str, protocol: &Protocol) -> Result<ActionSet, Failure> {
    let test = format!(
        "test \"explained\" {{\n  as user \"user\"  at {protocol} \"target\"\n  do {}\n  expect allow\n}}\n",
        text.trim()
    );
    let help = format!("write it as tests do: {}", examples(protocol));
    let help = help.as_str();
    let loaded = load(&[Source::new("--do", test)], &Environment::default()).map_err(|found| {
        let found = found.render(Style::Plain);
        Failure::usage(format_args!("`{text}` is no action of {protocol}\n\n{}", found.trim_end())).help(help)
    })?;
    match loaded.tests.into_iter().next().map(|test| test.command) {
        Some(Command::Actions(actions)) if loaded.rules.rules.is_empty() => Ok(actions),
        _ => Err(Failure::usage(format_args!("`{text}` is no action of {protocol}")).help(help)),
    }
}

/// Actions as each protocol has them.
fn examples(protocol: &Protocol) -> &'static str {
    match protocol.as_str() {
        "ssh" => "read on \"/srv/www/**\", shell, forward with host = \"db-1\", port = 5432",
        "http" => "get on \"/orders/7\", post on \"/orders\" with \"body.amount\" = 5",
        "kubernetes" => {
            "get on \"secrets\" with namespace = \"default\", create on \"pods/exec\" with argv = [\"ls\"], shell = false"
        }
        "mcp" => {
            "call on \"read_file\" with pinned = true, \"arguments.path\" = \"/srv/plan.md\", read on \"file:///srv/a\""
        }
        _ => "select on \"public.orders\", delete on \"public.orders\" with filtered = false",
    }
}
