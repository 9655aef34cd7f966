//! One message after the other, as a client may send them: Query, Parse, Bind, Describe, Execute, Close.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use policy_normalize::sql::{Bound, Kind};
use portcullis_gateway::enforce::{Asked, Judgement, Parameter, Stage};
use smallvec::SmallVec;

use super::{Answer, SessionJudge, Then};
use crate::command::room;
use crate::guard::Change;
use crate::guard::plan::{Declared, Described, Plan, Portal, Prepared};
use crate::guard::words::{changed, distinct, no_such, noted, refusal, refused, too_many, unreadable};
use crate::mask::Format;
use crate::relay::{Disposition, Leave, View};
use crate::wire;
use crate::wire::bind::Bind;
use crate::wire::describe::Named;
use crate::wire::execute::Execute;
use crate::wire::parse::Parse;
use crate::wire::query::Query;

impl SessionJudge {
    pub(super) async fn query(&mut self, body: &[u8], view: View) -> Answer {
        let query = Query::decode(body).map_err(|malformed| unreadable(&malformed))?;
        let meaning = self.at(view.segment).meaning(query.text).await?;
        self.run(meaning, view, "query", &[], Then::Query).await
    }

    pub(super) async fn parse(&mut self, body: &[u8], view: View) -> Answer {
        let parse = Parse::decode(body).map_err(|malformed| unreadable(&malformed))?;
        distinct(parse.statement)?;
        if self.shared.names.is_full() {
            return Err(too_many());
        }
        let takes = room::estimate(parse.text.len());
        self.has_room(takes)?;
        let meaning = self.at(view.segment).meaning(parse.text).await?;
        let asked = Asked::new(&meaning.asked, Stage::Prepare, "parse");
        self.was_judged = true;
        let permit = match self.session.judge(&asked).await {
            Judgement::Admit(permit) => permit,
            Judgement::Refuse(denial) => return Err(noted(refusal(&denial), &meaning)),
            Judgement::Hold(_) => return Err(refused("a statement that is prepared can't be held")),
        };
        let judged = Arc::clone(permit.judged());
        let share = Arc::new(self.shared.room.take(takes));
        let text = Arc::clone(meaning.asked.raw());
        let declared = parse.types().map(declared);
        let prepared = Prepared::new(&text, meaning, Arc::clone(&judged), None, declared, share);
        let definition =
            self.shared.names.propose(Change::Statement(parse.statement.into(), prepared), view.segment);
        Ok(Disposition::Forward(Leave::Permit(permit), Plan::Parse(judged, definition, None)))
    }

    pub(super) async fn bind(&mut self, body: &[u8], view: View) -> Answer {
        let bind = Bind::decode(body).map_err(|malformed| unreadable(&malformed))?;
        distinct(bind.portal)?;
        distinct(bind.statement)?;
        if self.shared.names.is_full() {
            return Err(too_many());
        }
        let Some(prepared) = self.at(view.segment).statement(bind.statement).await else {
            return Err(no_such("prepared statement", bind.statement));
        };
        // What depends on values is understood anew with them, and kept with the portal.
        let text = if prepared.meaning.is_pending { prepared.text.len() } else { 0 };
        let takes = room::estimate(text.saturating_add(body.len()));
        self.has_room(takes)?;
        let mut meaning = self.at(view.segment).prepared(&prepared).await?;
        let parameters: SmallVec<[Parameter<'_>; 8]> = bind
            .values()
            .map(|(format, value)| Parameter {
                value,
                binary: format == wire::bind::Format::Binary,
                sensitive: false,
            })
            .collect();
        if meaning.is_pending {
            let values: Vec<Bound<'_>> = parameters
                .iter()
                .enumerate()
                .map(|(index, parameter)| prepared.takes(index, bound(parameter)))
                .collect();
            meaning = self.at(view.segment).bound(&prepared, &values).await?;
        }
        let parameters: SmallVec<[Parameter<'_>; 8]> = parameters
            .into_iter()
            .map(|parameter| Parameter { sensitive: meaning.is_sensitive, ..parameter })
            .collect();
        let then = Then::Bind { portal: bind.portal.into(), prepared, formats: formats(&bind), takes };
        self.run(meaning, view, "bind", &parameters, then).await
    }

    pub(super) async fn describe(&mut self, body: &[u8], view: View) -> Answer {
        let named = Named::decode(body).map_err(|malformed| unreadable(&malformed))?;
        let (Named::Statement(name) | Named::Portal(name)) = named;
        distinct(name)?;
        let described = match named {
            Named::Statement(name) => match self.at(view.segment).statement(name).await {
                Some(prepared) => {
                    prepared.asked_in.store(view.segment + 1, Ordering::Relaxed);
                    Described::Statement(prepared)
                }
                None => return Err(no_such("prepared statement", name)),
            },
            Named::Portal(name) => {
                let asked = |portal: &mut Portal| portal.asked_in = Some(view.segment);
                // What is not known, the target refuses to describe.
                let _ = self.shared.names.portal(name, view.segment, asked);
                Described::Portal(name.into())
            }
        };
        Ok(Disposition::Forward(Leave::Harmless, Plan::Describe(described)))
    }

    pub(super) async fn execute(&mut self, body: &[u8], view: View) -> Answer {
        let execute = Execute::decode(body).map_err(|malformed| unreadable(&malformed))?;
        distinct(execute.portal)?;
        let look = self.shared.names.decided(|names| {
            names.portal(execute.portal, view.segment, |portal| {
                (Arc::clone(&portal.meaning), Arc::clone(&portal.judged), portal.prepared.is_some())
            })
        });
        let Some((meaning, judged, is_portal)) = look.await else {
            return Err(no_such("portal", execute.portal));
        };
        self.ran_in = Some(view.segment);
        let known = self.at(view.segment).known().await?;
        let is_same_world = known.snapshot.generation == meaning.world.generation
            && self.shared.epoch() == meaning.world.overlay;
        let is_late =
            is_portal && meaning.statements.iter().any(|statement| is_analysed_late(&statement.kind));
        if !is_same_world || is_late {
            let now = self.at(view.segment).still(&meaning, meaning.asked.raw()).await?;
            if now.asked.digest() != meaning.asked.digest()
                || (is_late && now.statements != meaning.statements)
            {
                return Err(changed());
            }
        }
        if is_portal && is_same_world {
            self.has_room_for(&meaning)?;
            // The same policy and the same definitions as when it was bound: its permit still stands.
            if let Some(again) = self.session.resume(&judged).map_err(|denial| refusal(&denial))? {
                self.note(&meaning, &known, view.segment);
                let plan = self.execution(execute.portal.into(), meaning, judged, view.segment)?;
                return Ok(Disposition::Forward(Leave::Again(again), plan));
            }
        }
        self.run(meaning, view, "execute", &[], Then::Execute { portal: execute.portal.into() }).await
    }

    pub(super) fn close(&self, body: &[u8], view: View) -> Answer {
        let named = Named::decode(body).map_err(|malformed| unreadable(&malformed))?;
        let (Named::Statement(name) | Named::Portal(name)) = named;
        distinct(name)?;
        let change = match named {
            Named::Statement(name) => Change::ForgetStatement(Some(name.into())),
            Named::Portal(name) => Change::ForgetPortal(Some(name.into())),
        };
        Ok(Disposition::Forward(
            Leave::Harmless,
            Plan::Close(self.shared.names.propose(change, view.segment)),
        ))
    }
}

/// Whether the target finds out what the names in a statement stand for when it runs, not when it is bound.
fn is_analysed_late(kind: &Kind) -> bool {
    !matches!(
        kind,
        Kind::Noop
            | Kind::Select
            | Kind::Insert
            | Kind::Update
            | Kind::Delete
            | Kind::Merge
            | Kind::Transaction(_)
            | Kind::Set
            | Kind::Show
            | Kind::Listen(_)
            | Kind::Unlisten(_)
            | Kind::Notify(_)
    )
}

/// The formats that a Bind asks its results to have.
fn formats(bind: &Bind<'_>) -> SmallVec<[Format; 4]> {
    let code = |pair: &[u8]| if pair == [0, 1] { Format::Binary } else { Format::Text };
    bind.result_formats().chunks_exact(2).map(code).collect()
}

/// What declaring the type with this OID says of a parameter. Of the built-in ones that pass for text only `text` and
/// `varchar` take it as it is; which others there are depends on the target.
fn declared(oid: u32) -> Declared {
    match oid {
        // Left to the target, unknown.
        0 | 705 => Declared::Nothing,
        // text, varchar; int8, int2, int4.
        25 | 1043 | 20 | 21 | 23 => Declared::Kept,
        _ => Declared::Converted,
    }
}

/// A bound value in text form, where it has one that is known.
fn bound<'a>(parameter: &Parameter<'a>) -> Bound<'a> {
    match parameter.value {
        None => Bound::Null,
        Some(value) if !parameter.binary => std::str::from_utf8(value).map_or(Bound::Opaque, Bound::Text),
        Some(_) => Bound::Opaque,
    }
}
