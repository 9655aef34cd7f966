//! What one statement is, does, and shows.

use std::ops::Range;
use std::sync::Arc;

use policy_core::{Action, Lineage, Name, Resource, Sources};

use super::columns::{ColumnRef, ColumnSet};

/// One statement of a text, normalised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Where it stands in the text, in bytes, without its semicolon. Empty for what PREPARE, DECLARE and EXPLAIN hold.
    pub span: Range<usize>,
    /// What it is; what a relay must know to follow the session.
    pub kind: Kind,
    /// What it does. Never empty.
    pub actions: Vec<Action>,
    /// The columns it returns, in order.
    pub outputs: Outputs,
    /// Columns that decide which rows are returned or written, in which order or group: WHERE, ON, USING, HAVING,
    /// GROUP BY, ORDER BY, DISTINCT, LIMIT, FILTER, windows, CASE conditions and comparisons of sets.
    pub predicates: ColumnSet,
    /// Data that is written or defined somewhere.
    pub flows: Vec<Flow>,
    /// The highest `$n` used; 0 where there is none.
    pub parameters: u16,
    /// Session settings it changes when it runs, by SET or by `set_config`. Those of what PREPARE or EXPLAIN holds are not
    /// among them.
    pub settings: Vec<Setting>,
    /// What it does to definitions, which later statements depend on.
    pub defines: Option<Definition>,
    /// Why an action is `unknown` or undetermined, in words for a person. Holds no literals.
    pub notes: Vec<Box<str>>,
}

impl Statement {
    /// A whole text that is not in the grammar ([`Rejected::Syntax`](super::Rejected::Syntax)), for a caller that judges
    /// it nonetheless: it does something unknown, and may show, write and decide by anything.
    #[must_use]
    pub fn unparsed(text: &str, message: Box<str>) -> Self {
        let target = FlowTarget::Column(ColumnRef::Unknown);
        Self {
            span: 0..text.len(),
            kind: Kind::Unparsed { message },
            actions: vec![Action::unknown()],
            outputs: Outputs::unknown(),
            predicates: ColumnSet::unknown(),
            flows: vec![Flow { target, sources: ColumnSet::unknown() }],
            parameters: 0,
            settings: vec![Setting { name: None, value: SettingValue::Unknown, local: false }],
            defines: Some(Definition::Other),
            notes: Vec::new(),
        }
    }

    /// Whether some action depends on parameters that are not bound: judge it again with
    /// [`Parameters::Bound`](super::Parameters::Bound).
    pub fn is_pending(&self) -> bool {
        self.actions.iter().any(|action| {
            action.resource == Resource::Pending
                || action.attributes().iter().any(|attribute| attribute.value == policy_core::Value::Pending)
        })
    }

    /// This EXECUTE with what it executes filled in: `prepared` is the statement that PREPARE or Parse named,
    /// normalised with this EXECUTE's arguments bound where they are literals.
    ///
    /// For any other kind of statement nothing is changed.
    #[must_use]
    pub fn executing(mut self, prepared: &Self) -> Self {
        if let Kind::Execute { effects, .. } = &self.kind {
            self.actions.clone_from(effects);
            self.actions.extend(prepared.actions.iter().cloned());
            self.outputs = prepared.outputs.clone();
            self.predicates.merge(&prepared.predicates);
            self.flows.extend(prepared.flows.iter().cloned());
            self.settings.extend(prepared.settings.iter().cloned());
            self.defines.clone_from(&prepared.defines);
            self.notes.extend(prepared.notes.iter().cloned());
        }
        self
    }

    /// Where its data flows, as policies judge it: what is shown, what is written, what decides about rows.
    ///
    /// Columns go by today's names only. A caller that follows renames, or masks along inheritance, makes it itself.
    pub fn lineage(&self) -> Lineage {
        let written: ColumnSet = self.flows.iter().flat_map(|flow| &flow.sources).cloned().collect();
        Lineage {
            shown: Sources::from(&self.outputs.sources()),
            written: Sources::from(&written),
            predicates: Sources::from(&self.predicates),
        }
    }

    /// Whether it changes definitions, so that a catalogue snapshot is out of date once it ran.
    pub fn changes_definitions(&self) -> bool {
        self.defines.is_some()
    }
}

/// What a statement does to definitions, as far as later ones depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Definition {
    /// It makes a table.
    Table(NewTable),
    /// Columns come to a table that stays what it is otherwise.
    Columns {
        /// The table.
        relation: Name,
        /// What comes, in order.
        columns: Vec<NewColumn>,
    },
    /// It makes a schema with nothing in it, unless there is one of this name.
    Schema(Box<str>),
    /// Names and columns stand for the same as before: an index, a comment, a default.
    Neutral,
    /// It is not known what.
    Other,
}

/// A table whose columns a statement says in full. It holds nothing but what was written to it since: no parent,
/// child or partition shows its rows through it, and no column is computed from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTable {
    /// Schema and table. The schema is `pg_temp` where the table is temporary.
    pub name: Name,
    /// Its columns, in order.
    pub columns: Vec<Arc<str>>,
    /// Nothing is made where there is something of this name (IF NOT EXISTS).
    pub if_missing: bool,
    /// It goes with its transaction (ON COMMIT DROP).
    pub until_commit: bool,
}

/// A column that comes to a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewColumn {
    /// Its name.
    pub name: Arc<str>,
    /// Nothing comes where there is one of this name (IF NOT EXISTS).
    pub if_missing: bool,
}

/// What a statement is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An empty text.
    Noop,
    /// SELECT, VALUES or TABLE; data-modifying WITH included.
    Select,
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// MERGE.
    Merge,
    /// CALL of a procedure.
    Call,
    /// Transaction control.
    Transaction(Transaction),
    /// SET or RESET; what changes is in [`Statement::settings`].
    Set,
    /// SHOW.
    Show,
    /// PREPARE. Its actions include those of the statement prepared.
    Prepare {
        /// The prepared statement's name.
        name: Box<str>,
        /// What is prepared, with parameters pending.
        inner: Box<Statement>,
        /// By parameter, as far as types are declared: whether a value's text may change on its way into it
        /// (`character` loses blanks, `name` is cut short), so that it counts as [`Argument::Opaque`].
        converted: Vec<bool>,
    },
    /// EXECUTE. Its actions are `unknown` and what its arguments do: the caller, who knows what was prepared, uses
    /// [`Statement::executing`].
    Execute {
        /// The prepared statement's name.
        name: Box<str>,
        /// The arguments; `Opaque` where they are not literals.
        arguments: Vec<Argument>,
        /// What evaluating the arguments does.
        effects: Vec<Action>,
    },
    /// DEALLOCATE; `None` is ALL.
    Deallocate(Option<Box<str>>),
    /// DECLARE. Its actions include those of the query.
    Declare {
        /// The cursor's name.
        cursor: Box<str>,
        /// Whether it outlives its transaction.
        hold: bool,
        /// The query.
        inner: Box<Statement>,
    },
    /// FETCH or MOVE. What it returns is the cursor's: its own output is unknown.
    Fetch {
        /// The cursor's name.
        cursor: Box<str>,
        /// Whether it is MOVE, which returns no rows.
        moves: bool,
    },
    /// CLOSE; `None` is ALL.
    Close(Option<Box<str>>),
    /// COPY.
    Copy(Box<Copy>),
    /// EXPLAIN.
    Explain {
        /// Whether the statement runs.
        analyze: bool,
        /// What is explained.
        inner: Box<Statement>,
    },
    /// LISTEN.
    Listen(Box<str>),
    /// UNLISTEN; `None` is all channels.
    Unlisten(Option<Box<str>>),
    /// NOTIFY.
    Notify(Box<str>),
    /// DISCARD.
    Discard(Discard),
    /// LOCK, VACUUM, ANALYZE, REINDEX, CLUSTER, CHECKPOINT, TRUNCATE and REFRESH: no rows, no definitions.
    Maintenance,
    /// A definition or privilege changes: CREATE, ALTER, DROP, GRANT, SELECT INTO, …
    Definition,
    /// Not understood, or not understandable (DO).
    Unknown,
    /// A text that is not in the grammar: how many statements it holds is not known either.
    Unparsed {
        /// What the grammar says. May quote the text.
        message: Box<str>,
    },
}

/// Transaction control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transaction {
    /// BEGIN or START TRANSACTION.
    Begin,
    /// COMMIT or END.
    Commit {
        /// AND CHAIN: another one starts at once.
        chain: bool,
    },
    /// ROLLBACK or ABORT.
    Rollback {
        /// AND CHAIN: another one starts at once.
        chain: bool,
    },
    /// SAVEPOINT.
    Savepoint(Box<str>),
    /// RELEASE SAVEPOINT.
    Release(Box<str>),
    /// ROLLBACK TO SAVEPOINT.
    RollbackTo(Box<str>),
    /// PREPARE TRANSACTION.
    Prepare,
    /// COMMIT PREPARED.
    CommitPrepared,
    /// ROLLBACK PREPARED.
    RollbackPrepared,
}

/// What DISCARD forgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Discard {
    /// Everything: settings, cursors, prepared statements, temporary tables.
    All,
    /// Cached plans.
    Plans,
    /// Sequence state.
    Sequences,
    /// Temporary tables.
    Temporary,
}

/// An argument of EXECUTE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// NULL.
    Null,
    /// A literal, in text form.
    Text(Box<str>),
    /// Anything else.
    Opaque,
}

/// A change to a session setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name in lower case (`role`, `session_authorization`, `search_path`, …); `None` where it could not be
    /// determined, or all of them (RESET ALL).
    pub name: Option<Box<str>>,
    /// What it becomes.
    pub value: SettingValue,
    /// Whether the change ends with the transaction.
    pub local: bool,
}

impl Setting {
    /// The same change where it is not known whether, when or with which value it comes about.
    #[must_use]
    pub fn undetermined(self) -> Self {
        Self { value: SettingValue::Unknown, local: false, ..self }
    }
}

/// What a setting becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingValue {
    /// These values; more than one for list settings such as `search_path`.
    To(Vec<Box<str>>),
    /// Its default.
    Default,
    /// Not determined.
    Unknown,
}

/// A COPY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Which way data goes. What goes out is described by [`Statement::outputs`].
    pub direction: Direction,
    /// What is at the other end.
    pub via: Via,
    /// How rows are written.
    pub format: CopyFormat,
}

/// Which way COPY moves data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// COPY FROM: into a table.
    In,
    /// COPY TO: out of a table or query.
    Out,
}

/// The other end of a COPY.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// The client.
    Client,
    /// A file of the server.
    File,
    /// A program on the server.
    Program,
}

/// How COPY writes rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyFormat {
    /// The format.
    pub format: Format,
    /// Between two values. The default is a tab, or a comma for CSV.
    pub delimiter: Option<Box<str>>,
    /// What stands for NULL. The default is `\N`, or nothing for CSV.
    pub null: Option<Box<str>>,
    /// The quote of CSV. The default is `"`.
    pub quote: Option<Box<str>>,
    /// Escapes a quote in CSV. The default is the quote.
    pub escape: Option<Box<str>>,
    /// Whether the first line names the columns.
    pub header: bool,
    /// Options that this crate does not know, by name: what they do to the format is unknown.
    pub unfamiliar: Vec<Box<str>>,
}

/// The format of COPY.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Text.
    Text,
    /// Comma-separated values.
    Csv,
    /// PostgreSQL's binary format.
    Binary,
    /// A name that this crate does not know.
    Other,
}

/// The columns that a statement returns.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Outputs(pub Vec<Output>);

/// A returned column, or a run of columns whose number is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The name it is returned under, where it is known.
    pub name: Option<Arc<str>>,
    /// The columns whose values flow into it. Holds *at least* all of them; [`ColumnRef::Unknown`] stands for
    /// those that can't be determined.
    pub sources: ColumnSet,
    /// Whether the sources are exactly these. If not they are candidates.
    pub certain: bool,
    /// Whether this stands for any number of columns (`*` of a relation whose columns are not known).
    pub spread: bool,
}

impl Outputs {
    /// What may flow into the column at `index` of `count` columns as the server describes them. `None` where
    /// the number can't be right: the catalogue is out of date, and the column unresolved.
    pub fn at(&self, index: usize, count: usize) -> Option<ColumnSet> {
        if index >= count {
            return None;
        }
        let spreads = self.0.iter().filter(|output| output.spread).count();
        if spreads == 0 {
            return if self.0.len() == count { Some(self.0.get(index)?.sources.clone()) } else { None };
        }
        let before = self.0.iter().position(|output| output.spread)?;
        let after = self.0.iter().rev().position(|output| output.spread)?;
        if count < self.0.len() - spreads {
            return None;
        }
        if index < before {
            return Some(self.0.get(index)?.sources.clone());
        }
        let from_end = count - 1 - index;
        if from_end < after {
            return Some(self.0.get(self.0.len() - 1 - from_end)?.sources.clone());
        }
        let mut sources = ColumnSet::new();
        for output in self.0.get(before..self.0.len() - after)? {
            sources.merge(&output.sources);
        }
        Some(sources)
    }

    /// The columns that flow into any output.
    pub fn sources(&self) -> ColumnSet {
        let mut sources = ColumnSet::new();
        for output in &self.0 {
            sources.merge(&output.sources);
        }
        sources
    }

    /// Nothing is known about what is returned.
    pub fn unknown() -> Self {
        Self(vec![Output { name: None, sources: ColumnSet::unknown(), certain: false, spread: true }])
    }
}

/// Data that a statement writes or defines somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Where it goes.
    pub target: FlowTarget,
    /// Where it comes from: at least these columns.
    pub sources: ColumnSet,
}

/// Where data goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowTarget {
    /// Into a column; `Whole` where it is not known which.
    Column(ColumnRef),
    /// Into an object that the statement makes: a table, view, function, policy, index, …
    Object {
        /// What it is, as in the attribute `object`.
        object: &'static str,
        /// Its name.
        name: Resource,
    },
    /// Out of the database, other than to the client: COPY to a file or program.
    Outside,
}
