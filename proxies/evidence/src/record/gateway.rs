//! Records about the gateway and about the log itself.

use serde::{Deserialize, Serialize};

use crate::hash::Hash;
use crate::json::Text;
use crate::time::Timestamp;

/// A gateway began to use this log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GatewayStarted<'a> {
    /// Program and version.
    pub build: Text<'a>,
    /// The machine's name.
    pub host: Text<'a>,
    /// The process id.
    pub pid: u32,
    /// The digest of the policy in force.
    pub policy: Text<'a>,
    /// The digest of the resolved configuration, secrets left out.
    pub config: Text<'a>,
}

/// A gateway stopped in order. A start without a stop before it means that the gateway was killed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GatewayStopped<'a> {
    /// Why, such as `SIGTERM`.
    pub reason: Text<'a>,
}

/// A policy came into force.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PolicyLoaded<'a> {
    /// Its digest.
    pub policy: Text<'a>,
    /// Its name.
    pub name: Text<'a>,
    /// How many rules it has.
    pub rules: u64,
    /// The files it was read from.
    pub files: Vec<Text<'a>>,
    /// Who or what asked for it: `start`, `SIGHUP`, or an operator's name.
    pub by: Text<'a>,
}

/// The configuration, or a setting that is changed while running, changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConfigChanged<'a> {
    /// What, such as `target shop`.
    pub what: Text<'a>,
    /// What it is now, in words; never a secret.
    pub to: Text<'a>,
    /// Who or what asked for it.
    pub by: Text<'a>,
}

/// A recording was closed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordingSealed<'a> {
    /// The session it is of.
    pub of_session: Text<'a>,
    /// Its file's name in the directory of recordings.
    pub file: Text<'a>,
    /// The SHA-256 of the file.
    pub sha256: Hash,
    /// The size of the file in bytes.
    pub bytes: u64,
    /// How many events it holds, where the recorder closed it itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// Whether the session's end is in it. False for what a kill or a failing disk left.
    pub complete: bool,
}

/// A segment file begins.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Segment<'a> {
    /// The version of the format; this is version 1.
    pub format: u32,
    /// The log's identity: 32 hexadecimal digits, random, the same in all its segments.
    pub log: Text<'a>,
    /// The segment's number, from 1.
    pub segment: u64,
    /// The chain value of the last record of the segment before; zeros in the first.
    pub previous: Hash,
    /// The public key that the log's checkpoints are signed with.
    pub key: Text<'a>,
}

/// A signature over the log's identity, a sequence number, the chain value there, and the time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CheckpointRecord<'a> {
    /// The record it vouches for, and with it everything before: always the one right before this.
    pub upto: u64,
    /// That record's chain value.
    pub hash: Hash,
    /// When it was signed.
    pub signed: Timestamp,
    /// The Ed25519 signature in hexadecimal.
    pub signature: Text<'a>,
}

/// What was found torn when the log was opened, and where it was put.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recovered<'a> {
    /// The segment file that had it.
    pub file: Text<'a>,
    /// How many bytes were moved out of it.
    pub bytes: u64,
    /// How many complete lines were among them: 0 after a kill, perhaps more after a power failure.
    pub lines: u64,
    /// The file that holds them now, relative to the evidence directory.
    pub moved_to: Text<'a>,
    /// The SHA-256 of the bytes moved.
    pub sha256: Hash,
}
