//! Conditions: facts, comparisons, and how they are joined.

use super::leaves::without_keywords;
use super::{Node, Reader, Rule};
use crate::ast::{Condition, Element, Expr, Fact, Relation};
use crate::span::Spanned;

impl Reader {
    /// An `expr`. Parentheses leave no trace but the nesting.
    pub(super) fn condition(&self, node: Node<'_>) -> Option<Condition> {
        let span = self.span(&node);
        let mut any: Vec<Condition> = without_keywords(node.into_inner())
            .map(|all| {
                let span = self.span(&all);
                let mut list: Vec<Condition> =
                    without_keywords(all.into_inner()).map(|node| self.unary(node)).collect::<Option<_>>()?;
                if list.len() == 1 { list.pop() } else { Some(Spanned::new(Expr::All(list), span)) }
            })
            .collect::<Option<_>>()?;
        if any.len() == 1 { any.pop() } else { Some(Spanned::new(Expr::Any(any), span)) }
    }

    fn unary(&self, node: Node<'_>) -> Option<Condition> {
        let span = self.span(&node);
        let mut negations = 0_usize;
        for node in node.into_inner() {
            if node.as_rule() == Rule::negation {
                negations += 1;
                continue;
            }
            let inner = self.primary(node)?;
            // A chain of `not` is kept to one, so that no chain makes the tree deep.
            return Some(match negations % 2 {
                _ if negations == 0 => inner,
                0 => Spanned::new(inner.value, span),
                _ => Spanned::new(Expr::Not(Box::new(inner)), span),
            });
        }
        None
    }

    fn primary(&self, node: Node<'_>) -> Option<Condition> {
        self.whole(node.into_inner().next()?)
    }

    /// What stands between `and`, `or` and `not`.
    fn whole(&self, node: Node<'_>) -> Option<Condition> {
        let span = self.span(&node);
        let rule = node.as_rule();
        let mut inner = without_keywords(node.into_inner());
        let first = inner.next()?;
        let expr = match rule {
            Rule::parens => return self.condition(first),
            Rule::group => Expr::Group(self.text(first)),
            Rule::user => Expr::User(self.text(first)),
            Rule::behalf => Expr::OnBehalfOf(Box::new(self.owner(first)?)),
            _ => {
                let fact = self.fact(first)?;
                match inner.next() {
                    None => Expr::Bare(fact),
                    Some(tail) => self.comparison(fact, tail)?,
                }
            }
        };
        Some(Spanned::new(expr, span))
    }

    /// Whom an agent acts for.
    fn owner(&self, node: Node<'_>) -> Option<Condition> {
        let node = node.into_inner().next()?;
        if node.as_rule() != Rule::behalf_set {
            return self.whole(node);
        }
        let span = self.span(&node);
        let name = self.word(node.into_inner().next()?);
        Some(Spanned::new(Expr::Bare(Fact { name, field: None }), span))
    }

    fn comparison(&self, fact: Fact, tail: Node<'_>) -> Option<Expr> {
        let rule = tail.as_rule();
        let mut inner = without_keywords(tail.into_inner());
        Some(match rule {
            Rule::compare => {
                let relation = inner.next()?;
                let span = self.span(&relation);
                let relation = match relation.as_str() {
                    "==" => Relation::Equal,
                    "!=" => Relation::NotEqual,
                    "<=" => Relation::LessOrEqual,
                    ">=" => Relation::GreaterOrEqual,
                    "<" => Relation::Less,
                    ">" => Relation::Greater,
                    _ => return None,
                };
                Expr::Compare(fact, Spanned::new(relation, span), self.literal(inner.next()?)?)
            }
            Rule::member => Expr::In(fact, inner.map(|node| self.literal(node)).collect::<Option<_>>()?),
            Rule::like => Expr::Like(fact, self.text(inner.next()?)),
            Rule::matches => Expr::Matches(fact, self.text(inner.next()?)),
            Rule::has => Expr::Has(fact, self.text(inner.next()?)),
            Rule::shape => Expr::Is(fact, inner.map(|node| self.element(node)).collect::<Option<_>>()?),
            _ => return None,
        })
    }

    fn fact(&self, node: Node<'_>) -> Option<Fact> {
        let mut inner = without_keywords(node.into_inner());
        let name = self.word(inner.next()?);
        let field = inner.next().map(|node| match node.as_rule() {
            Rule::string => self.text(node),
            _ => self.word(node),
        });
        Some(Fact { name, field })
    }

    fn element(&self, node: Node<'_>) -> Option<Spanned<Element>> {
        let node = node.into_inner().next()?;
        let span = self.span(&node);
        let element = match node.as_rule() {
            Rule::any_one => Element::AnyOne,
            Rule::any_number => Element::AnyNumber,
            _ => Element::Text(self.text(node).value),
        };
        Some(Spanned::new(element, span))
    }
}
