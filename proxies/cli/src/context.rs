//! What every command has at hand: where the configuration is, and where the answer goes.

use std::path::{Path, PathBuf};

use portcullis_gateway::config::{Config, ConfigError};

use crate::args::Common;
use crate::failure::Failure;
use crate::output::Output;

/// Where a configuration is looked for, in this order.
const PLACES: [&str; 2] = ["portcullis.toml", "/etc/portcullis/portcullis.toml"];

/// What every command has at hand.
#[derive(Debug)]
pub(crate) struct Context {
    named: Option<PathBuf>,
    /// Where the answer goes.
    pub(crate) output: Output,
}

impl Context {
    pub(crate) fn new(common: &Common) -> Self {
        // Not read by `clap`, which would then have every usage line demand it.
        let variable = || std::env::var_os("PORTCULLIS_CONFIG").filter(|file| !file.is_empty());
        let named = common.config.clone().or_else(|| variable().map(PathBuf::from));
        Self { named, output: Output::new(common.json) }
    }

    /// The configuration's file: the one that was named, else the first that exists.
    pub(crate) fn config_file(&self) -> Result<PathBuf, Failure> {
        self.named.clone().or_else(found).ok_or_else(|| {
            let places = PLACES.map(|place| format!("`{place}`")).join(" nor ");
            Failure::configuration(format_args!("there is no configuration: neither {places} exists"))
                .help("`portcullis init` writes one here; --config or $PORTCULLIS_CONFIG names another")
        })
    }

    /// The configuration.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        Config::load(self.config_file()?).map_err(|error| unusable(&error))
    }

    /// The configuration where there is one. One that is wrong is a failure all the same.
    pub(crate) fn config_if_any(&self) -> Result<Option<Config>, Failure> {
        match self.named.clone().or_else(found) {
            Some(file) => Config::load(file).map(Some).map_err(|error| unusable(&error)),
            None => Ok(None),
        }
    }

    /// The configuration if one was named, for commands that can do without.
    pub(crate) fn config_if_named(&self) -> Result<Option<Config>, Failure> {
        if self.named.is_some() { self.config_if_any() } else { Ok(None) }
    }
}

/// What is wrong, and apart from it the way out.
pub(crate) fn unusable(error: &ConfigError) -> Failure {
    let failure = Failure::configuration(error.fault());
    match error.way_out() {
        Some(help) => failure.help(help),
        None => failure,
    }
}

fn found() -> Option<PathBuf> {
    PLACES.iter().map(Path::new).find(|path| path.exists()).map(Path::to_owned)
}
