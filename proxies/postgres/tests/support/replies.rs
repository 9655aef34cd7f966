//! The replies to one command, masked message by message, as a relay's veil does it.
//!
//! One [`Replies`] goes with each command that is forwarded. It knows the statements in it, the masks that its decision
//! asks for, and what the target has said about the columns so far.

use std::sync::{Arc, OnceLock};

use policy_core::{Obligations, Policy};
use policy_normalize::sql::{Kind as StatementKind, Statement};

use portcullis_postgres::catalogue::{Known, Overlay};
use portcullis_postgres::mask::copy::{self, CopyMasker};
use portcullis_postgres::mask::{
    Demands, Exposure, Field, Format, MAX_MASKED_ROW, MaskError, Masker, Resolver, ResultPlan, Rewritten,
    parse_row_description,
};
use portcullis_postgres::relay::Passage;
use portcullis_postgres::wire::backend::Backend;

/// What the target said about a prepared statement's or portal's columns, shared by all commands that use it.
/// Empty until a Describe was answered.
pub type Described = Arc<OnceLock<Box<[Field]>>>;

/// A statement that was permitted, and what it showed then.
#[derive(Clone, Debug)]
pub struct Permitted {
    /// The text that the statement stands in.
    pub text: Arc<str>,
    /// The statement. For a FETCH or EXECUTE: the query of the cursor or prepared statement, where that is known.
    pub statement: Arc<Statement>,
    /// What its decision obliges to.
    pub obligations: Arc<Obligations>,
}

/// What the session looked like when the command was judged.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// The target's definitions.
    pub known: Known,
    /// What the open transaction had changed of them.
    pub overlay: Arc<Overlay>,
    /// The policy that decided.
    pub policy: Arc<Policy>,
}

/// The replies to one command.
#[derive(Debug)]
pub struct Replies {
    circumstances: Circumstances,
    statements: Vec<Permitted>,
    /// The statement that is being answered.
    at: usize,
    /// Its columns, where a Describe is asked about them or has been.
    described: Option<Described>,
    /// The formats that a portal's binding asks for; `None` where the description says them.
    formats: Option<Box<[Format]>>,
    plan: Option<ResultPlan>,
    copy: Option<CopyMasker>,
    /// Whether the session's masker looks for values.
    pub detects: bool,
}

impl Replies {
    /// Those to a Query, which may hold several statements.
    pub fn query(circumstances: Circumstances, statements: Vec<Permitted>) -> Self {
        let (described, formats, plan, copy) = Default::default();
        Self { circumstances, statements, at: 0, described, formats, plan, copy, detects: false }
    }

    /// Those to a Parse, Bind, Describe or Close of one statement. A description is kept in `described`.
    pub fn describe(circumstances: Circumstances, statement: Permitted, described: Described) -> Self {
        Self { described: Some(described), ..Self::query(circumstances, vec![statement]) }
    }

    /// Those to an Execute. Where nobody has asked for a description, a column's type is not known: what is masked,
    /// or found, is then NULL.
    pub fn execute(
        circumstances: Circumstances,
        statement: Permitted,
        described: Described,
        formats: impl Into<Box<[Format]>>,
    ) -> Self {
        let formats = Some(formats.into());
        Self { formats, ..Self::describe(circumstances, statement, described) }
    }

    /// Whether a message must be read. Rows and COPY data that nothing is masked in pass as they lie.
    pub fn passage(&mut self, kind: Backend) -> Passage {
        let rewrite = Passage::Rewrite(MAX_MASKED_ROW);
        match kind {
            Backend::DataRow => match &self.plan {
                Some(plan) if plan.passes_all() => Passage::Pass,
                None if self.shows_all() => Passage::Pass,
                _ => rewrite,
            },
            Backend::CopyData => match &self.copy {
                Some(copy) if copy.passes_all() => Passage::Pass,
                _ => rewrite,
            },
            Backend::CommandComplete | Backend::EmptyQueryResponse => {
                self.at += 1;
                self.plan = None;
                self.copy = None;
                Passage::Pass
            }
            Backend::RowDescription
            | Backend::CopyOutResponse
            | Backend::CopyDone
            | Backend::ErrorResponse
            | Backend::NoticeResponse
            | Backend::NotificationResponse
            | Backend::ParameterStatus => rewrite,
            Backend::ParseComplete
            | Backend::BindComplete
            | Backend::CloseComplete
            | Backend::ParameterDescription
            | Backend::NoData
            | Backend::PortalSuspended
            | Backend::CopyInResponse
            | Backend::ReadyForQuery => Passage::Pass,
        }
    }

    /// Appends what the client gets instead of this message.
    ///
    /// # Errors
    /// Where it can't be masked: the session ends.
    pub fn rewrite(
        &mut self,
        masker: &mut Masker,
        kind: Backend,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), MaskError> {
        let rewritten = match kind {
            Backend::RowDescription => {
                self.learn(body)?;
                masker.row_description(body, out)?
            }
            Backend::DataRow => {
                let plan = match self.plan.take() {
                    Some(plan) => plan,
                    None => self.late_plan(body)?,
                };
                let rewritten = masker.data_row(&plan, body, out);
                self.plan = Some(plan);
                rewritten?
            }
            Backend::CopyOutResponse => {
                self.open_copy(body)?;
                Rewritten::Unchanged
            }
            Backend::CopyData => match &mut self.copy {
                Some(copy) => copy.data(masker, body, out)?,
                None => return Err(MaskError::Copy("it was not opened")),
            },
            Backend::CopyDone => {
                self.copy.take().map_or(Ok(()), |copy| copy.done())?;
                Rewritten::Unchanged
            }
            _ => return unasked(masker, self.exposure(), kind, body, out),
        };
        keep_unchanged(rewritten, kind, body, out);
        Ok(())
    }

    /// Whether what the target says now may hold masked values.
    pub fn exposure(&self) -> Exposure {
        match self.current() {
            Some(permitted) => self.resolver(permitted, false).exposure(&permitted.statement),
            None => Exposure::Guarded,
        }
    }

    fn current(&self) -> Option<&Permitted> {
        self.statements.get(self.at)
    }

    fn resolver<'a>(&'a self, permitted: &'a Permitted, detects: bool) -> Resolver<'a> {
        let Circumstances { known, overlay, policy, .. } = &self.circumstances;
        Resolver {
            directory: known.directory(overlay),
            demands: Demands { policy, obligations: &permitted.obligations },
            detects,
        }
    }

    /// Keeps a description, and makes the plan of the rows that follow it.
    fn learn(&mut self, body: &[u8]) -> Result<(), MaskError> {
        let fields = parse_row_description(body)?;
        self.plan = Some(self.plan_of(&fields));
        if let Some(described) = &self.described {
            // A second description of the same statement is the same: the target refuses to run one that differs.
            let _ = described.set(fields.into());
        }
        Ok(())
    }

    fn plan_of(&self, fields: &[Field]) -> ResultPlan {
        let detects = self.detects;
        match self.current() {
            Some(permitted) => self.resolver(permitted, detects).result(&permitted.statement.outputs, fields),
            // Rows that no statement is known for.
            None => ResultPlan::compile(fields, &[], detects, &*self.circumstances.known.snapshot),
        }
    }

    /// The plan of rows that no description came before.
    fn late_plan(&self, row: &[u8]) -> Result<ResultPlan, MaskError> {
        let [high, low, ..] = row else { return Err(MaskError::Short("DataRow")) };
        let columns = usize::from(u16::from_be_bytes([*high, *low]));
        let formats = self.formats.as_deref().unwrap_or_default();
        let permitted = self.current().expect("a statement that shows rows");
        let plan = match self.described.as_ref().and_then(|described| described.get()) {
            Some(fields) => self.plan_of(fields).with_formats(formats),
            None => {
                let resolver = self.resolver(permitted, self.detects);
                Some(resolver.undescribed(&permitted.statement.outputs, formats))
            }
        };
        plan.ok_or(MaskError::Columns { expected: formats.len(), got: columns })
    }

    /// Whether nothing is masked in whatever columns come: then their number does not matter.
    fn shows_all(&self) -> bool {
        let Some(permitted) = self.current() else { return false };
        let Circumstances { policy, .. } = &self.circumstances;
        !self.detects && !policy.masks_columns(&permitted.obligations)
    }

    fn open_copy(&mut self, body: &[u8]) -> Result<(), MaskError> {
        let columns = copy::columns(body)?;
        let Some(permitted) = self.current() else { return Err(MaskError::Copy("no statement asks for it")) };
        let StatementKind::Copy(options) = &permitted.statement.kind else {
            return Err(MaskError::Copy("no statement asks for it"));
        };
        let resolver = self.resolver(permitted, self.detects);
        let text = permitted.text.get(permitted.statement.span.clone()).unwrap_or_default();
        let plan =
            resolver.copy(&permitted.statement.outputs, &options.format, columns, copy::copies_table(text));
        let copy = CopyMasker::new(plan, &options.format)
            .map_err(|_| MaskError::Copy("its options can't be followed"))?;
        copy.opened(body)?;
        self.copy = Some(copy);
        Ok(())
    }
}

/// Rewrites an error, notice, notification or setting, and appends it. For those that answer no command.
///
/// # Errors
/// Where it can't be masked: the session ends.
pub fn unasked(
    masker: &mut Masker,
    exposure: Exposure,
    kind: Backend,
    body: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), MaskError> {
    let rewritten = match kind {
        Backend::ErrorResponse => masker.report(exposure, b'E', body, out)?,
        Backend::NoticeResponse => masker.report(exposure, b'N', body, out)?,
        Backend::NotificationResponse => masker.notification(exposure, body, out)?,
        Backend::ParameterStatus => masker.parameter_status(exposure, body, out)?,
        _ => Rewritten::Unchanged,
    };
    keep_unchanged(rewritten, kind, body, out);
    Ok(())
}

fn keep_unchanged(rewritten: Rewritten, kind: Backend, body: &[u8], out: &mut Vec<u8>) {
    if rewritten == Rewritten::Unchanged {
        out.push(kind.tag());
        out.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        out.extend_from_slice(body);
    }
}
