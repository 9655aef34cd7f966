//! What servers asked their clients, so that an answer is judged by its question. Where that is not known any more, it is undetermined.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use policy_normalize::mcp::Asked;

/// The most sessions, and the most questions of one of them, that are remembered. The oldest is forgotten first.
const MOST_SESSIONS: usize = 1024;
const MOST_QUESTIONS: usize = 64;
/// The longest name of a question, in bytes.
const MOST_BYTES: usize = 256;

/// The questions of one server.
#[derive(Debug, Default)]
pub(super) struct Questions(Mutex<Sessions>);

/// A principal, and a session of theirs as the server calls it.
type Whose = (Box<str>, Box<str>);
/// How a question is named, and its method.
type Question = (bool, Box<str>, Box<str>);

#[derive(Debug, Default)]
struct Sessions {
    questions: HashMap<Whose, VecDeque<Question>>,
    oldest: VecDeque<Whose>,
}

impl Questions {
    pub(super) fn note(&self, who: &str, session: &str, asked: Asked<'_>, method: &str) {
        let (is_input, name) = parts(asked);
        if name.len() > MOST_BYTES || method.len() > MOST_BYTES || session.len() > MOST_BYTES {
            return;
        }
        let whose: Whose = (who.into(), session.into());
        // Every change leaves it whole, so a panic elsewhere does no harm.
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !sessions.questions.contains_key(&whose) {
            if sessions.oldest.len() >= MOST_SESSIONS
                && let Some(oldest) = sessions.oldest.pop_front()
            {
                sessions.questions.remove(&oldest);
            }
            sessions.oldest.push_back(whose.clone());
        }
        let questions = sessions.questions.entry(whose).or_default();
        if questions.len() >= MOST_QUESTIONS {
            questions.pop_front();
        }
        questions.push_back((is_input, name.into(), method.into()));
    }

    /// What was asked in this way last; `None` where that is not known, or by this id something else was asked, too: a session has
    /// each id once, and which of both questions is answered would not be known.
    pub(super) fn method(&self, who: &str, session: &str, asked: Asked<'_>) -> Option<String> {
        let (is_input, name) = parts(asked);
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let questions = sessions.questions.get(&(who.into(), session.into()))?;
        let is_it = |question: &&Question| question.0 == is_input && *question.1 == *name;
        let mut asked = questions.iter().rev().filter(is_it).map(|(_, _, method)| method);
        let last = asked.next()?;
        (is_input || asked.all(|method| method == last)).then(|| last.to_string())
    }
}

fn parts(asked: Asked<'_>) -> (bool, &str) {
    match asked {
        Asked::Id(id) => (false, id),
        Asked::Input(key) => (true, key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_remembered_for_whom_it_was_for_and_not_for_ever() {
        let questions = Questions::default();
        questions.note("ana", "s", Asked::Id("1"), "roots/list");
        assert_eq!(questions.method("ana", "s", Asked::Id("1")).as_deref(), Some("roots/list"));
        for (who, session, asked) in
            [("eve", "s", Asked::Id("1")), ("ana", "t", Asked::Id("1")), ("ana", "s", Asked::Input("1"))]
        {
            assert_eq!(questions.method(who, session, asked), None, "{who} {session}");
        }
        questions.note("ana", "s", Asked::Id("1"), "roots/list");
        assert_eq!(questions.method("ana", "s", Asked::Id("1")).as_deref(), Some("roots/list"));
        questions.note("ana", "s", Asked::Id("1"), "ping");
        assert_eq!(questions.method("ana", "s", Asked::Id("1")), None, "which of the two?");
        // What is asked before an answer is asked anew each time.
        for method in ["roots/list", "ping"] {
            questions.note("ana", "s", Asked::Input("1"), method);
            assert_eq!(questions.method("ana", "s", Asked::Input("1")).as_deref(), Some(method));
        }
        for number in 2..2 + MOST_QUESTIONS {
            questions.note("ana", "s", Asked::Id(&number.to_string()), "ping");
        }
        assert_eq!(questions.method("ana", "s", Asked::Id("1")), None);
        for number in 0..MOST_SESSIONS {
            questions.note("eve", &number.to_string(), Asked::Id("1"), "ping");
        }
        assert_eq!(questions.method("ana", "s", Asked::Id("5")), None);
        assert_eq!(questions.0.lock().unwrap().questions.len(), MOST_SESSIONS);
    }
}
