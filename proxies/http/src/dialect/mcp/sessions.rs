//! Whose a session with a server is, and a place in a stream of events. All clients of a target are one to it, by its credential; so
//! whoever learned the name of somebody else's session could follow it or end it, and whoever knew how far their stream had come could
//! have it told again. What a client is told as either name is sealed for its principal, by a key of the gateway's own: nothing has
//! to be remembered, and another gateway with the same key takes it.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use portcullis_gateway::enforce::Gateway;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// How far a client has read a stream: the id of an event.
const PLACE: HeaderName = HeaderName::from_static("last-event-id");
/// The fields whose values are sealed.
pub(crate) const SEALED: [HeaderName; 2] = [SESSION, PLACE];
/// Between the server's name of either and the seal.
const BETWEEN: char = '~';
/// The longest name of either, in bytes.
const MOST_BYTES: usize = 512;

/// Sessions of one principal with one target.
pub(crate) struct Sessions<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) who: &'a str,
    pub(crate) target: &'a str,
}

/// The session or the place is not this principal's, or not one that the gateway has passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotTheirs;

impl Sessions<'_> {
    /// Puts the seal on, in an answer. What can't be sealed is not told.
    pub(crate) fn seal(&self, fields: &mut HeaderMap) {
        let name = only(fields, &SESSION).ok().flatten().map(|name| self.sealed(&SESSION, name));
        match name.and_then(|sealed| HeaderValue::try_from(sealed).ok()) {
            Some(sealed) => drop(fields.insert(SESSION, sealed)),
            None => drop(fields.remove(SESSION)),
        }
    }

    /// Puts the seal on the id of an event; `None` for what can't be sealed, and is not told. No id at all stays none.
    pub(super) fn seal_place(&self, id: &str) -> Option<String> {
        if id.is_empty() { Some(String::new()) } else { is_plain(id).then(|| self.sealed(&PLACE, id)) }
    }

    /// Takes the seals off, in a request: what is left are the server's own names.
    pub(crate) fn open(&self, fields: &mut HeaderMap) -> Result<(), NotTheirs> {
        for field in SEALED {
            let Some(sealed) = only(fields, &field)? else { continue };
            let (name, _) = sealed.rsplit_once(BETWEEN).ok_or(NotTheirs)?;
            // Of digests, so that how long it takes tells nothing of the seal.
            let digest = |sealed: &str| self.gateway.digest(&[sealed.as_bytes()]);
            if digest(sealed) != digest(&self.sealed(&field, name)) {
                return Err(NotTheirs);
            }
            let name = HeaderValue::from_str(name).map_err(|_| NotTheirs)?;
            fields.insert(field, name);
        }
        Ok(())
    }

    fn sealed(&self, field: &HeaderName, name: &str) -> String {
        let purpose: &[u8] = if *field == SESSION { b"mcp session" } else { b"mcp event" };
        let parts = [purpose, self.target.as_bytes(), self.who.as_bytes(), name.as_bytes()];
        let mut seal = self.gateway.digest(&parts).to_string();
        seal.truncate(32);
        format!("{name}{BETWEEN}{seal}")
    }
}

/// The session that a request names, once its seal is off; empty where there is none.
pub(super) fn named(fields: &HeaderMap) -> String {
    only(fields, &SESSION).ok().flatten().unwrap_or_default().to_owned()
}

/// The one name there is.
fn only<'f>(fields: &'f HeaderMap, field: &HeaderName) -> Result<Option<&'f str>, NotTheirs> {
    let mut names = fields.get_all(field).iter();
    let (Some(name), None) = (names.next(), names.next()) else {
        return if fields.contains_key(field) { Err(NotTheirs) } else { Ok(None) };
    };
    let name = name.to_str().map_err(|_| NotTheirs)?;
    if is_plain(name) { Ok(Some(name)) } else { Err(NotTheirs) }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.len() <= MOST_BYTES && name.bytes().all(|byte| byte.is_ascii_graphic())
}
