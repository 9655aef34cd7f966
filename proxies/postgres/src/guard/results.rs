//! What becomes of the columns that a command returns.

use policy_normalize::sql::{Kind, Outputs, Statement};
use portcullis_gateway::enforce::Judged;

use super::plan::Portal;
use crate::catalogue::{Known, Overlay};
use crate::mask::copy::{CopyMasker, copies_table};
use crate::mask::message::Exposure;
use crate::mask::resolve::{Demands, Resolver};
use crate::mask::{Field, MaskError, ResultPlan};

/// Asks which masks of a decision apply.
pub(super) fn resolver<'a>(
    judged: &'a Judged,
    known: &'a Known,
    overlay: &'a Overlay,
    detects: bool,
) -> Resolver<'a> {
    let demands = Demands { policy: judged.policy(), obligations: judged.obligations() };
    Resolver { directory: known.directory(overlay), demands, detects }
}

/// The exposure of what comes while nothing that is known runs.
pub(super) fn standing(judged: &Judged) -> Exposure {
    if judged.policy().masks_columns(judged.obligations()) { Exposure::Guarded } else { Exposure::Open }
}

/// A result that the target has described.
pub(super) fn described(
    statement: Option<&Statement>,
    judged: &Judged,
    fields: &[Field],
    known: Option<&Known>,
    overlay: &Overlay,
    detects: bool,
) -> ResultPlan {
    // Without definitions nothing can be traced, and nothing is shown.
    let Some(known) = known else { return ResultPlan::nothing() };
    let unknown = Outputs::unknown();
    let outputs = statement.map_or(&unknown, |statement| &statement.outputs);
    resolver(judged, known, overlay, detects).result(outputs, fields)
}

/// A portal's result: as its statement was described, or by lineage alone.
pub(super) fn portal(
    portal: &Portal,
    described_as: Option<&[Field]>,
    known: Option<&Known>,
    overlay: &Overlay,
    detects: bool,
) -> ResultPlan {
    let statement = portal.meaning.statements.first();
    let unknown = Outputs::unknown();
    let outputs = statement.map_or(&unknown, |statement| &statement.outputs);
    match (described_as, known) {
        (_, None) => ResultPlan::nothing(),
        (Some(fields), Some(known)) => resolver(&portal.judged, known, overlay, detects)
            .result_described_before(outputs, fields)
            .with_formats(&portal.formats)
            .unwrap_or_else(ResultPlan::nothing),
        (None, Some(known)) => {
            resolver(&portal.judged, known, overlay, detects).undescribed(outputs, &portal.formats)
        }
    }
}

/// What COPY sends to the client, once the target has said how many columns there are. `text` is the text that the
/// statement stands in.
pub(super) fn copy(
    (statement, text): (Option<&Statement>, &str),
    columns: usize,
    judged: &Judged,
    known: &Known,
    overlay: &Overlay,
    detects: bool,
) -> Result<CopyMasker, MaskError> {
    let Some((statement, Kind::Copy(copy))) = statement.map(|statement| (statement, &statement.kind)) else {
        return Err(MaskError::Copy("the statement is no COPY"));
    };
    let from_table = text.get(statement.span.clone()).is_some_and(copies_table);
    let resolver = resolver(judged, known, overlay, detects);
    let plan = resolver.copy(&statement.outputs, &copy.format, columns, from_table);
    CopyMasker::new(plan, &copy.format).map_err(|_| MaskError::Copy("it has options that can't be masked"))
}
