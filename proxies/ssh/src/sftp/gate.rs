//! The order of things: what a proxy between client and target drives.

use std::collections::{HashMap, VecDeque};

use bytes::{Bytes, BytesMut};
use policy_core::ActionSet;

use super::handles::{Access, Closed, Handles};
use super::operation;
use super::wire::reply::{self, Answer, Code};
use super::wire::request::{self, OfHandle, OfPath, Pair, Request};
use super::wire::{Malformed, extension, frame};

/// What the client's next packet comes to.
#[derive(Debug)]
pub enum Step {
    /// It goes to the target as it is: it continues what was admitted before, or is the gateway's own greeting.
    Pass(Bytes),
    /// It has to be judged. Until [`Gate::admit`] or [`Gate::refuse`] has been told, nothing behind it is looked at.
    Ask(Ask),
    /// It is refused whatever policies say, because the gate could not answer for what it does.
    Refused(Refused),
}

/// A request to be judged. It can't be forwarded but by [`Gate::admit`], which consumes it.
#[derive(Debug)]
#[must_use = "the gate waits until the request is admitted or refused"]
pub struct Ask {
    /// Counts the requests of this gate; [`Reply::Done`] says it again.
    pub number: u64,
    /// What it does.
    pub actions: ActionSet,
    /// The request for people: `sftp open /etc/passwd to read`.
    pub text: String,
    id: u32,
    packet: Bytes,
    pending: Pending,
}

impl Ask {
    /// What would be sent: the request as it was judged.
    #[must_use]
    pub fn packet(&self) -> &[u8] {
        &self.packet
    }
}

/// A request that was refused without a question.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why, in words that the client gets too.
    pub reason: String,
    /// The answer to the client.
    pub answer: Bytes,
}

/// What comes of the target's packets.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// For the client.
    Client(Bytes),
    /// For the target: the gateway's own question after its home directory, the same in every session.
    Target(Bytes),
    /// An asked and admitted request came to its end.
    Done {
        /// [`Ask::number`].
        number: u64,
        /// How; [`Code::OK`] for an answer with content.
        code: Code,
        /// Whether something is open by it now, of which [`Reply::Closed`] will tell.
        opens: bool,
    },
    /// What a handle stood for is closed.
    Closed(Closed),
}

/// Why the subsystem has to end: what client and target mean can no longer be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fatal {
    /// A packet of the client's without an end or an id.
    #[error("sftp client: {0}")]
    Client(Malformed),
    /// A packet of the target's that is no answer.
    #[error("sftp target: {0}")]
    Target(Malformed),
    /// A version that can't be spoken here.
    #[error("sftp version {0} is not spoken here, only 3")]
    Version(u32),
    /// A request under the id of another that is not answered yet.
    #[error("sftp client: request id {0} is in use")]
    Id(u32),
    /// An answer to nothing that was asked, or of a kind that doesn't answer it.
    #[error("sftp target: an answer to request id {0} that answers nothing")]
    Answer(u32),
    /// A handle that is in use for something else.
    #[error("sftp target: a handle that is in use")]
    Handle,
    /// No home directory was told, or none that is a path.
    #[error("sftp target: no home directory was told")]
    Home,
    /// More bytes than a window holds wait to be looked at.
    #[error("sftp: more than {} bytes wait", Gate::MAX_QUEUED)]
    Flood,
}

/// One SFTP session between a client and a target.
///
/// ```text
///  Greeting ──INIT──▶ Version ──VERSION──▶ Home ──NAME──▶ Open
///  (client)          (target)             (target)       requests and answers
/// ```
///
/// The client sees VERSION only once the target's home directory is known, so each of its requests finds it known.
#[derive(Debug)]
pub struct Gate {
    stage: Stage,
    client: BytesMut,
    target: BytesMut,
    replies: VecDeque<Reply>,
    outstanding: HashMap<u32, Pending>,
    opening: usize,
    handles: Handles,
    asking: Option<u32>,
    asked: u64,
}

#[derive(Debug)]
enum Stage {
    Greeting,
    Version,
    Home { extensions: Vec<extension::Extension> },
    Open { home: String, extensions: Vec<&'static str> },
}

/// A request that the target has not answered yet.
#[derive(Debug)]
struct Pending {
    number: Option<u64>,
    expects: Expects,
}

#[derive(Debug)]
enum Expects {
    Status,
    Names,
    Attributes,
    Extended,
    /// Bytes of what has this number.
    Data(u64),
    Handle {
        path: String,
        access: Access,
    },
    /// That what has this number is closed.
    Closed(u64),
}

impl Gate {
    /// The most files and directories open at once.
    pub const MAX_HANDLES: usize = 1024;
    /// The most requests without an answer; more wait, unread.
    pub const MAX_OUTSTANDING: usize = 1024;
    /// The most bytes of one direction that may wait to be looked at. A channel's window keeps them below that.
    pub const MAX_QUEUED: usize = 32 * 1024 * 1024;
    /// The id of the gateway's own question, which is answered before the client may ask anything.
    const OWN: u32 = 0;

    /// A session in which nothing has been said.
    #[must_use]
    pub fn new() -> Self {
        Self {
            stage: Stage::Greeting,
            client: BytesMut::new(),
            target: BytesMut::new(),
            replies: VecDeque::new(),
            outstanding: HashMap::new(),
            opening: 0,
            handles: Handles::default(),
            asking: None,
            asked: 0,
        }
    }

    /// Takes bytes of the client's, cut anywhere.
    ///
    /// # Errors
    /// [`Fatal::Flood`].
    pub fn client_sent(&mut self, bytes: &[u8]) -> Result<(), Fatal> {
        push(&mut self.client, bytes)
    }

    /// Takes bytes of the target's, cut anywhere.
    ///
    /// # Errors
    /// [`Fatal::Flood`].
    pub fn target_sent(&mut self, bytes: &[u8]) -> Result<(), Fatal> {
        push(&mut self.target, bytes)
    }

    /// Bytes of the client's that are not looked at yet. A proxy that reads on only while there are few of them lets
    /// the channel's window slow the client down.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.client.len()
    }

    /// What the client's next packet comes to. `None` while it isn't whole, a question is open, or too many requests
    /// are: ask again after more bytes of either side, or an answer.
    ///
    /// # Errors
    /// The session has to end.
    pub fn step(&mut self) -> Result<Option<Step>, Fatal> {
        let busy = self.asking.is_some() || self.outstanding.len() >= Self::MAX_OUTSTANDING;
        if busy || matches!(self.stage, Stage::Version | Stage::Home { .. }) {
            return Ok(None);
        }
        let Some(packet) = cut(&mut self.client).map_err(Fatal::Client)? else { return Ok(None) };
        if matches!(self.stage, Stage::Greeting) {
            let version = request::init(&packet).map_err(Fatal::Client)?;
            if version < request::VERSION {
                return Err(Fatal::Version(version));
            }
            self.stage = Stage::Version;
            return Ok(Some(Step::Pass(request::write_init().into())));
        }
        self.request(packet).map(Some)
    }

    /// Lets a request go: what is returned has to be sent to the target.
    #[must_use = "an admitted request has to be sent"]
    pub fn admit(&mut self, ask: Ask) -> Bytes {
        self.asking = None;
        self.expect(ask.id, ask.pending);
        ask.packet
    }

    /// Refuses a request: what is returned has to be sent to the client. At most 1 KiB of the message is.
    #[must_use = "a refused request has to be answered"]
    pub fn refuse(&mut self, ask: Ask, message: &str) -> Bytes {
        self.asking = None;
        reply::write_status(ask.id, Code::PERMISSION_DENIED, message).into()
    }

    /// What comes of the target's packets, one thing at a time; `None` when more bytes are needed.
    ///
    /// # Errors
    /// The session has to end.
    pub fn reply(&mut self) -> Result<Option<Reply>, Fatal> {
        while self.replies.is_empty() {
            let Some(packet) = cut(&mut self.target).map_err(Fatal::Target)? else { return Ok(None) };
            self.answer(packet)?;
        }
        Ok(self.replies.pop_front())
    }

    /// The target's home directory, once it is known.
    #[must_use]
    pub fn home(&self) -> Option<&str> {
        match &self.stage {
            Stage::Open { home, .. } => Some(home),
            _ => None,
        }
    }

    /// Whether a file or directory is open, or may be once the target has answered.
    #[must_use]
    pub fn has_open(&self) -> bool {
        self.handles.len() + self.opening > 0
    }

    /// Ends the session: what was still open.
    #[must_use]
    pub fn end(&mut self) -> Vec<Closed> {
        self.handles.drain()
    }

    fn request(&mut self, packet: Bytes) -> Result<Step, Fatal> {
        let Stage::Open { home, extensions } = &self.stage else { return Err(Fatal::Home) };
        let id = request::id(&packet).ok_or(Fatal::Client(Malformed::Short))?;
        if self.outstanding.contains_key(&id) {
            return Err(Fatal::Id(id));
        }
        let decoded = Request::decode(&packet).and_then(|(_, request)| {
            let is_missing = extension_of(&request).is_some_and(|name| !extensions.contains(&name));
            if is_missing { Err(Malformed::Extension) } else { Ok(operation::normalise(request, home)?) }
        });
        let request = match decoded {
            Ok(request) => request,
            Err(error @ (Malformed::Type(_) | Malformed::Extension)) => {
                return Ok(refused(id, Code::OP_UNSUPPORTED, error.to_string()));
            }
            Err(error @ Malformed::Path(_)) => {
                return Ok(refused(id, Code::PERMISSION_DENIED, error.to_string()));
            }
            Err(error) => return Ok(refused(id, Code::BAD_MESSAGE, error.to_string())),
        };
        // Which of its two paths is the link is known of OpenSSH's kin only, and that is what they have in common.
        let is_symlink = matches!(request, Request::Pair(Pair::Symlink, ..));
        if is_symlink && !extensions.contains(&extension::POSIX_RENAME) {
            let reason = "it is not known which way round this target reads the paths of a symbolic link";
            return Ok(refused(id, Code::OP_UNSUPPORTED, reason.to_owned()));
        }
        let path = match self.uses(&request) {
            Ok(path) => path,
            Err(reason) => return Ok(refused(id, Code::PERMISSION_DENIED, reason.to_owned())),
        };
        let expects = self.expected(&request);
        if matches!(expects, Expects::Handle { .. }) && self.handles.len() + self.opening >= Self::MAX_HANDLES
        {
            let reason = format!("more than {} files are open", Self::MAX_HANDLES);
            return Ok(refused(id, Code::FAILURE, reason));
        }
        let Some((actions, text)) = operation::operation(&request, path.as_deref()) else {
            match &request {
                Request::Write { handle, data, .. } => {
                    if let Some((number, _)) = self.handles.get(handle) {
                        self.handles.count_written(number, data.len());
                    }
                }
                Request::OfHandle(OfHandle::Close, handle) => self.handles.forget(handle),
                _ => {}
            }
            self.expect(id, Pending { number: None, expects });
            return Ok(Step::Pass(packet));
        };
        self.asked += 1;
        self.asking = Some(id);
        let pending = Pending { number: Some(self.asked), expects };
        let packet = request.encode(id).into();
        Ok(Step::Ask(Ask { number: self.asked, actions, text, id, packet, pending }))
    }

    /// The path behind the handle of a request that has one, if the handle may be used like that.
    fn uses(&self, request: &Request<'_>) -> Result<Option<String>, &'static str> {
        const CLOSED: &str = "this handle is not open";
        let open = |name: &[u8]| self.handles.get(name).map(|(_, open)| open).ok_or(CLOSED);
        let may = |is_allowed: bool, reason| if is_allowed { Ok(None) } else { Err(reason) };
        match request {
            Request::OfHandle(OfHandle::Readdir, name) => {
                may(open(name)?.access == Access::Directory, "this handle is no directory's")
            }
            Request::OfHandle(_, name) => open(name).map(|_| None),
            Request::Fsetstat(name, _) => open(name).map(|open| Some(open.path.clone())),
            Request::Read { handle, .. } => {
                may(open(handle)?.access.may_read(), "this handle was not opened for reading")
            }
            Request::Write { handle, .. } => {
                may(open(handle)?.access.may_write(), "this handle was not opened for writing")
            }
            Request::CopyData { from, to, .. } => may(
                open(from)?.access.may_read() && open(to)?.access.may_write(),
                "these handles were not opened for copying from one to the other",
            ),
            _ => Ok(None),
        }
    }

    fn expected(&self, request: &Request<'_>) -> Expects {
        let number = |name: &[u8]| self.handles.get(name).map(|(number, _)| number).unwrap_or_default();
        match request {
            Request::Open { path, flags, .. } => {
                Expects::Handle { path: path.to_string(), access: operation::access(*flags) }
            }
            Request::OfPath(what, path) => match what {
                OfPath::Opendir => Expects::Handle { path: path.to_string(), access: Access::Directory },
                OfPath::Lstat | OfPath::Stat => Expects::Attributes,
                OfPath::Remove | OfPath::Rmdir => Expects::Status,
                OfPath::Realpath | OfPath::Readlink | OfPath::Expand => Expects::Names,
                OfPath::Statvfs => Expects::Extended,
            },
            Request::OfHandle(what, name) => match what {
                OfHandle::Close => Expects::Closed(number(name)),
                OfHandle::Fstat => Expects::Attributes,
                OfHandle::Readdir => Expects::Names,
                OfHandle::Fsync => Expects::Status,
                OfHandle::Fstatvfs => Expects::Extended,
            },
            Request::Read { handle, .. } => Expects::Data(number(handle)),
            Request::Limits | Request::UsersGroups { .. } => Expects::Extended,
            Request::HomeDirectory(_) => Expects::Names,
            Request::Set(..)
            | Request::Pair(..)
            | Request::Fsetstat(..)
            | Request::Write { .. }
            | Request::CopyData { .. } => Expects::Status,
        }
    }

    fn expect(&mut self, id: u32, pending: Pending) {
        self.opening += usize::from(matches!(pending.expects, Expects::Handle { .. }));
        self.outstanding.insert(id, pending);
    }

    fn answer(&mut self, packet: Bytes) -> Result<(), Fatal> {
        match &mut self.stage {
            Stage::Greeting => return Err(Fatal::Answer(Self::OWN)),
            Stage::Version => {
                let (version, extensions) = reply::version(&packet).map_err(Fatal::Target)?;
                if version != request::VERSION {
                    return Err(Fatal::Version(version));
                }
                self.stage = Stage::Home { extensions };
                let question = Request::OfPath(OfPath::Realpath, ".".into()).encode(Self::OWN);
                self.replies.push_back(Reply::Target(question.into()));
                return Ok(());
            }
            Stage::Home { extensions } => {
                let (id, answer) = Answer::decode(&packet).map_err(Fatal::Target)?;
                let (Self::OWN, Answer::Names(names)) = (id, answer) else { return Err(Fatal::Home) };
                let home = reply::first_name(names).map_err(|_| Fatal::Home)?;
                let normal = super::path::normalise(home, "/").map_err(|_| Fatal::Home)?;
                if !home.starts_with('/') {
                    return Err(Fatal::Home);
                }
                self.replies.push_back(Reply::Client(reply::write_version(extensions).into()));
                let extensions = extensions.iter().map(|(name, _)| *name).collect();
                self.stage = Stage::Open { home: normal, extensions };
                return Ok(());
            }
            Stage::Open { .. } => {}
        }
        let (id, answer) = Answer::decode(&packet).map_err(Fatal::Target)?;
        let Pending { number, expects } = self.outstanding.remove(&id).ok_or(Fatal::Answer(id))?;
        self.opening -= usize::from(matches!(expects, Expects::Handle { .. }));
        let (mut opens, mut closed) = (false, None);
        let code = match (expects, answer) {
            (Expects::Closed(number), Answer::Status(code)) => {
                closed = self.handles.close(number);
                code
            }
            // Of a request that is to be answered with something, success alone would be no answer.
            (Expects::Status, Answer::Status(code)) => code,
            (_, Answer::Status(code)) if code != Code::OK => code,
            (Expects::Handle { path, access }, Answer::Handle(name)) => {
                if !self.handles.insert(name, path, number.unwrap_or_default(), access) {
                    return Err(Fatal::Handle);
                }
                opens = true;
                Code::OK
            }
            (Expects::Data(number), Answer::Data(data)) => {
                self.handles.count_read(number, data.len());
                Code::OK
            }
            (Expects::Names, Answer::Names(_))
            | (Expects::Attributes, Answer::Attributes(_))
            | (Expects::Extended, Answer::Extended(_)) => Code::OK,
            _ => return Err(Fatal::Answer(id)),
        };
        // Recorded before the client is told.
        self.replies.extend(number.map(|number| Reply::Done { number, code, opens }));
        self.replies.extend(closed.map(Reply::Closed));
        self.replies.push_back(Reply::Client(packet));
        Ok(())
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

fn push(buffer: &mut BytesMut, bytes: &[u8]) -> Result<(), Fatal> {
    if buffer.len().saturating_add(bytes.len()) > Gate::MAX_QUEUED {
        return Err(Fatal::Flood);
    }
    buffer.extend_from_slice(bytes);
    Ok(())
}

/// The packet at the front, once it is whole.
fn cut(buffer: &mut BytesMut) -> Result<Option<Bytes>, Malformed> {
    let total = frame::total(buffer)?;
    let whole = total.filter(|total| *total <= buffer.len());
    Ok(whole.map(|total| buffer.split_to(total).freeze()))
}

fn refused(id: u32, code: Code, reason: String) -> Step {
    let answer = reply::write_status(id, code, &reason).into();
    Step::Refused(Refused { reason, answer })
}

/// The extension that a request belongs to.
fn extension_of(request: &Request<'_>) -> Option<&'static str> {
    Some(match request {
        Request::OfPath(OfPath::Statvfs, _) => extension::STATVFS,
        Request::OfPath(OfPath::Expand, _) => extension::EXPAND_PATH,
        Request::OfHandle(OfHandle::Fsync, _) => extension::FSYNC,
        Request::OfHandle(OfHandle::Fstatvfs, _) => extension::FSTATVFS,
        Request::Set(request::Set::Lsetstat, ..) => extension::LSETSTAT,
        Request::Pair(Pair::PosixRename, ..) => extension::POSIX_RENAME,
        Request::Pair(Pair::Hardlink, ..) => extension::HARDLINK,
        Request::CopyData { .. } => extension::COPY_DATA,
        Request::Limits => extension::LIMITS,
        Request::HomeDirectory(_) => extension::HOME_DIRECTORY,
        Request::UsersGroups { .. } => extension::USERS_GROUPS,
        _ => return None,
    })
}
