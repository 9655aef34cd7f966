//! The pure-Rust grammar, for embedders without a C toolchain.
//!
//! `sqlparser` misreads statements that it accepts: `FROM ONLY secrets` is a table named `ONLY`, the relation of
//! `UNION ALL TABLE secrets` is lost, `U&"…"` falls apart. So this backend is coarse, and trusts it only inside a small
//! language: SELECT, INSERT, UPDATE and DELETE whose words are all either names or on a short list, and transaction
//! control. Everything else is unknown.
//!
//! Of what it accepts it says which relations are read and written and which functions are called. It tells no lineage:
//! what flows anywhere is [`ColumnRef::Unknown`](super::ColumnRef::Unknown), and attributes are undetermined. Names of
//! common table expressions are taken for relations as well. It finds no less than [`Postgres`](super::Postgres)
//! does, where it is not unknown.

use std::ops::{ControlFlow, Range};

use ::sqlparser::ast::{self, FromTable, ObjectName, TableFactor, TableObject, visit_relations};
use ::sqlparser::dialect::PostgreSqlDialect;
use ::sqlparser::parser::Parser;
use policy_core::{Action, Resource, Value, Verb};

use super::lex::{Lexer, Token, TokenKind};
use super::limits::Logic;
use super::names::Target;
use super::session::Session;
use super::stack::on_a_stack_for;
use super::statement::{Flow, FlowTarget, Kind, Outputs, Statement, Transaction};
use super::{ColumnRef, ColumnSet, Environment, Grammar, Limits, Rejected, shipped};

/// The grammar of the crate `sqlparser`, where it can be trusted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sqlparser {
    limits: Limits,
}

impl Sqlparser {
    /// The grammar with its default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// The grammar with limits of the caller's choice.
    pub const fn with_limits(limits: Limits) -> Self {
        Self { limits }
    }
}

impl Grammar for Sqlparser {
    fn parse(&self, text: &str, environment: &Environment<'_>) -> Result<Vec<Statement>, Rejected> {
        let measure = self.limits.check(text, Logic::Nested)?;
        on_a_stack_for(measure.depth, || {
            let mut session = Session::new(environment);
            let mut statements = Vec::new();
            for piece in pieces(text)? {
                let statement = judge(text, &piece, &session);
                // What is not understood may change what names mean.
                session.follow(&statement);
                statements.push(statement);
            }
            if statements.is_empty() {
                let noop = Action::new(Verb::NOOP, Resource::None);
                statements.push(plain(0..text.len(), Kind::Noop, vec![noop], Outputs::default(), &[]));
            }
            Ok(statements)
        })
    }
}

/// The tokens of each statement. PostgreSQL has semicolons inside a statement only in brackets and in SQL function
/// bodies, and neither is judged here.
fn pieces(text: &str) -> Result<Vec<Vec<Token>>, Rejected> {
    let mut pieces = vec![Vec::new()];
    for token in Lexer::new(text) {
        let token = token.map_err(|malformed| Rejected::Syntax {
            message: format!("{} at byte {}", malformed.what, malformed.offset).into(),
        })?;
        match (token.kind, pieces.last_mut()) {
            (TokenKind::Semicolon, _) => pieces.push(Vec::new()),
            (_, Some(piece)) => piece.push(token),
            (_, None) => {}
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    Ok(pieces)
}

fn judge(text: &str, tokens: &[Token], session: &Session<'_>) -> Statement {
    let span = match (tokens.first(), tokens.last()) {
        (Some(first), Some(last)) => first.span.start..last.span.end,
        _ => 0..text.len(),
    };
    let words: Vec<Word<'_>> = tokens.iter().map(|token| Word::new(text, token)).collect();
    let judged = match words.first().map(|word| word.folded.as_str()) {
        Some("begin") if words.len() == 1 => Some(transaction("begin", Transaction::Begin)),
        Some("commit") if words.len() == 1 => {
            Some(transaction("commit", Transaction::Commit { chain: false }))
        }
        Some("rollback") if words.len() == 1 => {
            Some(transaction("rollback", Transaction::Rollback { chain: false }))
        }
        Some("select" | "with" | "insert" | "update" | "delete") => {
            text.get(span.clone()).and_then(|piece| rows(piece, &words, session))
        }
        _ => None,
    };
    let (kind, actions) = judged.unwrap_or_else(|| (Kind::Unknown, vec![Action::unknown()]));
    let outputs = match &kind {
        Kind::Transaction(_) => Outputs::default(),
        _ => Outputs::unknown(),
    };
    plain(span, kind, actions, outputs, &words)
}

fn plain(
    span: Range<usize>,
    kind: Kind,
    actions: Vec<Action>,
    outputs: Outputs,
    words: &[Word<'_>],
) -> Statement {
    let writes = matches!(kind, Kind::Insert | Kind::Update | Kind::Unknown);
    let flow = Flow { target: FlowTarget::Column(ColumnRef::Unknown), sources: ColumnSet::unknown() };
    let is_data = !matches!(kind, Kind::Noop | Kind::Transaction(_));
    let parameters =
        words.iter().filter_map(|word| word.slice.strip_prefix('$')?.parse().ok()).max().unwrap_or(0);
    // No definition is understood by this grammar.
    let defines =
        matches!(kind, Kind::Definition | Kind::Call | Kind::Unknown).then_some(super::Definition::Other);
    Statement {
        span,
        kind,
        defines,
        actions,
        outputs,
        predicates: if is_data { ColumnSet::unknown() } else { ColumnSet::new() },
        flows: if writes { vec![flow] } else { Vec::new() },
        parameters,
        settings: Vec::new(),
        notes: Vec::new(),
    }
}

fn transaction(verb: &'static str, transaction: Transaction) -> (Kind, Vec<Action>) {
    (Kind::Transaction(transaction), vec![Action::new(Verb::new(verb), Resource::None)])
}

/// A token with its text.
struct Word<'a> {
    kind: TokenKind,
    slice: &'a str,
    /// The text as the server folds it: without quotes, in lower case unless quoted.
    folded: String,
}

impl<'a> Word<'a> {
    fn new(text: &'a str, token: &Token) -> Self {
        let slice = text.get(token.span.clone()).unwrap_or_default();
        let folded = match token.kind {
            TokenKind::QuotedWord => {
                let inner = slice.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
                inner.unwrap_or(slice).replace("\"\"", "\"")
            }
            _ => slice.to_ascii_lowercase(),
        };
        Self { kind: token.kind, slice, folded }
    }

    fn is_name(&self) -> bool {
        matches!(self.kind, TokenKind::Word | TokenKind::QuotedWord)
    }
}

/// Keywords whose syntax both grammars read alike.
const PLAIN: &[&str] = &[
    "all",
    "and",
    "as",
    "asc",
    "between",
    "bigint",
    "boolean",
    "case",
    "char",
    "coalesce",
    "cross",
    "default",
    "desc",
    "distinct",
    "else",
    "end",
    "except",
    "exists",
    "false",
    "float",
    "from",
    "full",
    "greatest",
    "group",
    "having",
    "ilike",
    "in",
    "inner",
    "int",
    "integer",
    "intersect",
    "into",
    "is",
    "join",
    "least",
    "left",
    "like",
    "limit",
    "not",
    "null",
    "nullif",
    "numeric",
    "offset",
    "on",
    "or",
    "order",
    "outer",
    "real",
    "returning",
    "right",
    "select",
    "smallint",
    "then",
    "true",
    "union",
    "using",
    "values",
    "varchar",
    "when",
    "where",
    "with",
];

/// Keywords that open a bracket without calling a function.
const NO_CALL: &[&str] = &[
    "all",
    "and",
    "as",
    "between",
    "by",
    "case",
    "coalesce",
    "distinct",
    "else",
    "except",
    "exists",
    "from",
    "greatest",
    "having",
    "ilike",
    "in",
    "intersect",
    "join",
    "least",
    "like",
    "limit",
    "not",
    "nullif",
    "offset",
    "on",
    "or",
    "over",
    "returning",
    "select",
    "set",
    "then",
    "union",
    "using",
    "values",
    "when",
    "where",
];

/// What is more than a name only sometimes, and does something else then.
const NEVER: &[&str] = &[
    "call",
    "conflict",
    "copy",
    "cube",
    "cycle",
    "delete",
    "do",
    "execute",
    "explain",
    "grouping",
    "insert",
    "merge",
    "operator",
    "recursive",
    "rollup",
    "rows",
    "search",
    "sets",
    "uescape",
    "update",
    "within",
    "xmltable",
];

/// A statement on rows; `None` where it is not surely one that both grammars read alike.
fn rows(piece: &str, words: &[Word<'_>], session: &Session<'_>) -> Option<(Kind, Vec<Action>)> {
    if !words.iter().enumerate().all(|(index, word)| is_plain(word, index)) {
        return None;
    }
    let parsed = Parser::parse_sql(&PostgreSqlDialect {}, piece).ok()?;
    let [statement] = parsed.as_slice() else {
        return None;
    };
    let mut read: Vec<Resource> = Vec::new();
    let _ = visit_relations(statement, |name| {
        read.push(target(session, name).resource());
        ControlFlow::<()>::Continue(())
    });
    let has = |keyword: &str| words.iter().any(|word| word.kind == TokenKind::Word && word.folded == keyword);
    let filtered = || if has("where") { Value::Undetermined } else { Value::Bool(false) };
    let (kind, verb, written) = match statement {
        ast::Statement::Query(_) if !has("into") => (Kind::Select, None, None),
        ast::Statement::Insert(insert) => match &insert.table {
            TableObject::TableName(name) => (Kind::Insert, Some("insert"), Some(target(session, name))),
            _ => return None,
        },
        ast::Statement::Update(update) => {
            (Kind::Update, Some("update"), Some(written(session, std::slice::from_ref(&update.table))?))
        }
        ast::Statement::Delete(delete) => {
            let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
            (Kind::Delete, Some("delete"), Some(written(session, from)?))
        }
        _ => return None,
    };
    let mut actions = Vec::new();
    if let (Some(verb), Some(written)) = (verb, written) {
        let target = written.resource();
        if let Target::Known(relation) = &written {
            if relation.rewritten {
                return None;
            }
            let fired = relation.triggers.iter().filter(|trigger| match verb {
                "insert" => trigger.insert,
                "update" => trigger.update,
                _ => trigger.delete,
            });
            for trigger in fired {
                actions.push(Action::new(Verb::new("call"), Resource::Named(trigger.function.clone())));
            }
        }
        if let Some(at) = read.iter().position(|resource| *resource == target)
            && !has("returning")
        {
            read.remove(at);
        } else if has("returning") {
            read.push(target.clone());
        }
        let mut action = Action::new(Verb::new(verb), target).with("writes", Value::Undetermined);
        if verb != "insert" {
            action = action
                .with("reads", Value::Undetermined)
                .with("predicates", Value::Undetermined)
                .with("filtered", filtered());
        }
        actions.push(action);
    }
    for resource in read {
        actions.push(
            Action::new(Verb::new("select"), resource)
                .with("reads", Value::Undetermined)
                .with("predicates", Value::Undetermined)
                .with("limit", Value::Undetermined),
        );
    }
    calls(words, session, &mut actions);
    casts(words, session, &mut actions)?;
    if actions.is_empty() {
        actions.push(Action::new(Verb::NOOP, Resource::None));
    }
    let mut unique: Vec<Action> = Vec::new();
    for action in actions {
        if !unique.contains(&action) {
            unique.push(action);
        }
    }
    Some((kind, unique))
}

fn is_plain(word: &Word<'_>, index: usize) -> bool {
    match word.kind {
        TokenKind::Word => {
            let folded = word.folded.as_str();
            let is_first = index == 0;
            (is_first || !NEVER.contains(&folded))
                && (PLAIN.contains(&folded) || !shipped::is_keyword(folded))
        }
        // Forms that the two lexers read differently.
        TokenKind::QuotedWord => word.slice.starts_with('"'),
        TokenKind::Text => word.slice.starts_with('\'') && !word.slice.contains(['\n', '\r', '\\']),
        TokenKind::Number => word.slice.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'),
        TokenKind::Operator => matches!(
            word.slice,
            "+" | "-" | "*" | "/" | "%" | "=" | "<" | ">" | "<=" | ">=" | "<>" | "!=" | "||" | "::" | "~"
        ),
        TokenKind::Open | TokenKind::Close => matches!(word.slice, "(" | ")"),
        TokenKind::Mark => word.slice == ".",
        TokenKind::Parameter | TokenKind::Comma | TokenKind::Semicolon => true,
    }
}

fn written<'a>(session: &Session<'a>, tables: &[ast::TableWithJoins]) -> Option<Target<'a>> {
    let [table] = tables else {
        return None;
    };
    match &table.relation {
        TableFactor::Table { name, .. } if table.joins.is_empty() => Some(target(session, name)),
        _ => None,
    }
}

fn target<'a>(session: &Session<'a>, name: &ObjectName) -> Target<'a> {
    let parts: Option<Vec<String>> = name
        .0
        .iter()
        .map(|part| {
            let ident = part.as_ident()?;
            Some(match ident.quote_style {
                Some(_) => ident.value.clone(),
                None => ident.value.to_ascii_lowercase(),
            })
        })
        .collect();
    match parts.as_deref() {
        Some([name]) => session.relation_named("", name),
        Some([.., schema, name]) => session.relation_named(schema, name),
        Some([]) | None => Target::Undetermined,
    }
}

/// Every name before a bracket may be a function, and every field may be one of a row.
fn calls(words: &[Word<'_>], session: &Session<'_>, actions: &mut Vec<Action>) {
    for (index, word) in words.iter().enumerate() {
        let follows = words.get(index + 1).map(|next| next.slice);
        let is_field = index > 0 && words.get(index - 1).is_some_and(|before| before.slice == ".");
        if word.is_name() && is_field && follows != Some("(") && session.has_function(&word.folded) {
            // `t.f` is `f(t)` where `t` has no column `f`.
            for judged in session.function(&[&word.folded]).judged {
                actions.push(Action::new(Verb::new("call"), judged));
            }
        }
        let opens = follows == Some("(");
        let is_keyword = word.kind == TokenKind::Word && NO_CALL.contains(&word.folded.as_str());
        if !word.is_name() || !opens || is_keyword {
            continue;
        }
        let path = path_to(words, index);
        let callee = session.function(&path);
        let is_sequence = path.last() == Some(&"nextval") && callee.class.is_some();
        for judged in callee.judged {
            let judged = if is_sequence { Resource::Undetermined } else { judged };
            actions.push(Action::new(Verb::new("call"), judged).with("arguments", Value::Undetermined));
        }
        if callee.class.is_some() && path.last() == Some(&"set_config") {
            actions.push(Action::unknown());
        }
    }
}

/// `x::type` and `type 'literal'`; `None` where what follows is not a plain name.
fn casts(words: &[Word<'_>], session: &Session<'_>, actions: &mut Vec<Action>) -> Option<()> {
    for (index, word) in words.iter().enumerate() {
        let before_text = word.is_name()
            && words.get(index + 1).is_some_and(|next| next.kind == TokenKind::Text)
            && !(word.kind == TokenKind::Word && PLAIN.contains(&word.folded.as_str()));
        let path = if word.slice == "::" {
            let mut end = index + 1;
            while words.get(end + 1).is_some_and(|next| next.slice == ".") {
                end += 2;
            }
            words.get(end).filter(|word| word.is_name())?;
            path_to(words, end)
        } else if before_text {
            path_to(words, index)
        } else {
            continue;
        };
        if let Some(resource) = session.cast(&path) {
            actions.push(Action::new(Verb::new("call"), resource));
        }
    }
    Some(())
}

/// The dotted name that ends at a word.
fn path_to<'w>(words: &'w [Word<'_>], end: usize) -> Vec<&'w str> {
    let mut start = end;
    while start >= 2
        && words.get(start - 1).is_some_and(|word| word.slice == ".")
        && words.get(start - 2).is_some_and(Word::is_name)
    {
        start -= 2;
    }
    words
        .get(start..=end)
        .unwrap_or_default()
        .iter()
        .filter(|word| word.is_name())
        .map(|word| word.folded.as_str())
        .collect()
}
