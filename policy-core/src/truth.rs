//! Three-valued truth, and its range while parameters are pending.

use serde::Serialize;

/// What is known of a condition. The order is that of logic: a conjunction is the least of its
/// parts, a disjunction the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    /// It does not hold.
    False,
    /// It can't be told: a missing attribute, a bad value, a failed look-up, absent groups.
    Undetermined,
    /// It holds.
    True,
}

impl Truth {
    const fn opposite(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::Undetermined => Self::Undetermined,
            Self::True => Self::False,
        }
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// The truths a condition can still take once parameters are bound.
///
/// Without pending parameters both ends are equal. A prepared statement is refused only for what
/// holds whichever values are bound, and is covered by what may hold for some: the rest is deferred
/// to its execution, which is judged anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prospect {
    /// The least true it can become.
    least: Truth,
    /// The most true it can become.
    most: Truth,
}

impl Prospect {
    pub(crate) const TRUE: Self = Self { least: Truth::True, most: Truth::True };
    pub(crate) const FALSE: Self = Self { least: Truth::False, most: Truth::False };
    pub(crate) const UNDETERMINED: Self = Self { least: Truth::Undetermined, most: Truth::Undetermined };
    pub(crate) const PENDING: Self = Self { least: Truth::False, most: Truth::True };

    pub(crate) fn and(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.min(other.most) }
    }

    pub(crate) fn or(self, other: Self) -> Self {
        Self { least: self.least.max(other.least), most: self.most.max(other.most) }
    }

    pub(crate) fn opposite(self) -> Self {
        Self { least: self.most.opposite(), most: self.least.opposite() }
    }

    /// It is false whatever is bound: it dominates a conjunction.
    pub(crate) fn is_false(self) -> bool {
        self.most == Truth::False
    }

    /// It is true whatever is bound: it dominates a disjunction.
    pub(crate) fn is_true(self) -> bool {
        self.least == Truth::True
    }

    /// A deny or hold applies: undetermined restricts, pending waits.
    pub(crate) fn restricts(self) -> bool {
        self.least >= Truth::Undetermined
    }

    /// An allow or hold covers: undetermined does not, pending does for now.
    pub(crate) fn covers(self) -> bool {
        self.most == Truth::True
    }

    /// A mask, limit or record applies: undetermined and pending both restrict.
    pub(crate) fn obliges(self) -> bool {
        self.most >= Truth::Undetermined
    }

    /// The truth as far as it is known now: pending reads as undetermined.
    pub(crate) fn truth(self) -> Truth {
        if self.least == self.most { self.least } else { Truth::Undetermined }
    }
}

impl From<Truth> for Prospect {
    fn from(truth: Truth) -> Self {
        Self { least: truth, most: truth }
    }
}

impl From<bool> for Prospect {
    fn from(holds: bool) -> Self {
        Truth::from(holds).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn false_dominates_a_conjunction_and_true_a_disjunction() {
        let open = [Prospect::UNDETERMINED, Prospect::PENDING];
        for value in open {
            assert!(value.and(Prospect::FALSE).is_false());
            assert!(value.or(Prospect::TRUE).is_true());
            assert_eq!(value.and(Prospect::TRUE), value);
            assert_eq!(value.or(Prospect::FALSE), value);
            assert_eq!(value.opposite(), value);
        }
    }

    #[test]
    fn undetermined_restricts_and_pending_waits() {
        assert!(Prospect::UNDETERMINED.restricts() && !Prospect::UNDETERMINED.covers());
        assert!(!Prospect::PENDING.restricts() && Prospect::PENDING.covers());
        assert!(Prospect::UNDETERMINED.obliges() && Prospect::PENDING.obliges());
        // Whatever is bound, this is undetermined or true: it restricts before anything is bound.
        assert!(Prospect::UNDETERMINED.or(Prospect::PENDING).restricts());
        // Bound to false, this is false: it can't restrict yet.
        assert!(!Prospect::UNDETERMINED.and(Prospect::PENDING).restricts());
    }
}
