//! What clients send.

use std::borrow::Cow;

use super::attributes::Attributes;
use super::cursor::{Cursor, Malformed, Writer};
use super::{extension, frame};

const INIT: u8 = 1;
const OPEN: u8 = 3;
const CLOSE: u8 = 4;
const READ: u8 = 5;
const WRITE: u8 = 6;
const LSTAT: u8 = 7;
const FSTAT: u8 = 8;
const SETSTAT: u8 = 9;
const FSETSTAT: u8 = 10;
const OPENDIR: u8 = 11;
const READDIR: u8 = 12;
const REMOVE: u8 = 13;
const MKDIR: u8 = 14;
const RMDIR: u8 = 15;
const REALPATH: u8 = 16;
const STAT: u8 = 17;
const RENAME: u8 = 18;
const READLINK: u8 = 19;
const SYMLINK: u8 = 20;
const EXTENDED: u8 = 200;

/// The version that both ends are pinned to.
pub const VERSION: u32 = 3;

/// How a file is opened (draft-02, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// For reading.
    pub const READ: Self = Self(1);
    /// For writing.
    pub const WRITE: Self = Self(2);
    /// Each write goes to the end.
    pub const APPEND: Self = Self(4);
    /// It is made if it is not there.
    pub const CREATE: Self = Self(8);
    /// It is emptied first.
    pub const TRUNCATE: Self = Self(16);
    /// It must not be there yet.
    pub const EXCLUSIVE: Self = Self(32);

    /// The flags of these bits, or `None` where one has no meaning in version 3.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Option<Self> {
        if bits < 64 { Some(Self(bits)) } else { None }
    }

    /// The bits as they are sent.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether any flag of `other` is set.
    #[must_use]
    pub const fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What is asked about a path and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfPath {
    /// A file's status, a link's own.
    Lstat,
    /// A file's status, behind links.
    Stat,
    /// A directory is opened for listing.
    Opendir,
    /// A file is removed.
    Remove,
    /// A directory is removed.
    Rmdir,
    /// A path is made absolute.
    Realpath,
    /// Where a link points to.
    Readlink,
    /// The status of a file's file system (`statvfs@openssh.com`).
    Statvfs,
    /// A path is made absolute, a leading `~` included (`expand-path@openssh.com`).
    Expand,
}

/// What is asked about a path, with attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// A file's attributes are changed, behind links.
    Setstat,
    /// A file's attributes are changed, a link's own (`lsetstat@openssh.com`).
    Lsetstat,
    /// A directory is made.
    Mkdir,
}

/// What is asked about two paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pair {
    /// From the first to the second, which must not be there.
    Rename,
    /// From the first to the second, which is replaced (`posix-rename@openssh.com`).
    PosixRename,
    /// The second becomes a link that holds the first. The draft has them the other way round; OpenSSH's order is what
    /// clients and targets that are like it use (`PROTOCOL`, section 4.1).
    Symlink,
    /// The second becomes one more name of the first (`hardlink@openssh.com`).
    Hardlink,
}

/// What is asked about a handle and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfHandle {
    /// It is given back.
    Close,
    /// The file's status.
    Fstat,
    /// Some names of the directory.
    Readdir,
    /// What was written reaches the disk (`fsync@openssh.com`).
    Fsync,
    /// The status of its file system (`fstatvfs@openssh.com`).
    Fstatvfs,
}

/// A request, without its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request<'a> {
    /// A file is opened. The attributes are those of a file that is made.
    Open {
        /// Which.
        path: Cow<'a, str>,
        /// How.
        flags: Flags,
        /// A new file's.
        attributes: Attributes,
    },
    /// About a path.
    OfPath(OfPath, Cow<'a, str>),
    /// About a path, with attributes.
    Set(Set, Cow<'a, str>, Attributes),
    /// About two paths.
    Pair(Pair, Cow<'a, str>, Cow<'a, str>),
    /// About a handle.
    OfHandle(OfHandle, &'a [u8]),
    /// The attributes of an open file are changed.
    Fsetstat(&'a [u8], Attributes),
    /// Bytes are read.
    Read {
        /// From where.
        handle: &'a [u8],
        /// From which byte on.
        offset: u64,
        /// How many at most.
        length: u32,
    },
    /// Bytes are written.
    Write {
        /// To where.
        handle: &'a [u8],
        /// From which byte on.
        offset: u64,
        /// What.
        data: &'a [u8],
    },
    /// Bytes are copied from one open file to another (`copy-data`).
    CopyData {
        /// From where.
        from: &'a [u8],
        /// From which byte on.
        from_offset: u64,
        /// How many; 0 means all.
        length: u64,
        /// To where.
        to: &'a [u8],
        /// From which byte on.
        to_offset: u64,
    },
    /// What the target can take (`limits@openssh.com`).
    Limits,
    /// Where a user's home is (`home-directory`).
    HomeDirectory(&'a str),
    /// Names of users and groups, four bytes a number (`users-groups-by-id@openssh.com`).
    UsersGroups {
        /// The users' numbers.
        users: &'a [u8],
        /// The groups' numbers.
        groups: &'a [u8],
    },
}

/// Whether a packet is INIT, and which version it asks for. What the client can do besides is not passed on.
///
/// # Errors
/// Another type, or a body that ends early.
pub fn init(packet: &[u8]) -> Result<u32, Malformed> {
    match frame::open(packet)? {
        (INIT, body) => Cursor::new(body).u32(),
        (other, _) => Err(Malformed::Type(other)),
    }
}

/// INIT, as the gateway sends it.
#[must_use]
pub fn write_init() -> Vec<u8> {
    Writer::new(INIT).u32(VERSION).end()
}

/// The id of a request, if there is one.
#[must_use]
pub fn id(packet: &[u8]) -> Option<u32> {
    let (_, body) = frame::open(packet).ok()?;
    Cursor::new(body).u32().ok()
}

impl<'a> Request<'a> {
    /// Decodes a whole packet to its last byte: an id and what is asked.
    ///
    /// # Errors
    /// A type that is no request (INIT included), an extension that is not known, fields that end early or can't be, bytes left
    /// over.
    pub fn decode(packet: &'a [u8]) -> Result<(u32, Self), Malformed> {
        let (kind, body) = frame::open(packet)?;
        let mut c = Cursor::new(body);
        let id = c.u32()?;
        let of_path = |what, c: &mut Cursor<'a>| Ok::<_, Malformed>(Self::OfPath(what, c.path()?.into()));
        let set = |what, c: &mut Cursor<'a>| {
            Ok::<_, Malformed>(Self::Set(what, c.path()?.into(), Attributes::decode(c)?))
        };
        let pair = |what, c: &mut Cursor<'a>| {
            Ok::<_, Malformed>(Self::Pair(what, c.path()?.into(), c.path()?.into()))
        };
        let of_handle = |what, c: &mut Cursor<'a>| Ok::<_, Malformed>(Self::OfHandle(what, c.bytes()?));
        let request = match kind {
            OPEN => Self::Open {
                path: c.path()?.into(),
                flags: Flags::from_bits(c.u32()?).ok_or(Malformed::Field("pflags"))?,
                attributes: Attributes::decode(&mut c)?,
            },
            CLOSE => of_handle(OfHandle::Close, &mut c)?,
            READ => Self::Read { handle: c.bytes()?, offset: c.u64()?, length: c.u32()? },
            WRITE => Self::Write { handle: c.bytes()?, offset: c.u64()?, data: c.bytes()? },
            LSTAT => of_path(OfPath::Lstat, &mut c)?,
            FSTAT => of_handle(OfHandle::Fstat, &mut c)?,
            SETSTAT => set(Set::Setstat, &mut c)?,
            FSETSTAT => Self::Fsetstat(c.bytes()?, Attributes::decode(&mut c)?),
            OPENDIR => of_path(OfPath::Opendir, &mut c)?,
            READDIR => of_handle(OfHandle::Readdir, &mut c)?,
            REMOVE => of_path(OfPath::Remove, &mut c)?,
            MKDIR => set(Set::Mkdir, &mut c)?,
            RMDIR => of_path(OfPath::Rmdir, &mut c)?,
            REALPATH => of_path(OfPath::Realpath, &mut c)?,
            STAT => of_path(OfPath::Stat, &mut c)?,
            RENAME => pair(Pair::Rename, &mut c)?,
            READLINK => of_path(OfPath::Readlink, &mut c)?,
            SYMLINK => pair(Pair::Symlink, &mut c)?,
            EXTENDED => match c.text()? {
                extension::POSIX_RENAME => pair(Pair::PosixRename, &mut c)?,
                extension::STATVFS => of_path(OfPath::Statvfs, &mut c)?,
                extension::FSTATVFS => of_handle(OfHandle::Fstatvfs, &mut c)?,
                extension::HARDLINK => pair(Pair::Hardlink, &mut c)?,
                extension::FSYNC => of_handle(OfHandle::Fsync, &mut c)?,
                extension::LSETSTAT => set(Set::Lsetstat, &mut c)?,
                extension::LIMITS => Self::Limits,
                extension::EXPAND_PATH => of_path(OfPath::Expand, &mut c)?,
                extension::COPY_DATA => Self::CopyData {
                    from: c.bytes()?,
                    from_offset: c.u64()?,
                    length: c.u64()?,
                    to: c.bytes()?,
                    to_offset: c.u64()?,
                },
                extension::HOME_DIRECTORY => Self::HomeDirectory(c.text()?),
                extension::USERS_GROUPS => Self::UsersGroups { users: c.bytes()?, groups: c.bytes()? },
                _ => return Err(Malformed::Extension),
            },
            other => return Err(Malformed::Type(other)),
        };
        c.end()?;
        Ok((id, request))
    }

    /// The packet of this request.
    #[must_use]
    pub fn encode(&self, id: u32) -> Vec<u8> {
        let plain = |kind| Writer::new(kind).u32(id);
        let extended = |name: &str| Writer::new(EXTENDED).u32(id).bytes(name);
        match self {
            Self::Open { path, flags, attributes } => {
                attributes.encode(plain(OPEN).bytes(path.as_bytes()).u32(flags.bits())).end()
            }
            Self::OfPath(what, path) => match what {
                OfPath::Lstat => plain(LSTAT),
                OfPath::Stat => plain(STAT),
                OfPath::Opendir => plain(OPENDIR),
                OfPath::Remove => plain(REMOVE),
                OfPath::Rmdir => plain(RMDIR),
                OfPath::Realpath => plain(REALPATH),
                OfPath::Readlink => plain(READLINK),
                OfPath::Statvfs => extended(extension::STATVFS),
                OfPath::Expand => extended(extension::EXPAND_PATH),
            }
            .bytes(path.as_bytes())
            .end(),
            Self::Set(what, path, attributes) => {
                let writer = match what {
                    Set::Setstat => plain(SETSTAT),
                    Set::Lsetstat => extended(extension::LSETSTAT),
                    Set::Mkdir => plain(MKDIR),
                };
                attributes.encode(writer.bytes(path.as_bytes())).end()
            }
            Self::Pair(what, one, two) => match what {
                Pair::Rename => plain(RENAME),
                Pair::PosixRename => extended(extension::POSIX_RENAME),
                Pair::Symlink => plain(SYMLINK),
                Pair::Hardlink => extended(extension::HARDLINK),
            }
            .bytes(one.as_bytes())
            .bytes(two.as_bytes())
            .end(),
            Self::OfHandle(what, handle) => match what {
                OfHandle::Close => plain(CLOSE),
                OfHandle::Fstat => plain(FSTAT),
                OfHandle::Readdir => plain(READDIR),
                OfHandle::Fsync => extended(extension::FSYNC),
                OfHandle::Fstatvfs => extended(extension::FSTATVFS),
            }
            .bytes(handle)
            .end(),
            Self::Fsetstat(handle, attributes) => attributes.encode(plain(FSETSTAT).bytes(handle)).end(),
            Self::Read { handle, offset, length } => {
                plain(READ).bytes(handle).u64(*offset).u32(*length).end()
            }
            Self::Write { handle, offset, data } => plain(WRITE).bytes(handle).u64(*offset).bytes(data).end(),
            Self::CopyData { from, from_offset, length, to, to_offset } => extended(extension::COPY_DATA)
                .bytes(from)
                .u64(*from_offset)
                .u64(*length)
                .bytes(to)
                .u64(*to_offset)
                .end(),
            Self::Limits => extended(extension::LIMITS).end(),
            Self::HomeDirectory(user) => extended(extension::HOME_DIRECTORY).bytes(user).end(),
            Self::UsersGroups { users, groups } => {
                extended(extension::USERS_GROUPS).bytes(users).bytes(groups).end()
            }
        }
    }
}
