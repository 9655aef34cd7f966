//! The settings that change what a statement means, followed through transactions and savepoints.
//!
//! A value is what the session would have if everything that was confirmed so far stands. What can't be followed
//! (a setting whose value could not be determined, a savepoint that nobody named) makes it unknown: names without a
//! schema are then undetermined, and covered by no rule, until the client sets the path anew.

use std::sync::Arc;

use policy_normalize::sql::{Setting, SettingValue, Transaction};

/// The values that matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Values {
    /// `search_path` as a list; `None` where it is not known.
    pub search_path: Option<Arc<[Box<str>]>>,
    /// The current role, which `$user` stands for; `None` where it is not known.
    pub role: Option<Arc<str>>,
    /// What the client says for why it does what it does; see [`JUSTIFICATION`].
    pub justification: Option<Arc<str>>,
}

/// The setting by which a client says why, where a rule asks for it.
pub const JUSTIFICATION: &str = "portcullis.justification";

/// The settings of one session.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the session began with, and what RESET restores.
    defaults: Values,
    now: Values,
    /// What a rollback restores.
    before: Values,
    /// What the end of the transaction restores, if only `SET LOCAL` changed it.
    lasting: Values,
    savepoints: Vec<(Box<str>, Values, Values)>,
}

impl Settings {
    /// Settings at the start of a session.
    pub fn new(defaults: Values) -> Self {
        Self {
            now: defaults.clone(),
            before: defaults.clone(),
            lasting: defaults.clone(),
            savepoints: Vec::new(),
            defaults,
        }
    }

    /// The values in force.
    pub fn now(&self) -> &Values {
        &self.now
    }

    /// Whether `search_path` was changed in the open transaction.
    pub fn is_changed(&self) -> bool {
        self.now.search_path != self.before.search_path
    }

    /// Notes that a statement which changes these settings has run.
    pub fn apply(&mut self, settings: &[Setting]) {
        for setting in settings {
            let values = change(&self.now, setting, &self.defaults);
            if !setting.local {
                self.lasting = change(&self.lasting, setting, &self.defaults);
            }
            self.now = values;
        }
    }

    /// Notes transaction control that has run. `rolled_back` says that the target answered ROLLBACK.
    pub fn transaction(&mut self, control: &Transaction, rolled_back: bool) {
        match control {
            Transaction::Begin => {}
            Transaction::Commit { .. } if rolled_back => self.rollback(),
            Transaction::Commit { .. } | Transaction::Prepare => self.commit(),
            Transaction::Rollback { .. } => self.rollback(),
            Transaction::Savepoint(name) => {
                self.savepoints.push((name.clone(), self.now.clone(), self.lasting.clone()));
            }
            Transaction::Release(name) => {
                if let Some(at) = self.savepoint(name) {
                    self.savepoints.truncate(at);
                }
            }
            Transaction::RollbackTo(name) => match self.savepoint(name) {
                Some(at) => {
                    self.savepoints.truncate(at + 1);
                    if let Some((_, now, lasting)) = self.savepoints.last() {
                        self.now = now.clone();
                        self.lasting = lasting.clone();
                    }
                }
                // A savepoint that was made where nobody saw it.
                None => self.forget(),
            },
            Transaction::CommitPrepared | Transaction::RollbackPrepared => {}
        }
    }

    /// Notes that the target is outside any transaction block: what was open has ended, well or not.
    pub fn idle(&mut self, failed: bool) {
        if failed { self.rollback() } else { self.commit() }
    }

    /// Notes DISCARD ALL.
    pub fn discard(&mut self) {
        *self = Self::new(self.defaults.clone());
    }

    /// Notes that something ran which may have changed any setting, and begun or ended any transaction.
    pub fn lose(&mut self) {
        self.forget();
        self.before = self.now.clone();
        self.savepoints.clear();
    }

    fn savepoint(&self, name: &str) -> Option<usize> {
        self.savepoints.iter().rposition(|(known, _, _)| &**known == name)
    }

    fn commit(&mut self) {
        if self.now != self.lasting {
            self.now = self.lasting.clone();
        }
        if self.before != self.now {
            self.before = self.now.clone();
        }
        self.savepoints.clear();
    }

    fn rollback(&mut self) {
        if self.now != self.before {
            self.now = self.before.clone();
        }
        if self.lasting != self.before {
            self.lasting = self.before.clone();
        }
        self.savepoints.clear();
    }

    fn forget(&mut self) {
        let unknown = Values::default();
        self.now = unknown.clone();
        self.lasting = unknown;
    }
}

fn change(values: &Values, setting: &Setting, defaults: &Values) -> Values {
    let mut values = values.clone();
    let name = setting.name.as_deref();
    // A setting that could not be named may be any of them; RESET ALL is one of these.
    if matches!(name, None | Some("search_path")) {
        values.search_path = match &setting.value {
            SettingValue::To(path) => Some(path.clone().into()),
            SettingValue::Default => defaults.search_path.clone(),
            SettingValue::Unknown => None,
        };
    }
    if matches!(name, None | Some("role" | "session_authorization")) {
        values.role = match &setting.value {
            SettingValue::To(role) => match role.first().map(|role| &**role) {
                Some("none") | None => defaults.role.clone(),
                Some(role) => Some(role.into()),
            },
            SettingValue::Default => defaults.role.clone(),
            SettingValue::Unknown => None,
        };
    }
    if matches!(name, None | Some(JUSTIFICATION)) {
        values.justification = match &setting.value {
            SettingValue::To(words) => words.first().map(|words| (**words).into()),
            SettingValue::Default | SettingValue::Unknown => None,
        };
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Values {
        Values { search_path: Some([text.into()].into()), role: Some("app".into()), justification: None }
    }

    fn set(text: &str, local: bool) -> Setting {
        Setting { name: Some("search_path".into()), value: SettingValue::To(vec![text.into()]), local }
    }

    enum Step {
        Set(&'static str),
        Local(&'static str),
        Control(Transaction, bool),
        Idle(bool),
    }
    use Step::{Control, Idle, Local, Set};

    fn check(steps: &[Step], expected: Option<&str>) {
        let mut settings = Settings::new(path("public"));
        for step in steps {
            match step {
                Set(text) => settings.apply(&[set(text, false)]),
                Local(text) => settings.apply(&[set(text, true)]),
                Control(control, rolled_back) => settings.transaction(control, *rolled_back),
                Idle(failed) => settings.idle(*failed),
            }
        }
        let now = settings.now().search_path.as_ref().and_then(|path| path.first()).map(|first| &**first);
        assert_eq!(now, expected);
    }

    #[test]
    fn a_change_lives_and_dies_with_its_transaction() {
        let commit = || Transaction::Commit { chain: false };
        let rollback = || Transaction::Rollback { chain: false };
        check(&[Set("a"), Idle(false)], Some("a"));
        check(&[Set("a"), Idle(true)], Some("public"));
        check(&[Control(Transaction::Begin, false), Set("a")], Some("a"));
        check(&[Control(Transaction::Begin, false), Set("a"), Control(commit(), false)], Some("a"));
        check(&[Control(Transaction::Begin, false), Set("a"), Control(commit(), true)], Some("public"));
        check(&[Control(Transaction::Begin, false), Set("a"), Control(rollback(), true)], Some("public"));
        check(&[Local("a"), Idle(false)], Some("public"));
        check(&[Set("a"), Local("b")], Some("b"));
        check(&[Set("a"), Local("b"), Control(commit(), false)], Some("a"));
    }

    #[test]
    fn savepoints_nest() {
        let save = |name: &str| Control(Transaction::Savepoint(name.into()), false);
        let back = |name: &str| Control(Transaction::RollbackTo(name.into()), false);
        let release = |name: &str| Control(Transaction::Release(name.into()), false);
        check(&[save("s"), Set("a"), back("s")], Some("public"));
        check(&[Set("a"), save("s"), Set("b"), save("t"), Set("c"), back("s")], Some("a"));
        check(&[save("s"), Set("a"), save("s"), Set("b"), back("s")], Some("a"));
        check(&[save("s"), Set("a"), release("s"), back("s")], None);
    }

    #[test]
    fn what_can_t_be_determined_is_unknown() {
        let mut settings = Settings::new(path("public"));
        settings.apply(&[Setting { name: None, value: SettingValue::Unknown, local: false }]);
        assert_eq!(settings.now(), &Values::default());
        settings.apply(&[Setting { name: None, value: SettingValue::Default, local: false }]);
        assert_eq!(settings.now(), &path("public"));
        settings.lose();
        settings.transaction(&Transaction::Rollback { chain: false }, true);
        assert_eq!(settings.now(), &Values::default(), "no rollback brings it back");
    }
}
