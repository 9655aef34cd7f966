//! What a request asks for, as far as it can mean one thing only.

use hyper::body::Body;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode, Version};
use policy_normalize::http::{self, BodyType, BodyTypeError, Target};

use crate::fields::only_chunked;

/// A request whose parts agree with each other.
pub(crate) struct Asked {
    /// The authority asked for, in lower case, with its port where it has one.
    pub(crate) authority: String,
    /// The target as it was sent: what is routed by.
    pub(crate) sent: String,
    /// The target as it is judged, and sent on.
    pub(crate) target: Target,
    /// What the body is: that of none until it is read.
    pub(crate) body_type: BodyType,
    /// The body's length in bytes, where it is announced.
    pub(crate) size: Option<u64>,
}

/// Why a request is answered without asking a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unfit {
    pub(crate) status: StatusCode,
    pub(crate) why: &'static str,
}

pub(crate) const fn unfit(status: StatusCode, why: &'static str) -> Unfit {
    Unfit { status, why }
}

impl Asked {
    /// Reads a request; `is_encrypted` says how it came.
    pub(crate) fn read(request: &Request<impl Body>, is_encrypted: bool) -> Result<Self, Unfit> {
        let bad = |why| unfit(StatusCode::BAD_REQUEST, why);
        // What they open or return is no message that could be judged.
        if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
            return Err(unfit(StatusCode::METHOD_NOT_ALLOWED, "this method is not offered"));
        }
        let fields = request.headers();
        // The field that names a transfer coding is not sent on. A `content-length` beside it is gone by now, and the connection ends
        // behind the answer (RFC 9112, section 6.1).
        if !only_chunked(fields) {
            return Err(unfit(
                StatusCode::NOT_IMPLEMENTED,
                "`transfer-encoding` is `chunked` here, and nothing else",
            ));
        }
        if request.uri().scheme_str().is_some_and(|scheme| !matches!(scheme, "http" | "https")) {
            return Err(bad("the request's target is of another scheme"));
        }
        if !is_encrypted && request.uri().scheme_str() == Some("https") {
            let why = "`https` is asked for over a connection in the clear";
            return Err(unfit(StatusCode::MISDIRECTED_REQUEST, why));
        }
        let authority = authority(request)?;
        let path = request.uri().path_and_query().map_or("", |path| path.as_str());
        let target = Target::parse(path).map_err(|_| bad("the request's target can't be read"))?;
        let size = request.body().size_hint().exact();
        Ok(Self { authority, sent: path.to_owned(), target, body_type: BodyType::NONE, size })
    }

    /// Reads what the body is, from the fields that go on: of what the target does not hear nothing is believed.
    pub(crate) fn read_type(&mut self, fields: &HeaderMap) -> Result<(), Unfit> {
        if self.size != Some(0) {
            let values = |name| fields.get_all(name).iter().map(HeaderValue::as_bytes);
            self.body_type = BodyType::read(values(CONTENT_TYPE), values(CONTENT_ENCODING))
                .map_err(|BodyTypeError(why)| unfit(StatusCode::BAD_REQUEST, why))?;
        }
        Ok(())
    }

    /// What the body is read as.
    pub(crate) fn read_as(&self) -> &str {
        self.body_type.read_as()
    }

    /// Takes the beginning of its path off, which was the gateway's.
    pub(crate) fn below(&mut self, prefix: &str) -> Result<(), Unfit> {
        if let Some(rest) = self.sent.strip_prefix(prefix).filter(|_| !prefix.is_empty()) {
            let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
            let bad = |_| unfit(StatusCode::BAD_REQUEST, "the request's target can't be read");
            self.target = Target::parse(&rest).map_err(bad)?;
        }
        Ok(())
    }

    /// The host asked for, without its port.
    pub(crate) fn host(&self) -> &str {
        match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => &self.authority,
        }
    }

    /// What the target is called whose host was asked for: with the port only where that is the one which the request came to. Targets
    /// make links of it; any other would be of the client's choice, and connections are kept by this name.
    pub(crate) fn called(&self, came_to: u16) -> String {
        let host = self.host();
        let named = self.authority.strip_prefix(host).and_then(|rest| rest.strip_prefix(':'));
        let is_own = named.is_some_and(|port| port == came_to.to_string());
        if is_own { self.authority.clone() } else { host.to_owned() }
    }
}

/// The one authority that a request names, wherever it names one.
fn authority<B>(request: &Request<B>) -> Result<String, Unfit> {
    let bad = |why| unfit(StatusCode::BAD_REQUEST, why);
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => {
            Some(host.to_str().map_err(|_| bad("`host` is not text"))?.to_ascii_lowercase())
        }
        (None, _) => None,
        (Some(_), Some(_)) => return Err(bad("there is more than one `host`")),
    };
    let named = request.uri().authority().map(|authority| authority.as_str().to_ascii_lowercase());
    let authority = match (host, named) {
        (Some(host), Some(named)) if host != named => {
            return Err(bad("`host` and the request's target name different hosts"));
        }
        (Some(host), _) => host,
        (None, Some(named)) if request.version() == Version::HTTP_2 => named,
        (None, _) => return Err(bad("there is no `host`")),
    };
    let is_odd = |byte: u8| !byte.is_ascii_alphanumeric() && !b"-._:[]".contains(&byte);
    // Behind the last colon is a port, but for an address in brackets.
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    let has_port = port.bytes().all(|byte| byte.is_ascii_digit()) || authority.ends_with(']');
    if authority.is_empty() || !has_port || authority.bytes().any(is_odd) {
        return Err(bad("`host` is no name of a host"));
    }
    Ok(authority)
}

/// A media type in lower case and without parameters; empty where there is none, or it is no text.
pub(crate) fn media_type(field: Option<&HeaderValue>) -> String {
    http::media_type(field.and_then(|field| field.to_str().ok()).unwrap_or_default())
}
