//! What a target may send once it has said that it is ready.

use super::Malformed;
use super::frame::{Header, LARGEST, within};

/// A target message's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backend {
    /// A statement was prepared.
    ParseComplete,
    /// A portal was made.
    BindComplete,
    /// A statement or portal was forgotten.
    CloseComplete,
    /// The types of a statement's parameters.
    ParameterDescription,
    /// The columns of the rows to come.
    RowDescription,
    /// No rows will come.
    NoData,
    /// One row.
    DataRow,
    /// A statement ended.
    CommandComplete,
    /// The text held no statement.
    EmptyQueryResponse,
    /// A portal stopped at its row limit.
    PortalSuspended,
    /// The target wants a COPY's data.
    CopyInResponse,
    /// The target is about to send a COPY's data.
    CopyOutResponse,
    /// A piece of a COPY to the client.
    CopyData,
    /// The end of a COPY to the client.
    CopyDone,
    /// Something failed.
    ErrorResponse,
    /// Something worth telling.
    NoticeResponse,
    /// A NOTIFY from some session.
    NotificationResponse,
    /// A setting that clients care about.
    ParameterStatus,
    /// The target takes the next command; says the transaction's state.
    ReadyForQuery,
}

impl Backend {
    /// The type byte.
    pub const fn tag(self) -> u8 {
        match self {
            Self::ParseComplete => b'1',
            Self::BindComplete => b'2',
            Self::CloseComplete => b'3',
            Self::ParameterDescription => b't',
            Self::RowDescription => b'T',
            Self::NoData => b'n',
            Self::DataRow => b'D',
            Self::CommandComplete => b'C',
            Self::EmptyQueryResponse => b'I',
            Self::PortalSuspended => b's',
            Self::CopyInResponse => b'G',
            Self::CopyOutResponse => b'H',
            Self::CopyData => b'd',
            Self::CopyDone => b'c',
            Self::ErrorResponse => b'E',
            Self::NoticeResponse => b'N',
            Self::NotificationResponse => b'A',
            Self::ParameterStatus => b'S',
            Self::ReadyForQuery => b'Z',
        }
    }

    /// The type that `header` announces, its length checked.
    ///
    /// # Errors
    /// [`Malformed::Type`] for what no target may send after startup: authentication, key data, answers to
    /// function calls and replication are never asked for. [`Malformed::TooLong`] by type.
    pub fn from_header(header: Header) -> Result<Self, Malformed> {
        // The widest row description: 1,664 columns with names of 63 bytes.
        const DESCRIPTION: usize = 1 << 20;
        const SETTING: usize = 64 << 10;
        let (this, cap) = match header.tag {
            b'1' => (Self::ParseComplete, 0),
            b'2' => (Self::BindComplete, 0),
            b'3' => (Self::CloseComplete, 0),
            b't' => (Self::ParameterDescription, DESCRIPTION),
            b'T' => (Self::RowDescription, DESCRIPTION),
            b'n' => (Self::NoData, 0),
            b'D' => (Self::DataRow, LARGEST),
            b'C' => (Self::CommandComplete, SETTING),
            b'I' => (Self::EmptyQueryResponse, 0),
            b's' => (Self::PortalSuspended, 0),
            b'G' => (Self::CopyInResponse, SETTING),
            b'H' => (Self::CopyOutResponse, SETTING),
            b'd' => (Self::CopyData, LARGEST),
            b'c' => (Self::CopyDone, 0),
            b'E' => (Self::ErrorResponse, LARGEST),
            b'N' => (Self::NoticeResponse, LARGEST),
            b'A' => (Self::NotificationResponse, SETTING),
            b'S' => (Self::ParameterStatus, SETTING),
            b'Z' => (Self::ReadyForQuery, 1),
            _ => return Err(Malformed::Type(header.tag)),
        };
        within(header, cap)?;
        Ok(this)
    }
}
