//! Text to tree. The one file that names pest.

use std::time::Duration;

use pest::Parser as _;
use pest::error::{ErrorVariant, InputLocation};
use pest::iterators::{Pair as Node, Pairs};

use crate::ast::{
    Actor, Arm, ArmTarget, Cause, Clause, Column, Condition, Do, Element, Expect, Expr, Fact, File, Item,
    Kind, Pair, Period, Quota, Relation, Rule as PolicyRule, Selector, Set, Step, Tag, Test, Text, Until,
    Value, Word,
};
use crate::span::{Span, Spanned};

#[allow(missing_docs, reason = "pest derives an undocumented enum")]
mod grammar {
    #[derive(pest_derive::Parser)]
    #[grammar = "grammar.pest"]
    pub(super) struct Grammar;
}
use grammar::{Grammar, Rule};

/// Where the text stopped having the language's shape, and what could have stood there.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    /// Byte offset in the file.
    pub(crate) at: usize,
    /// What was expected, most likely first.
    pub(crate) expected: Vec<Expected>,
}

/// Something that could have stood at an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Expected {
    /// One of several words, called by a phrase.
    OneOf(&'static str, &'static [&'static str]),
    /// A phrase, such as `a whole number`.
    Phrase(&'static str),
    /// A keyword or sign, as written.
    Literal(&'static str),
    /// A text in quotes.
    Text,
}

/// Parses a stretch of a file that begins at byte `offset`. Caps and brackets have been checked.
pub(crate) fn parse(text: &str, source: u32, offset: usize) -> Result<File, SyntaxError> {
    let mut pairs = Grammar::parse(Rule::file, text).map_err(|error| {
        let at = match error.location {
            InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
        };
        let mut expected: Vec<Expected> = match error.variant {
            ErrorVariant::ParsingError { positives, .. } => positives.iter().filter_map(describe).collect(),
            ErrorVariant::CustomError { .. } => Vec::new(),
        };
        expected.sort();
        expected.dedup();
        SyntaxError { at: offset + at, expected }
    })?;
    let reader = Reader { source, offset };
    let items = pairs.next().map(|file| file.into_inner()).into_iter().flatten();
    let items =
        items.filter(|node| node.as_rule() == Rule::item).filter_map(|node| reader.item(node)).collect();
    Ok(File { items })
}

/// What a clause may begin with, whatever the rule.
const CLAUSES: &[&str] = &[
    "by",
    "on",
    "do",
    "when",
    "unless",
    "until",
    "in transaction",
    "justify",
    "reveal",
    "columns",
    "values",
    "with",
    "unresolved",
    "predicates",
    "rows",
    "commands",
    "bytes",
    "say",
    "mode",
];
/// What a line of a test may begin with.
const STEPS: &[&str] = &["as", "at", "from", "time", "run", "do", "granted", "expect"];

/// How an expectation of the grammar reads to its user.
fn describe(rule: &Rule) -> Option<Expected> {
    use Expected::{Literal, OneOf, Phrase, Text};
    Some(match rule {
        Rule::file | Rule::item => OneOf("a rule or declaration", crate::scan::ITEMS),
        Rule::effect => OneOf("a kind of rule", &["allow", "deny", "hold", "mask", "limit", "record"]),
        Rule::clause => OneOf("a clause", CLAUSES),
        Rule::step => OneOf("a line of a test", STEPS),
        Rule::string | Rule::strings => Text,
        Rule::word => Phrase("a name"),
        Rule::verb => Phrase("a verb"),
        Rule::number => Phrase("a whole number"),
        Rule::duration => Phrase("a duration such as `15m`"),
        Rule::period => Phrase("a period such as `hour` or `15m`"),
        Rule::literal | Rule::value => Phrase("a value: a quoted text, a number, `true` or `false`"),
        Rule::truth => Phrase("`true` or `false`"),
        Rule::element => Phrase("an element: a quoted text, `*` or `**`"),
        Rule::expr | Rule::all | Rule::unary | Rule::primary | Rule::comparison | Rule::fact | Rule::name => {
            Phrase("a condition")
        }
        Rule::relation | Rule::compare => Literal("=="),
        Rule::selector => Phrase("a protocol"),
        Rule::transform | Rule::arm => OneOf("a transform", crate::words::TRANSFORMS),
        Rule::unit => OneOf("what is counted", &["rows", "commands", "bytes"]),
        Rule::scope => OneOf("`principal` or `command`", &["principal", "command"]),
        Rule::column => Phrase("`tagged` or a quoted column"),
        Rule::pair => Phrase("a name and its value"),
        Rule::member => Literal("in"),
        Rule::like => Literal("like"),
        Rule::matches => Literal("matches"),
        Rule::has => Literal("has"),
        Rule::shape => Literal("is"),
        Rule::group => Literal("group"),
        Rule::user => Literal("user"),
        Rule::negation => Literal("not"),
        Rule::open => Literal("{"),
        Rule::close => Literal("}"),
        Rule::paren_open | Rule::parens => Literal("("),
        Rule::paren_close => Literal(")"),
        Rule::list_open => Literal("["),
        Rule::list_close => Literal("]"),
        Rule::comma => Literal(","),
        Rule::assign => Literal("="),
        Rule::any_one => Literal("*"),
        Rule::any_number => Literal("**"),
        Rule::EOI => Phrase("the end of the file"),
        Rule::with_pairs => Literal("with"),
        Rule::dot => Literal("."),
        Rule::tagged => Literal("tagged"),
        keyword => Literal(keyword_text(*keyword)?),
    })
}

/// The words that say where things are, and nothing themselves.
fn keyword_text(rule: Rule) -> Option<&'static str> {
    Some(match rule {
        Rule::kw_policy => "policy",
        Rule::kw_default => "default",
        Rule::kw_use => "use",
        Rule::kw_set => "set",
        Rule::kw_tag => "tag",
        Rule::kw_test => "test",
        Rule::kw_by => "by",
        Rule::kw_on => "on",
        Rule::kw_do => "do",
        Rule::kw_when => "when",
        Rule::kw_unless => "unless",
        Rule::kw_say => "say",
        Rule::kw_mode => "mode",
        Rule::kw_until => "until",
        Rule::kw_of => "of",
        Rule::kw_approve => "approve",
        Rule::kw_within => "within",
        Rule::kw_transaction => "transaction",
        Rule::kw_justify => "justify",
        Rule::kw_reveal => "reveal",
        Rule::kw_columns => "columns",
        Rule::kw_tagged => "tagged",
        Rule::kw_values => "values",
        Rule::kw_with => "with",
        Rule::kw_for => "for",
        Rule::kw_otherwise => "otherwise",
        Rule::kw_unresolved => "unresolved",
        Rule::kw_predicates => "predicates",
        Rule::kw_per => "per",
        Rule::kw_where => "where",
        Rule::kw_and => "and",
        Rule::kw_or => "or",
        Rule::kw_not => "not",
        Rule::kw_in => "in",
        Rule::kw_like => "like",
        Rule::kw_matches => "matches",
        Rule::kw_has => "has",
        Rule::kw_is => "is",
        Rule::kw_group => "group",
        Rule::kw_user => "user",
        Rule::kw_as => "as",
        Rule::kw_at => "at",
        Rule::kw_from => "from",
        Rule::kw_time => "time",
        Rule::kw_run => "run",
        Rule::kw_granted => "granted",
        Rule::kw_expect => "expect",
        _ => return None,
    })
}

/// Turns pest's pairs into the tree. A `None` below means that grammar and reader disagree, which the
/// tests over the grammar would show; it drops nothing silently, as `parse` is compared with the text.
struct Reader {
    source: u32,
    offset: usize,
}

type Nodes<'a> = Pairs<'a, Rule>;

impl Reader {
    fn span(&self, node: &Node<'_, Rule>) -> Span {
        let span = node.as_span();
        // Pest's spans of compound rules may end in the white space that follows.
        let trimmed = node.as_str().trim_end_matches(crate::scan::is_space).len();
        Span::new(self.source, self.offset + span.start(), self.offset + span.start() + trimmed)
    }

    fn item(&self, node: Node<'_, Rule>) -> Option<Spanned<Item>> {
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
            _ => Item::Rule(self.rule(inner)?),
        };
        Some(Spanned::new(item, span))
    }

    fn rule<'a>(&self, inner: impl Iterator<Item = Node<'a, Rule>>) -> Option<PolicyRule> {
        let mut inner = inner.peekable();
        let effect = inner.next()?;
        let kind = match effect.as_str() {
            "allow" => Kind::Allow,
            "deny" => Kind::Deny,
            "hold" => Kind::Hold,
            "mask" => Kind::Mask,
            "limit" => Kind::Limit,
            _ => Kind::Record,
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

    fn clause(&self, node: Node<'_, Rule>) -> Option<Spanned<Clause>> {
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
            Rule::in_transaction => Clause::InTransaction,
            Rule::justify => Clause::Justify,
            Rule::reveal => Clause::Reveal,
            Rule::columns => Clause::Columns(inner.map(|node| self.column(node)).collect::<Option<_>>()?),
            Rule::values => Clause::Values(inner.map(|node| self.word(node)).collect()),
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
            _ => Clause::Mode(self.word(inner.next()?)),
        };
        Some(Spanned::new(clause, span))
    }

    fn selector(&self, node: Node<'_, Rule>) -> Option<Selector> {
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

    fn column(&self, node: Node<'_, Rule>) -> Option<Column> {
        let node = node.into_inner().next()?;
        Some(match node.as_rule() {
            Rule::tagged => Column::Tagged(self.word(without_keywords(node.into_inner()).next()?)),
            _ => Column::Pattern(self.text(node)),
        })
    }

    fn arm(&self, node: Node<'_, Rule>) -> Option<Arm> {
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

    /// An `expr`. Parentheses leave no trace but the nesting.
    fn condition(&self, node: Node<'_, Rule>) -> Option<Condition> {
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

    fn unary(&self, node: Node<'_, Rule>) -> Option<Condition> {
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

    fn primary(&self, node: Node<'_, Rule>) -> Option<Condition> {
        let node = node.into_inner().next()?;
        let span = self.span(&node);
        let rule = node.as_rule();
        let mut inner = without_keywords(node.into_inner());
        let first = inner.next()?;
        let expr = match rule {
            Rule::parens => return self.condition(first),
            Rule::group => Expr::Group(self.text(first)),
            Rule::user => Expr::User(self.text(first)),
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

    fn comparison(&self, fact: Fact, tail: Node<'_, Rule>) -> Option<Expr> {
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
                    _ => Relation::Greater,
                };
                Expr::Compare(fact, Spanned::new(relation, span), self.literal(inner.next()?)?)
            }
            Rule::member => Expr::In(fact, inner.map(|node| self.literal(node)).collect::<Option<_>>()?),
            Rule::like => Expr::Like(fact, self.text(inner.next()?)),
            Rule::matches => Expr::Matches(fact, self.text(inner.next()?)),
            Rule::has => Expr::Has(fact, self.text(inner.next()?)),
            _ => Expr::Is(fact, inner.map(|node| self.element(node)).collect::<Option<_>>()?),
        })
    }

    fn fact(&self, node: Node<'_, Rule>) -> Option<Fact> {
        let mut inner = without_keywords(node.into_inner());
        let name = self.word(inner.next()?);
        let field = inner.next().map(|node| match node.as_rule() {
            Rule::string => self.text(node),
            _ => self.word(node),
        });
        Some(Fact { name, field })
    }

    fn element(&self, node: Node<'_, Rule>) -> Option<Spanned<Element>> {
        let node = node.into_inner().next()?;
        let span = self.span(&node);
        let element = match node.as_rule() {
            Rule::any_one => Element::AnyOne,
            Rule::any_number => Element::AnyNumber,
            _ => Element::Text(self.text(node).value),
        };
        Some(Spanned::new(element, span))
    }

    fn step(&self, node: Node<'_, Rule>) -> Option<Spanned<Step>> {
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
                    claims: Vec::new(),
                };
                for node in inner {
                    match node.as_rule() {
                        Rule::string => actor.owner = Some(self.text(node)),
                        Rule::strings => actor.groups = self.texts(node),
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

    fn pairs(&self, node: Node<'_, Rule>) -> Option<Vec<Pair>> {
        without_keywords(node.into_inner())
            .map(|node| {
                let mut inner = without_keywords(node.into_inner());
                let name = inner.next()?;
                let name = match name.as_rule() {
                    Rule::string => self.text(name),
                    _ => self.word(name),
                };
                let value = inner.next()?;
                let span = self.span(&value);
                let mut inner = without_keywords(value.into_inner());
                let value = match inner.next() {
                    Some(node) if node.as_rule() == Rule::literal => self.literal(node)?.value,
                    Some(node) => Value::List(self.texts(node)),
                    None => Value::List(Vec::new()),
                };
                Some(Pair { name, value: Spanned::new(value, span) })
            })
            .collect()
    }

    fn literal(&self, node: Node<'_, Rule>) -> Option<Spanned<Value>> {
        let span = self.span(&node);
        let node = node.into_inner().next()?;
        let value = match node.as_rule() {
            Rule::number => Value::Integer(self.number(node).value),
            Rule::truth => Value::Bool(node.as_str() == "true"),
            _ => Value::Text(self.text(node).value),
        };
        Some(Spanned::new(value, span))
    }

    fn texts(&self, node: Node<'_, Rule>) -> Vec<Text> {
        without_keywords(node.into_inner()).map(|node| self.text(node)).collect()
    }

    fn text(&self, node: Node<'_, Rule>) -> Text {
        let span = self.span(&node);
        Spanned::new(unescape(node.as_str()).into(), span)
    }

    fn word(&self, node: Node<'_, Rule>) -> Word {
        let span = self.span(&node);
        Spanned::new(node.as_str().into(), span)
    }

    /// Numbers past the range saturate; what they bound is checked against far smaller caps.
    fn number(&self, node: Node<'_, Rule>) -> Spanned<i64> {
        let span = self.span(&node);
        let digits: String = node.as_str().chars().filter(|&c| c != '_').collect();
        let limit = if digits.starts_with('-') { i64::MIN } else { i64::MAX };
        Spanned::new(digits.parse().unwrap_or(limit), span)
    }

    fn duration(&self, node: Node<'_, Rule>) -> Spanned<Duration> {
        let span = self.span(&node);
        let text = node.as_str();
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let unit: u64 = match text.chars().last() {
            Some('m') => 60,
            Some('h') => 3_600,
            Some('d') => 86_400,
            _ => 1,
        };
        let count: u64 = digits.parse().unwrap_or(u64::MAX);
        Spanned::new(Duration::from_secs(count.saturating_mul(unit)), span)
    }
}

/// The text between the quotes, `\"`, `\\`, `\n` and `\t` resolved; another character after a backslash
/// stands with its backslash (regular expressions are full of them).
fn unescape(quoted: &str) -> String {
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some(other @ ('"' | '\\')) => text.push(other),
            Some(other) => text.extend(['\\', other]),
            None => text.push('\\'),
        }
    }
    text
}

fn without_keywords(nodes: Nodes<'_>) -> impl Iterator<Item = Node<'_, Rule>> {
    nodes.filter(|node| !is_keyword(node.as_rule()))
}

/// Words and signs that say where things are, and nothing themselves.
fn is_keyword(rule: Rule) -> bool {
    let sign = matches!(
        rule,
        Rule::open
            | Rule::close
            | Rule::paren_open
            | Rule::paren_close
            | Rule::list_open
            | Rule::list_close
            | Rule::comma
            | Rule::assign
            | Rule::dot
    );
    sign || keyword_text(rule).is_some()
}
