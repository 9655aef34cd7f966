//! What the judge tells the veil about a command, and what the veil makes of its replies.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use policy_normalize::sql::{Bound, Statement, repeated_parameters};
use portcullis_gateway::enforce::{Judged, Outcome, Receipt};
use smallvec::SmallVec;

use super::{Definition, Input};
use crate::command::meaning::Meaning;
use crate::command::room::Share;
use crate::mask::copy::CopyMasker;
use crate::mask::{Field, Format, ResultPlan};
use crate::relay::{Sink, Ticket};

/// A prepared statement as the session knows it.
#[derive(Debug)]
pub struct Prepared {
    /// Its text, which is understood anew when the world has changed.
    pub text: Arc<str>,
    /// What it meant when it was prepared.
    pub meaning: Arc<Meaning>,
    /// The decision that let it be prepared: what the target says of it before it runs is masked by this.
    pub judged: Arc<Judged>,
    /// The name that PREPARE gives it in that text; `None` where the text is the statement.
    pub named: Option<Box<str>>,
    /// By parameter: whether a value's text may change on its way into it.
    converted: Box<[bool]>,
    /// Its result's columns, once the target has described them. Formats are a portal's matter.
    described: OnceLock<(Arc<[Field]>, Share)>,
    /// The segment in which its client asked for a description last, and one more; 0 is never.
    pub asked_in: AtomicU64,
    /// The names of those columns as the client got them, once described in a session that is recorded.
    pub names: OnceLock<Box<[Box<str>]>>,
    /// What it takes of the session's room, together with what the same text prepares besides.
    _share: Arc<Share>,
}

/// What becomes of a value's text on its way into a parameter, as far as its type is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declared {
    /// The target finds a type.
    Nothing,
    /// A type that takes the text as it is.
    Kept,
    /// One that may change it.
    Converted,
}

impl Prepared {
    /// A statement that nothing is known of besides. `declared` is what its client says of its parameters, in order; there
    /// may be more of them.
    pub fn new(
        text: &Arc<str>,
        meaning: Arc<Meaning>,
        judged: Arc<Judged>,
        named: Option<Box<str>>,
        declared: impl IntoIterator<Item = Declared>,
        share: Arc<Share>,
    ) -> Arc<Self> {
        let mut declared: Vec<Declared> = declared.into_iter().collect();
        // The target takes the type from one place, and what is written there may cut short what stands at another.
        for number in repeated_parameters(text) {
            let index = usize::from(number.saturating_sub(1));
            if declared.len() <= index {
                declared.resize(index + 1, Declared::Nothing);
            }
            if let Some(declared) = declared.get_mut(index).filter(|declared| **declared == Declared::Nothing)
            {
                *declared = Declared::Converted;
            }
        }
        Arc::new(Self {
            text: Arc::clone(text),
            meaning,
            judged,
            named,
            converted: declared.into_iter().map(|declared| declared == Declared::Converted).collect(),
            described: OnceLock::new(),
            asked_in: AtomicU64::new(0),
            names: OnceLock::new(),
            _share: share,
        })
    }

    /// Its result's columns, once the target has described them.
    pub fn described(&self) -> Option<&Arc<[Field]>> {
        self.described.get().map(|(fields, _)| fields)
    }

    /// Notes how the target describes them. The first description stands: the target itself refuses to change a cached
    /// result type.
    pub fn describe(&self, fields: Vec<Field>, share: Share) {
        let _ = self.described.set((fields.into(), share));
    }

    /// A value for the parameter at `index` (from 0), as the statement will see it.
    pub fn takes<'a>(&self, index: usize, value: Bound<'a>) -> Bound<'a> {
        match value {
            Bound::Text(_) if self.converted.get(index).copied().unwrap_or(false) => Bound::Opaque,
            other => other,
        }
    }
}

/// A portal, or a cursor, as the session knows it.
#[derive(Debug)]
pub struct Portal {
    /// What it runs.
    pub meaning: Arc<Meaning>,
    /// What it was bound from; `None` for a cursor.
    pub prepared: Option<Arc<Prepared>>,
    /// The formats that its binding asked for.
    pub formats: SmallVec<[Format; 4]>,
    /// The decision that admitted it.
    pub judged: Arc<Judged>,
    /// Its command's receipt, from the Bind to the end of its execution.
    pub receipt: Option<Receipt>,
    /// What came of it in executions that stopped at a row limit.
    pub tally: Tally,
    /// What becomes of its columns, once known.
    pub results: Option<Arc<ResultPlan>>,
    /// The segment in which its client asked for a description last.
    pub asked_in: Option<u64>,
    /// The number of the command that bound it.
    pub command: u64,
    /// What it takes of the session's room, a cursor together with what the same text makes besides.
    pub share: Arc<Share>,
}

impl Portal {
    /// A cursor, which was bound from nothing and has returned nothing yet.
    pub fn new(meaning: Arc<Meaning>, judged: Arc<Judged>, share: Arc<Share>) -> Self {
        Self {
            meaning,
            prepared: None,
            formats: SmallVec::new(),
            judged,
            receipt: None,
            tally: Tally::default(),
            results: None,
            asked_in: None,
            command: 0,
            share,
        }
    }

    /// Whether its columns are known, or will be before anything that this segment runs returns rows.
    pub fn is_described(&self, segment: u64) -> bool {
        let prepared = self.prepared.as_ref();
        self.results.is_some()
            || self.asked_in == Some(segment)
            || prepared.is_some_and(|prepared| {
                prepared.described().is_some() || prepared.asked_in.load(Ordering::Relaxed) == segment + 1
            })
    }
}

/// What travels with a message in the queue of expected replies.
#[derive(Debug, Default)]
pub enum Plan {
    /// No command: Sync, and what the gateway sends itself.
    #[default]
    Nothing,
    /// A Parse.
    Parse(Arc<Judged>, Definition, Option<Receipt>),
    /// A Bind.
    Bind(Box<str>, Arc<Judged>, Definition, Option<Receipt>),
    /// A Describe.
    Describe(Described),
    /// A Close.
    Close(Definition),
    /// A Query.
    Query(Box<Run>),
    /// An Execute. By value, because it is sent most often.
    Execute(Execution),
}

impl Plan {
    /// What runs, where something does.
    pub fn run(&self) -> Option<&Run> {
        match self {
            Self::Query(run) => Some(run),
            Self::Execute(execution) => Some(&execution.run),
            _ => None,
        }
    }

    /// The same, to note what comes of it.
    pub fn run_mut(&mut self) -> Option<&mut Run> {
        match self {
            Self::Query(run) => Some(run),
            Self::Execute(execution) => Some(&mut execution.run),
            _ => None,
        }
    }
}

/// What is described.
#[derive(Debug)]
pub enum Described {
    /// A prepared statement.
    Statement(Arc<Prepared>),
    /// A portal.
    Portal(Box<str>),
}

/// An execution of a portal.
#[derive(Debug)]
pub struct Execution {
    /// The portal's name.
    pub portal: Box<str>,
    /// What it runs. Its receipt is its own where it was judged anew; otherwise the portal has one.
    pub run: Run,
    /// The receipt there is the portal's, and goes back to it if the execution stops at a row limit.
    pub is_portals: bool,
    /// The gateway asks for a description first.
    pub describes: bool,
}

/// Statements that run, and what has come of them.
#[derive(Debug)]
pub struct Run {
    /// What runs.
    pub meaning: Arc<Meaning>,
    /// The decision that admitted it.
    pub judged: Arc<Judged>,
    /// Its receipt, once it was sent.
    pub receipt: Option<Receipt>,
    /// The statement that is being answered.
    pub at: usize,
    /// What the statements change once they have run, by their number.
    pub changes: SmallVec<[(usize, Definition); 1]>,
    /// What becomes of the columns of the result that is coming.
    pub results: Option<Arc<ResultPlan>>,
    /// The COPY that is coming out.
    pub copy: Option<Box<CopyMasker>>,
    /// What came of it so far.
    pub tally: Tally,
    /// Records the data that it asks its client for.
    pub input: Option<Box<Input>>,
}

/// What came of a command.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Rows, as the target counts them.
    pub rows: Option<u64>,
    /// Rows that went by of which the target has told no number yet.
    pub seen: u64,
    /// Bytes of data that went to the client.
    pub bytes: u64,
    /// Messages in which something was masked.
    pub masked: u64,
}

impl Run {
    /// A run of which nothing has come yet.
    pub fn new(meaning: Arc<Meaning>, judged: Arc<Judged>) -> Self {
        Self {
            meaning,
            judged,
            receipt: None,
            at: 0,
            changes: SmallVec::new(),
            results: None,
            copy: None,
            tally: Tally::default(),
            input: None,
        }
    }

    /// The statement that is being answered.
    pub fn statement(&self) -> Option<&Statement> {
        self.meaning.statements.get(self.at)
    }

    /// Notes the end of a statement that went well.
    pub fn completed(&mut self, tag: &[u8]) {
        self.tally.count(tag);
        confirm(&mut self.changes, self.at, tag);
        self.at += 1;
        self.results = None;
        self.copy = None;
    }

    /// Tells its outcome, if that has not been told yet.
    pub fn tell(&mut self, error: Option<&str>) {
        if let Some(receipt) = self.receipt.take() {
            self.tally.tell(receipt, error);
        }
    }
}

impl Tally {
    /// Notes the number of rows that a statement ends with.
    pub fn count(&mut self, tag: &[u8]) {
        self.seen = 0;
        if let Some(rows) = rows(tag) {
            self.rows = Some(self.rows.unwrap_or(0).saturating_add(rows));
        }
    }

    /// Notes that an execution stopped at a row limit: the target tells no number.
    pub fn suspend(&mut self) {
        self.rows = Some(self.rows.unwrap_or(0).saturating_add(std::mem::take(&mut self.seen)));
    }

    /// Adds what came of an earlier execution of the same portal.
    pub fn add(&mut self, earlier: Self) {
        self.rows = match (self.rows, earlier.rows) {
            (Some(rows), Some(before)) => Some(rows.saturating_add(before)),
            (rows, before) => rows.or(before),
        };
        self.seen = self.seen.saturating_add(earlier.seen);
        self.bytes = self.bytes.saturating_add(earlier.bytes);
        self.masked = self.masked.saturating_add(earlier.masked);
    }

    /// Tells the outcome.
    pub fn tell(self, receipt: Receipt, error: Option<&str>) {
        receipt.outcome(Outcome { rows: self.rows, bytes: self.bytes, masked: self.masked, error });
    }
}

impl Ticket for Plan {
    fn sent(&mut self, receipt: Receipt) {
        match self {
            Self::Parse(_, _, slot) | Self::Bind(_, _, _, slot) => *slot = Some(receipt),
            // Nothing else is sent on a permit. Dropped, its outcome reads unknown.
            plan => match plan.run_mut() {
                Some(run) => run.receipt = Some(receipt),
                None => drop(receipt),
            },
        }
    }

    fn input(&mut self) -> Option<&mut dyn Sink> {
        let input = self.run_mut()?.input.as_mut()?;
        Some(&mut **input as &mut dyn Sink)
    }

    fn describes(&mut self) -> Option<Self> {
        match self {
            Self::Execute(Execution { portal, describes: true, .. }) => {
                Some(Self::Describe(Described::Portal(portal.clone())))
            }
            _ => None,
        }
    }
}

/// Confirms what the statement of this number changes.
pub(super) fn confirm(changes: &mut SmallVec<[(usize, Definition); 1]>, number: usize, tag: &[u8]) {
    while let Some(next) = changes.iter().position(|(of, _)| *of == number) {
        changes.remove(next).1.confirm(tag == b"ROLLBACK");
    }
}

/// The number of rows at the end of a command tag: `SELECT 5`, `INSERT 0 5`.
fn rows(tag: &[u8]) -> Option<u64> {
    let last = tag.rsplit(|byte| *byte == b' ').next()?;
    std::str::from_utf8(last).ok()?.parse().ok()
}
