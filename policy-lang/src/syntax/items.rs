//! Rules and declarations.

use super::leaves::without_keywords;
use super::{Node, Reader, Rule};
use crate::ast::{
    Arm, ArmTarget, Clause, Column, Do, Item, Kind, Period, Quota, Rule as PolicyRule, Selector, Set, Tag,
    Test, Until, While,
};
use crate::span::Spanned;

impl Reader {
    pub(super) fn item(&self, node: Node<'_>) -> Option<Spanned<Item>> {
        let span = self.span(&node);
        let node = node.into_inner().next()?;
        let rule = node.as_rule();
        let mut inner = without_keywords(node.into_inner());
        let item = match rule {
            Rule::policy => Item::Policy(self.text(inner.next()?)),
            Rule::default => Item::Default(self.word(inner.next()?)),
            Rule::use_decl => Item::Use(self.text(inner.next()?)),
            Rule::set => {
                Item::Set(Set { name: self.word(inner.next()?), members: self.condition(inner.next()?)? })
            }
            Rule::tag => Item::Tag(Tag {
                name: self.word(inner.next()?),
                protocol: self.word(inner.next()?),
                columns: self.texts(inner.next()?),
            }),
            Rule::test => Item::Test(Test {
                name: self.text(inner.next()?),
                steps: inner.map(|step| self.step(step)).collect::<Option<_>>()?,
            }),
            Rule::policy_rule => Item::Rule(self.rule(inner)?),
            _ => return None,
        };
        Some(Spanned::new(item, span))
    }

    fn rule<'a>(&self, inner: impl Iterator<Item = Node<'a>>) -> Option<PolicyRule> {
        let mut inner = inner.peekable();
        let effect = inner.next()?;
        let kind = match effect.as_str() {
            "allow" => Kind::Allow,
            "deny" => Kind::Deny,
            "hold" => Kind::Hold,
            "mask" => Kind::Mask,
            "limit" => Kind::Limit,
            "record" => Kind::Record,
            _ => return None,
        };
        let kind = Spanned::new(kind, self.span(&effect));
        let name = inner.next_if(|node| node.as_rule() == Rule::string).map(|node| self.text(node));
        let mut modifiers = Vec::new();
        while let Some(word) = inner.next_if(|node| node.as_rule() == Rule::word) {
            modifiers.push(self.word(word));
        }
        let clauses = inner.map(|node| self.clause(node)).collect::<Option<_>>()?;
        Some(PolicyRule { kind, name, modifiers, clauses })
    }

    fn clause(&self, node: Node<'_>) -> Option<Spanned<Clause>> {
        let span = self.span(&node);
        let node = node.into_inner().next()?;
        let rule = node.as_rule();
        let mut inner = without_keywords(node.into_inner());
        let clause = match rule {
            Rule::by => Clause::By(self.condition(inner.next()?)?),
            Rule::on => Clause::On(inner.map(|node| self.selector(node)).collect::<Option<_>>()?),
            Rule::does => {
                let mut does = Do { verbs: Vec::new(), resources: Vec::new() };
                for node in inner {
                    match node.as_rule() {
                        Rule::verb => does.verbs.push(self.word(node)),
                        _ => does.resources = self.texts(node),
                    }
                }
                Clause::Do(does)
            }
            Rule::when => Clause::When(self.condition(inner.next()?)?),
            Rule::unless => Clause::Unless(self.condition(inner.next()?)?),
            Rule::until => Clause::Until(Until {
                quorum: self.number(inner.next()?),
                reviewers: self.condition(inner.next()?)?,
                within: self.duration(inner.next()?),
            }),
            Rule::watched => Clause::While(While {
                count: self.number(inner.next()?),
                watchers: self.condition(inner.next()?)?,
            }),
            Rule::answered => Clause::AnswerAfter(self.duration(inner.next()?)),
            Rule::in_transaction => Clause::InTransaction,
            Rule::justify => Clause::Justify,
            Rule::reveal => Clause::Reveal,
            Rule::columns => Clause::Columns(inner.map(|node| self.column(node)).collect::<Option<_>>()?),
            Rule::values => Clause::Values(inner.map(|node| self.word(node)).collect()),
            Rule::fields => Clause::Fields(self.texts(inner.next()?)),
            Rule::with => Clause::With(inner.map(|node| self.arm(node)).collect::<Option<_>>()?),
            Rule::unresolved => Clause::Unresolved(self.word(inner.next()?)),
            Rule::predicates => Clause::Predicates(self.word(inner.next()?)),
            Rule::quota => Clause::Quota(Quota {
                unit: self.word(inner.next()?),
                count: self.number(inner.next()?),
                scope: self.word(inner.next()?),
                period: inner.next().and_then(|node| node.into_inner().next()).map(|node| {
                    match node.as_rule() {
                        Rule::duration => Period::Duration(self.duration(node)),
                        _ => Period::Word(self.word(node)),
                    }
                }),
            }),
            Rule::say => Clause::Say(self.text(inner.next()?)),
            Rule::mode => Clause::Mode(self.word(inner.next()?)),
            _ => return None,
        };
        Some(Spanned::new(clause, span))
    }

    fn selector(&self, node: Node<'_>) -> Option<Selector> {
        let mut inner = without_keywords(node.into_inner());
        let mut selector = Selector { protocol: self.word(inner.next()?), names: Vec::new(), labels: None };
        for node in inner {
            match node.as_rule() {
                Rule::strings => selector.names = self.texts(node),
                _ => selector.labels = Some(self.condition(node)?),
            }
        }
        Some(selector)
    }

    fn column(&self, node: Node<'_>) -> Option<Column> {
        let node = node.into_inner().next()?;
        Some(match node.as_rule() {
            Rule::tagged => Column::Tagged(self.word(without_keywords(node.into_inner()).next()?)),
            _ => Column::Pattern(self.text(node)),
        })
    }

    fn arm(&self, node: Node<'_>) -> Option<Arm> {
        let mut inner = node.into_inner();
        let mut transform = without_keywords(inner.next()?.into_inner());
        let mut target = ArmTarget::Everything;
        for node in inner {
            match node.as_rule() {
                Rule::strings => target = ArmTarget::For(self.texts(node)),
                Rule::kw_otherwise => target = ArmTarget::Otherwise,
                _ => {}
            }
        }
        let name = self.word(transform.next()?);
        Some(Arm { transform: name, argument: transform.next().map(|node| self.number(node)), target })
    }
}
