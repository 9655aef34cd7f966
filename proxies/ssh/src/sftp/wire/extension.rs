//! Which extensions are understood, in the versions that are.

/// An extension's name and version.
pub type Extension = (&'static str, &'static str);

/// Each extension's name with the version that a target announces it in (`PROTOCOL`, section 4, of OpenSSH).
/// Another version may mean something else, and is not passed on to the client.
pub const KNOWN: &[Extension] = &[
    (POSIX_RENAME, "1"),
    (STATVFS, "2"),
    (FSTATVFS, "2"),
    (HARDLINK, "1"),
    (FSYNC, "1"),
    (LSETSTAT, "1"),
    (LIMITS, "1"),
    (EXPAND_PATH, "1"),
    (COPY_DATA, "1"),
    (HOME_DIRECTORY, "1"),
    (USERS_GROUPS, "1"),
];

pub(crate) const POSIX_RENAME: &str = "posix-rename@openssh.com";
pub(crate) const STATVFS: &str = "statvfs@openssh.com";
pub(crate) const FSTATVFS: &str = "fstatvfs@openssh.com";
pub(crate) const HARDLINK: &str = "hardlink@openssh.com";
pub(crate) const FSYNC: &str = "fsync@openssh.com";
pub(crate) const LSETSTAT: &str = "lsetstat@openssh.com";
pub(crate) const LIMITS: &str = "limits@openssh.com";
pub(crate) const EXPAND_PATH: &str = "expand-path@openssh.com";
pub(crate) const COPY_DATA: &str = "copy-data";
pub(crate) const HOME_DIRECTORY: &str = "home-directory";
pub(crate) const USERS_GROUPS: &str = "users-groups-by-id@openssh.com";
