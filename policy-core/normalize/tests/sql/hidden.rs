//! Statements that do more than they seem to: `tests/data/hidden.txt`.

use crate::shop::check;

#[test]
fn hidden_effects_are_judged_as_what_they_do() {
    assert!(check("hidden.txt") >= 80);
}
