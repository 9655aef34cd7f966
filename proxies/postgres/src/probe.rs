//! Looking at a target before it is served: whether it lets the gateway in, and what the gateway's role may do there.

use portcullis_gateway::config::{Secrets, TargetConfig};

use crate::catalogue::client::{Client, QueryError};
use crate::connect;
use crate::reach;
use crate::serve::ServeError;

/// What a target says of itself and of the gateway's role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// Such as `15.8`.
    pub version: String,
    /// Such as 150008.
    pub version_number: u32,
    /// What the role may do that a gateway's role should not; in PostgreSQL's words, such as `superuser`.
    pub powers: Vec<Power>,
    /// The setting `standard_conforming_strings` of sessions that don't ask for a value.
    pub standard_conforming_strings: bool,
    /// Its clock, in seconds since the Unix epoch.
    pub clock: i64,
}

/// A power that goes past what policies can judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Power {
    /// Everything, the operating system's files and programs included.
    Superuser,
    /// An attribute of the role, such as `CREATEROLE`.
    Attribute(&'static str),
    /// Membership in a predefined role, such as `pg_read_server_files`.
    Member(String),
}

/// Why a target can't be looked at.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Its configuration can't be used.
    #[error(transparent)]
    Configuration(#[from] ServeError),
    /// It can't be reached, or does not let the gateway in. In its own words, for the operator.
    #[error("it {0}")]
    Unready(String),
    /// It does not answer the question.
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// The setting's own default is asked for, not the value that the gateway pins it to.
const QUESTION: &str = "\
SELECT pg_catalog.current_setting('server_version'), \
       pg_catalog.current_setting('server_version_num'), \
       rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, \
       (SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'standard_conforming_strings'), \
       pg_catalog.floor(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()))::pg_catalog.int8, \
       (SELECT pg_catalog.string_agg(g.rolname, ' ' ORDER BY g.rolname) FROM pg_catalog.pg_roles AS g \
         WHERE g.rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program', \
                             'pg_signal_backend', 'pg_create_subscription') \
           AND pg_catalog.pg_has_role(g.oid, 'MEMBER')) \
  FROM pg_catalog.pg_roles WHERE rolname = CURRENT_USER";

/// Connects to a target as sessions do, and asks.
///
/// # Errors
/// Where a session would fail too; see [`ProbeError`].
pub async fn probe(config: &TargetConfig, secrets: &Secrets) -> Result<Probed, ProbeError> {
    let target = reach::target(config, secrets)?.target;
    let settings = [("application_name", "portcullis doctor")];
    let ready = connect::open(&target, &settings)
        .await
        .map_err(|unready| ProbeError::Unready(unready.to_string()))?;
    let mut found = None;
    let mut client = Client::new(ready.transport);
    client
        .query(QUESTION, |row| {
            let (version, version_number) = (row.some()?.to_owned(), row.number()?);
            let superuser = row.flag()?;
            let attributes =
                ["CREATEROLE", "CREATEDB", "REPLICATION", "BYPASSRLS"].map(|name| (name, row.flag()));
            let standard_conforming_strings = row.text()?? != "off";
            let clock = row.number()?;
            let member = row.text()?.unwrap_or_default();
            let mut powers = Vec::new();
            if superuser {
                // It has all the others too.
                powers.push(Power::Superuser);
            } else {
                for (name, has) in attributes {
                    if has? {
                        powers.push(Power::Attribute(name));
                    }
                }
                powers.extend(member.split_whitespace().map(|role| Power::Member(role.to_owned())));
            }
            found = Some(Probed { version, version_number, powers, standard_conforming_strings, clock });
            Some(())
        })
        .await?;
    found.ok_or(ProbeError::Query(QueryError::Protocol("no row for the role that was let in")))
}
