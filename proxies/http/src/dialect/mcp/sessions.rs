//! Whose a session with a server is. All clients of a target are one to it, by its credential; so whoever learned the name of somebody
//! else's session could follow it or end it. What a client is told as the name of its session is sealed for its principal, by a
//! key of the gateway's own: nothing has to be remembered, and another gateway with the same key takes it.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use portcullis_gateway::enforce::Gateway;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// Between the server's name of a session and the seal.
const SEALED: char = '~';
/// The longest name of a session, in bytes.
const MOST_BYTES: usize = 512;

/// Sessions of one principal with one target.
pub(crate) struct Sessions<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) who: &'a str,
    pub(crate) target: &'a str,
}

/// The session is not this principal's, or not one that the gateway has passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotTheirs;

impl Sessions<'_> {
    /// Puts the seal on, in an answer. What can't be sealed is not told.
    pub(crate) fn seal(&self, fields: &mut HeaderMap) {
        let Some(name) = only(fields).ok().flatten().map(str::to_owned) else {
            fields.remove(SESSION);
            return;
        };
        match HeaderValue::try_from(format!("{name}{SEALED}{}", self.of(&name))) {
            Ok(sealed) => drop(fields.insert(SESSION, sealed)),
            Err(_) => drop(fields.remove(SESSION)),
        }
    }

    /// Takes the seal off, in a request: what is left is the server's own name.
    pub(crate) fn open(&self, fields: &mut HeaderMap) -> Result<(), NotTheirs> {
        let Some(sealed) = only(fields)? else { return Ok(()) };
        let (name, seal) = sealed.rsplit_once(SEALED).ok_or(NotTheirs)?;
        // Of digests, so that how long it takes tells nothing of the seal.
        let digest = |seal: &str| self.gateway.digest(&[seal.as_bytes()]);
        if digest(seal) != digest(&self.of(name)) {
            return Err(NotTheirs);
        }
        let name = HeaderValue::from_str(name).map_err(|_| NotTheirs)?;
        fields.insert(SESSION, name);
        Ok(())
    }

    fn of(&self, name: &str) -> String {
        let parts = [b"mcp session".as_slice(), self.target.as_bytes(), self.who.as_bytes(), name.as_bytes()];
        let mut seal = self.gateway.digest(&parts).to_string();
        seal.truncate(32);
        seal
    }
}

/// The session that a request names, once its seal is off; empty where there is none.
pub(super) fn named(fields: &HeaderMap) -> String {
    only(fields).ok().flatten().unwrap_or_default().to_owned()
}

/// The one name there is.
fn only(fields: &HeaderMap) -> Result<Option<&str>, NotTheirs> {
    let mut names = fields.get_all(SESSION).iter();
    let (Some(name), None) = (names.next(), names.next()) else {
        return if fields.contains_key(SESSION) { Err(NotTheirs) } else { Ok(None) };
    };
    let name = name.to_str().map_err(|_| NotTheirs)?;
    let is_plain =
        !name.is_empty() && name.len() <= MOST_BYTES && name.bytes().all(|byte| byte.is_ascii_graphic());
    if is_plain { Ok(Some(name)) } else { Err(NotTheirs) }
}
