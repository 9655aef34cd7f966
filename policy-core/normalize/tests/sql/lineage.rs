//! Which columns flow where: `tests/data/lineage.txt`.

use crate::shop::check;

#[test]
fn every_clause_that_carries_data() {
    assert!(check("lineage.txt") >= 150);
}
