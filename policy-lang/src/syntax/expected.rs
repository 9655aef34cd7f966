//! What could have stood at a syntax error, in words for its user.

use super::Rule;

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

/// How an expectation of the grammar reads to its user.
pub(super) fn describe(rule: &Rule) -> Option<Expected> {
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
        Rule::behalf => Literal("agent"),
        Rule::owner | Rule::behalf_set => Phrase("whom it acts for: `user \"…\"`, `group \"…\"` or a set"),
        Rule::acts_for => Literal("on behalf of"),
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

/// What a clause may begin with, whatever the rule.
const CLAUSES: &[&str] = &[
    "by",
    "on",
    "do",
    "when",
    "unless",
    "until",
    "while",
    "answer after",
    "in transaction",
    "justify",
    "reveal",
    "columns",
    "values",
    "fields",
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

/// The words that say where things are, and nothing themselves.
pub(super) fn keyword_text(rule: Rule) -> Option<&'static str> {
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
        Rule::kw_while => "while",
        Rule::kw_watches => "watches",
        Rule::kw_of => "of",
        Rule::kw_approve => "approve",
        Rule::kw_within => "within",
        Rule::kw_answer => "answer",
        Rule::kw_after => "after",
        Rule::kw_transaction => "transaction",
        Rule::kw_justify => "justify",
        Rule::kw_reveal => "reveal",
        Rule::kw_columns => "columns",
        Rule::kw_tagged => "tagged",
        Rule::kw_values => "values",
        Rule::kw_fields => "fields",
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
        Rule::kw_agent => "agent",
        Rule::kw_behalf => "behalf",
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
