//! The other end of the control API, typed.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use zeroize::Zeroizing;

use super::views::{
    ApprovalView, End, Problem, Reloaded, Revoke, Revoked, SessionView, Status, Told, VoteRequest, Voted,
};
use crate::credential::Secret;

/// The longest answer, in bytes.
const ANSWER_BYTES: usize = 64 << 20;

/// Talks to a running gateway. Each call is a connection of its own.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
    credentials: Option<Credentials>,
}

/// A local user's name and password.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

impl Client {
    /// For the gateway that listens on this socket ([`Config::control`](crate::config::Config::control)).
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into(), credentials: None }
    }

    /// Speaks as a local user from now on, besides as the operating system's.
    #[must_use]
    pub fn as_user(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// The gateway at a glance.
    ///
    /// # Errors
    /// As all calls: where no gateway listens, or it says no.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.call(Method::GET, "/v1/status", None::<&()>).await
    }

    /// The live sessions of all instances that share the store.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn sessions(&self) -> Result<Vec<SessionView>, ClientError> {
        self.call(Method::GET, "/v1/sessions", None::<&()>).await
    }

    /// Ends sessions. When this returns, no byte of them is forwarded a second later.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn revoke(&self, revoke: &Revoke) -> Result<Revoked, ClientError> {
        self.call(Method::POST, "/v1/revoke", Some(revoke)).await
    }

    /// Has the gateway take up its configuration and policy files again.
    ///
    /// # Errors
    /// As [`Client::status`]; also where any of it can't be used: nothing has changed then.
    pub async fn reload(&self) -> Result<Reloaded, ClientError> {
        self.call(Method::POST, "/v1/reload", None::<&()>).await
    }

    /// Approvals that wait, or all of the last thousand; newest first.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn approvals(&self, all: bool) -> Result<Vec<ApprovalView>, ClientError> {
        self.call(Method::GET, if all { "/v1/approvals?all" } else { "/v1/approvals" }, None::<&()>).await
    }

    /// One approval.
    ///
    /// # Errors
    /// As [`Client::status`].
    pub async fn approval(&self, number: u64) -> Result<ApprovalView, ClientError> {
        self.call(Method::GET, &format!("/v1/approvals/{number}"), None::<&()>).await
    }

    /// Votes on an approval as it was seen.
    ///
    /// # Errors
    /// As [`Client::status`]; also where the voter is no reviewer of it, it is over, or it has changed since.
    pub async fn vote(&self, seen: &ApprovalView, approve: bool, reason: &str) -> Result<Voted, ClientError> {
        let vote = VoteRequest { approve, reason: reason.to_owned(), fingerprint: seen.fingerprint.clone() };
        self.call(Method::POST, &format!("/v1/approvals/{}/vote", seen.number), Some(&vote)).await
    }

    /// Watches a live session of this instance. The first that is told is whose it is; nothing is shown of before.
    ///
    /// # Errors
    /// As [`Client::status`]; also where there is no such session here, or it is not the asker's to watch.
    pub async fn watch(&self, session: &str) -> Result<Watching, ClientError> {
        let stream = connect(&self.socket).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| protocol(&error))?;
        // Ends with the response that it carries.
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        });
        let request = self.request(Method::GET, &format!("/v1/sessions/{session}/watch"), None::<&()>)?;
        let response = sender.send_request(request).await.map_err(|error| protocol(&error))?;
        if response.status() != StatusCode::OK {
            return Err(refused(response).await?);
        }
        Ok(Watching { body: response.into_body(), buffer: BytesMut::new(), connection })
    }

    /// Ends a session that could be watched, in the name of whoever asks.
    ///
    /// # Errors
    /// As [`Client::watch`].
    pub async fn end(&self, session: &str, reason: &str) -> Result<Revoked, ClientError> {
        let end = End { reason: reason.to_owned() };
        self.call(Method::POST, &format!("/v1/sessions/{session}/end"), Some(&end)).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let body =
            body.map(serde_json::to_vec).transpose().map_err(|error| protocol(&error))?.unwrap_or_default();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "portcullis")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| protocol(&error))?;
        if let Some(credentials) = &self.credentials {
            request.headers_mut().insert(AUTHORIZATION, basic(credentials).ok_or(ClientError::Name)?);
        }
        Ok(request)
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, ClientError> {
        let stream = connect(&self.socket).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| protocol(&error))?;
        let request = self.request(method, path, body)?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(|error| protocol(&error))?;
            if response.status() != StatusCode::OK {
                return Err(refused(response).await?);
            }
            let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
            let body = body.map_err(|error| protocol(&error))?.to_bytes();
            serde_json::from_slice(&body).map_err(|error| protocol(&error))
        };
        tokio::pin!(connection, exchange);
        tokio::select! {
            // The answer may be on its way when the connection ends.
            biased;
            answer = &mut exchange => answer,
            ended = &mut connection => match ended {
                Ok(()) => exchange.await,
                Err(error) => Err(protocol(&error)),
            },
        }
    }
}

fn protocol(error: &dyn fmt::Display) -> ClientError {
    ClientError::Protocol(error.to_string())
}

/// What a response that is no answer says.
async fn refused(response: Response<Incoming>) -> Result<ClientError, ClientError> {
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
    let body = body.map_err(|error| protocol(&error))?.to_bytes();
    let problem = serde_json::from_slice::<Problem>(&body);
    let message = problem.map_or_else(|_| status.to_string(), |problem| problem.error);
    Ok(ClientError::Refused { status: status.as_u16(), message })
}

/// A watch. Dropped, it ends.
#[derive(Debug)]
pub struct Watching {
    body: Incoming,
    buffer: BytesMut,
    connection: tokio::task::JoinHandle<()>,
}

impl Watching {
    /// What happens next; `None` once nothing more comes. Safe to drop and call again, as `select!` does.
    ///
    /// # Errors
    /// Where the gateway went away, or is not understood.
    pub async fn next(&mut self) -> Result<Option<Told<'static>>, ClientError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                return serde_json::from_slice(&line).map(Some).map_err(|error| protocol(&error));
            }
            if self.buffer.len() > ANSWER_BYTES {
                return Err(protocol(&"an event is longer than any can be"));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(frame) => {
                    let frame = frame.map_err(|error| protocol(&error))?;
                    if let Some(data) = frame.data_ref() {
                        self.buffer.extend_from_slice(data);
                    }
                }
            }
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

async fn connect(socket: &Path) -> Result<UnixStream, ClientError> {
    UnixStream::connect(socket).await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            ClientError::NotRunning(socket.to_owned())
        }
        io::ErrorKind::PermissionDenied => ClientError::NotYours(socket.to_owned()),
        _ => ClientError::Socket(socket.to_owned(), error),
    })
}

fn basic(credentials: &Credentials) -> Option<HeaderValue> {
    // A colon would move the border between name and password.
    if credentials.user.contains(':') {
        return None;
    }
    let plain = Zeroizing::new([credentials.user.as_bytes(), b":", credentials.password.expose()].concat());
    let encoded = Zeroizing::new(format!("Basic {}", *Zeroizing::new(BASE64.encode(&*plain))));
    let mut value = HeaderValue::from_str(&encoded).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No gateway listens.
    #[error("no gateway listens on `{}`: start it with `portcullis serve`", _0.display())]
    NotRunning(PathBuf),
    /// The socket belongs to somebody else.
    #[error("`{}` is not yours to use: run this as the gateway's own user, or as root", _0.display())]
    NotYours(PathBuf),
    /// The socket can't be connected to.
    #[error("`{}`: {_1}", _0.display())]
    Socket(PathBuf, #[source] io::Error),
    /// The gateway said no.
    #[error("{message}")]
    Refused {
        /// The HTTP status: 401 proof needed, 403 not allowed, 404 not there, 409 changed meanwhile, 422 wrong configuration,
        /// 429 too many wrong passwords, 503 the gateway can't.
        status: u16,
        /// Why.
        message: String,
    },
    /// The gateway is not understood: it may be of another version.
    #[error("the gateway's answer is not understood: {0}")]
    Protocol(String),
    /// The name can't be sent.
    #[error("a user's name has no colon in it")]
    Name,
}
