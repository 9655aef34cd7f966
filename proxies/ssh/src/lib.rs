//! An SSH bastion that judges, holds, masks and records every channel.

pub mod sftp;
