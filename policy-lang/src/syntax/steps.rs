//! The lines of inline tests.

use super::leaves::{is_keyword, without_keywords};
use super::{Node, Reader, Rule};
use crate::ast::{Actor, Cause, Expect, Step};
use crate::span::Spanned;

impl Reader {
    pub(super) fn step(&self, node: Node<'_>) -> Option<Spanned<Step>> {
        let span = self.span(&node);
        let node = node.into_inner().next()?;
        let rule = node.as_rule();
        let mut inner = node
            .into_inner()
            .filter(|node| !is_keyword(node.as_rule()) || node.as_rule() == Rule::kw_default);
        let step = match rule {
            Rule::actor => {
                let mut actor = Actor {
                    kind: self.word(inner.next()?),
                    id: self.text(inner.next()?),
                    owner: None,
                    groups: Vec::new(),
                    owner_groups: Vec::new(),
                    claims: Vec::new(),
                };
                for node in inner {
                    match node.as_rule() {
                        Rule::string => actor.owner = Some(self.text(node)),
                        Rule::strings => actor.groups = self.texts(node),
                        Rule::acts_for => {
                            let mut inner = without_keywords(node.into_inner());
                            actor.owner = Some(self.text(inner.next()?));
                            actor.owner_groups = inner.next().map_or_else(Vec::new, |node| self.texts(node));
                        }
                        Rule::with_pairs => actor.claims = self.pairs(node)?,
                        _ => {}
                    }
                }
                Step::As(actor)
            }
            Rule::at => Step::At {
                protocol: self.word(inner.next()?),
                name: self.text(inner.next()?),
                labels: inner.next().map_or(Some(Vec::new()), |node| self.pairs(node))?,
            },
            Rule::from => Step::From(self.text(inner.next()?)),
            Rule::at_time => Step::Time(self.word(inner.next()?), self.number(inner.next()?)),
            Rule::run => Step::Run(self.text(inner.next()?)),
            Rule::act => {
                let verb = self.word(inner.next()?);
                let (mut resource, mut attributes) = (None, Vec::new());
                for node in inner {
                    match node.as_rule() {
                        Rule::string => resource = Some(self.text(node)),
                        _ => attributes = self.pairs(node)?,
                    }
                }
                Step::Do { verb, resource, attributes }
            }
            Rule::granted => Step::Granted(self.texts(inner.next()?)),
            _ => {
                let outcome = self.word(inner.next()?);
                let by = inner.next().map(|node| match node.as_rule() {
                    Rule::string => Cause::Rule(self.text(node)),
                    _ => Cause::Default(Spanned::new((), self.span(&node))),
                });
                Step::Expect(Expect { outcome, by })
            }
        };
        Some(Spanned::new(step, span))
    }
}
