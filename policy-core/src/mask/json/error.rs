//! Why masking JSON ends.

/// Why a stream can't be masked. No words of these hold anything of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// What came is not JSON.
    #[error("the answer is not JSON")]
    NotJson,
    /// It ended before a value did.
    #[error("the answer ends in the middle of a JSON value")]
    CutOff,
    /// Objects and lists nest too deep.
    #[error("the answer nests deeper than {}", super::JsonMasker::MAX_DEPTH)]
    TooDeep,
    /// A key or a number is too long.
    #[error(
        "the answer has a key of more than {} bytes, or a number of more than {}",
        super::JsonMasker::MAX_KEY,
        super::JsonMasker::MAX_NUMBER
    )]
    TooLong,
    /// A line of an event stream that is no data is too long.
    #[error(
        "the event stream has a line of more than {} bytes that is no data",
        super::super::SseMasker::MAX_LINE
    )]
    LineTooLong,
    /// Fields are masked, and the data of an event are not JSON.
    #[error("the data of an event are not JSON, so that its fields can't be masked")]
    NoFields,
}
