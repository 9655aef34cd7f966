//! Content codings (RFC 9110, section 8.4), taken off where an answer is looked through.

use std::pin::Pin;

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, BodyStream};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_ENCODING, HeaderMap};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt, BufReader};
use tokio_util::io::StreamReader;

use crate::body::Fault;
use crate::dialect::mcp::Filter;
use crate::mask::Unseen;

/// The most codings, one upon the other.
const MOST: usize = 3;
/// The most that one piece of an answer decodes to: what expands further comes in many pieces, each waited for.
const PIECE: usize = 32 << 10;
/// How far back what is encoded by `zstd` may refer: no answer that follows RFC 9659 (section 3) needs more than the 23rd power
/// of two, in bytes.
const WINDOW: u32 = 23;

/// An answer's body, read piece by piece.
pub(crate) enum Source {
    /// As it comes.
    Plain(Incoming),
    /// With its codings taken off. Trailers are not reached.
    Decoded(Pin<Box<dyn AsyncRead + Send>>),
    /// Without what its principal may not use. Trailers are not reached.
    Filtered(Box<Filtered>),
    /// Nothing but trailers is left of it.
    Trailers(Option<HeaderMap>),
}

/// Why there is no more of an answer: in a word, which evidence has, and in full.
pub(crate) type Broken = (&'static str, Fault);

/// The word for an answer that can't be looked through to its end.
pub(crate) const NOT_SHOWN: &str = "it can't be shown";

fn broke_off(error: impl Into<Fault>) -> Broken {
    ("the target broke off", error.into())
}

/// An answer of an MCP server.
pub(crate) struct Filtered {
    source: Source,
    filter: Filter,
    ended: bool,
}

impl Filtered {
    /// Boxed, as it holds a source itself.
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Frame<Bytes>, Broken>>> {
        Box::pin(async {
            while !self.ended {
                let shown = match self.source.next().await {
                    None => {
                        self.ended = true;
                        self.filter.finish().await
                    }
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => self.filter.push(&data).await,
                        Err(_trailers) => continue,
                    },
                    Some(Err(broken)) => {
                        self.ended = true;
                        return Some(Err(broken));
                    }
                };
                self.ended |= shown.is_err();
                match shown {
                    Ok(shown) if shown.is_empty() => {}
                    Ok(shown) => return Some(Ok(Frame::data(shown.into()))),
                    Err(why) => return Some(Err((NOT_SHOWN, why))),
                }
            }
            None
        })
    }
}

impl Source {
    /// The same body, looked through by this.
    pub(crate) fn filtered(self, filter: Filter) -> Self {
        Self::Filtered(Box::new(Filtered { source: self, filter, ended: false }))
    }

    /// A body, with the codings taken off that its header names; they are not named any more then.
    ///
    /// # Errors
    /// Where a coding is none of those known.
    pub(crate) fn decoded(body: Incoming, headers: &mut HeaderMap) -> Result<Self, Unseen> {
        let mut codings = Vec::new();
        for value in headers.get_all(CONTENT_ENCODING) {
            let text = value.to_str().map_err(|_| Unseen::Encoding)?.to_ascii_lowercase();
            codings.extend(text.split(',').map(|coding| coding.trim().to_owned()));
        }
        codings.retain(|coding| !matches!(coding.as_str(), "" | "identity"));
        if codings.is_empty() {
            return Ok(Self::Plain(body));
        }
        if codings.len() > MOST {
            return Err(Unseen::Encoding);
        }
        let data = BodyStream::new(body)
            .try_filter_map(|frame| std::future::ready(Ok(frame.into_data().ok())))
            .map_err(std::io::Error::other);
        let mut reader: Pin<Box<dyn AsyncBufRead + Send>> = Box::pin(StreamReader::new(data));
        // They are named in the order in which they were put on.
        while let Some(coding) = codings.pop() {
            reader = Box::pin(BufReader::with_capacity(PIECE, off(&coding, reader)?));
        }
        headers.remove(CONTENT_ENCODING);
        Ok(Self::Decoded(Box::pin(reader)))
    }

    /// Whether [`Self::next`] loses nothing where it is not waited for to its end.
    pub(crate) const fn may_be_left(&self) -> bool {
        match self {
            Self::Plain(_) | Self::Decoded(_) | Self::Trailers(_) => true,
            // It asks the store about what it has taken.
            Self::Filtered(_) => false,
        }
    }

    /// The next piece.
    pub(crate) async fn next(&mut self) -> Option<Result<Frame<Bytes>, Broken>> {
        match self {
            Self::Plain(body) => Some(body.frame().await?.map_err(broke_off)),
            Self::Filtered(filtered) => filtered.next().await,
            Self::Trailers(trailers) => trailers.take().map(|trailers| Ok(Frame::trailers(trailers))),
            Self::Decoded(reader) => {
                let mut piece = BytesMut::with_capacity(PIECE);
                match reader.read_buf(&mut piece).await {
                    Ok(0) => None,
                    Ok(_) => Some(Ok(Frame::data(piece.freeze()))),
                    Err(error) => Some(Err(broke_off(error))),
                }
            }
        }
    }
}

fn off(
    coding: &str,
    reader: Pin<Box<dyn AsyncBufRead + Send>>,
) -> Result<Pin<Box<dyn AsyncRead + Send>>, Unseen> {
    Ok(match coding {
        "gzip" | "x-gzip" => {
            let mut gzip = GzipDecoder::new(reader);
            gzip.multiple_members(true);
            Box::pin(gzip)
        }
        "deflate" => Box::pin(ZlibDecoder::new(reader)),
        "br" => Box::pin(BrotliDecoder::new(reader)),
        "zstd" => {
            let mut zstd = ZstdDecoder::with_params(reader, &[DParameter::window_log_max(WINDOW)]);
            zstd.multiple_members(true);
            Box::pin(zstd)
        }
        _ => return Err(Unseen::Encoding),
    })
}
