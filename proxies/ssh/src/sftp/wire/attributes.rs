//! ATTRS: what a file is like, of which any part may be left out.

use super::cursor::{Cursor, Malformed, Writer};

const SIZE: u32 = 1;
const OWNER: u32 = 2;
const PERMISSIONS: u32 = 4;
const TIMES: u32 = 8;

/// What a request wants a file to be like (draft-02, section 5).
///
/// "Extended" attributes are none of it: what they mean is between client and target, so a request with them is
/// refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Its length in bytes.
    pub size: Option<u64>,
    /// Its user and group, by number.
    pub owner: Option<(u32, u32)>,
    /// Its mode.
    pub permissions: Option<u32>,
    /// When it was last read and changed, in seconds since 1970.
    pub times: Option<(u32, u32)>,
}

impl Attributes {
    pub(super) fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let flags = cursor.u32()?;
        if flags & !(SIZE | OWNER | PERMISSIONS | TIMES) != 0 {
            return Err(Malformed::Field("attribute flags"));
        }
        let has = |flag| flags & flag != 0;
        Ok(Self {
            size: has(SIZE).then(|| cursor.u64()).transpose()?,
            owner: has(OWNER).then(|| Ok::<_, Malformed>((cursor.u32()?, cursor.u32()?))).transpose()?,
            permissions: has(PERMISSIONS).then(|| cursor.u32()).transpose()?,
            times: has(TIMES).then(|| Ok::<_, Malformed>((cursor.u32()?, cursor.u32()?))).transpose()?,
        })
    }

    pub(super) fn encode(self, mut writer: Writer) -> Writer {
        let flag = |given: bool, flag: u32| if given { flag } else { 0 };
        writer = writer.u32(
            flag(self.size.is_some(), SIZE)
                | flag(self.owner.is_some(), OWNER)
                | flag(self.permissions.is_some(), PERMISSIONS)
                | flag(self.times.is_some(), TIMES),
        );
        if let Some(size) = self.size {
            writer = writer.u64(size);
        }
        if let Some((user, group)) = self.owner {
            writer = writer.u32(user).u32(group);
        }
        if let Some(permissions) = self.permissions {
            writer = writer.u32(permissions);
        }
        if let Some((read, changed)) = self.times {
            writer = writer.u32(read).u32(changed);
        }
        writer
    }
}
