//! What a client asks for before it starts something: a terminal, variables, the agent, X11.

use russh::{ChannelMsg, Pty};

use super::End;
use super::line::Line;
use crate::ahead::{Sent, Size};
use crate::command::Start;

/// The most variables of one channel, and the longest name and value, in bytes.
const VARIABLES: usize = 128;
const VARIABLE_BYTES: usize = 32 << 10;
/// The longest name of a terminal's type.
const TERM_BYTES: usize = 64;

/// A terminal.
#[derive(Clone, Debug)]
pub(super) struct Terminal {
    pub(super) term: String,
    pub(super) size: Size,
    pub(super) modes: Vec<(Pty, u32)>,
}

/// X11 forwarding (RFC 4254, section 6.3.1). The cookie is the client's and goes to the target as it is.
#[derive(Clone, Debug)]
pub(super) struct X11 {
    pub(super) single_connection: bool,
    pub(super) protocol: String,
    pub(super) cookie: String,
    pub(super) screen: u32,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Wishes {
    pub(super) pty: Option<Terminal>,
    pub(super) variables: Vec<(String, String)>,
    pub(super) agent: bool,
    pub(super) x11: Option<X11>,
    /// Why, where a rule asks for it.
    pub(super) justification: Option<String>,
}

/// The variable by which a client says why. It is the gateway's: the target does not get it.
const JUSTIFICATION: &str = "PORTCULLIS_JUSTIFICATION";

impl Wishes {
    /// The variables as an approval binds them.
    pub(super) fn settings(&self) -> Vec<(Box<str>, Box<str>)> {
        self.variables.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect()
    }
}

/// What came of it.
pub(super) enum Gathered {
    Start(Wishes, Start),
    /// More than is taken, in words.
    TooMuch(String),
}

impl Gathered {
    fn too_much_input() -> Self {
        Self::TooMuch("more input came before a command than is kept".to_owned())
    }
}

/// Reads requests until one starts something.
pub(super) async fn gather(line: &mut Line) -> Result<Gathered, End> {
    let mut wishes = Wishes::default();
    loop {
        let message = line.read.wait().await.ok_or(End::Gone)?;
        match message {
            ChannelMsg::Close => return Err(End::Gone),
            ChannelMsg::Exec { command, .. } => return Ok(Gathered::Start(wishes, Start::Exec(command))),
            ChannelMsg::RequestShell { .. } => return Ok(Gathered::Start(wishes, Start::Shell)),
            ChannelMsg::RequestSubsystem { name, .. } => {
                return Ok(Gathered::Start(wishes, Start::Subsystem(name)));
            }
            ChannelMsg::RequestPty {
                term,
                col_width,
                row_height,
                pix_width,
                pix_height,
                terminal_modes,
                ..
            } => {
                if !is_terminal_type(&term) {
                    return Ok(Gathered::TooMuch("the terminal's type is no name of one".to_owned()));
                }
                let size =
                    Size { columns: col_width, rows: row_height, width: pix_width, height: pix_height };
                wishes.pty = Some(Terminal { term, size, modes: terminal_modes });
            }
            ChannelMsg::WindowChange { col_width, row_height, pix_width, pix_height } => {
                if let Some(pty) = &mut wishes.pty {
                    pty.size =
                        Size { columns: col_width, rows: row_height, width: pix_width, height: pix_height };
                }
            }
            ChannelMsg::SetEnv { variable_name, variable_value, .. } => {
                let bytes = variable_name.len() + variable_value.len();
                if wishes.variables.len() >= VARIABLES || bytes > VARIABLE_BYTES {
                    return Ok(Gathered::TooMuch("more variables are set than are taken".to_owned()));
                }
                if variable_name == JUSTIFICATION {
                    wishes.justification = Some(variable_value);
                    continue;
                }
                wishes.variables.retain(|(name, _)| *name != variable_name);
                wishes.variables.push((variable_name, variable_value));
            }
            ChannelMsg::AgentForward { .. } => wishes.agent = true,
            ChannelMsg::RequestX11 {
                single_connection,
                x11_authentication_protocol,
                x11_authentication_cookie,
                x11_screen_number,
                ..
            } => {
                wishes.x11 = Some(X11 {
                    single_connection,
                    protocol: x11_authentication_protocol,
                    cookie: x11_authentication_cookie,
                    screen: x11_screen_number,
                });
            }
            other => {
                let input = Sent::of(Some(other)).filter(|sent| matches!(sent, Sent::Data(_) | Sent::Eof));
                if input.is_some_and(|input| !line.keep(input)) {
                    return Ok(Gathered::too_much_input());
                }
            }
        }
    }
}

/// Names that terminfo has, and nothing that a shell or a file system would read otherwise.
fn is_terminal_type(term: &str) -> bool {
    term.len() <= TERM_BYTES
        && term.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte))
}
