//! Rules that can't do what their author meant.

use policy_core::RuleSet;

use crate::check::Unit;
use crate::diagnostic::Diagnostic;

pub(crate) fn analyze(_rules: &RuleSet, _units: &[Unit<'_>], _found: &mut Vec<Diagnostic>) {}
