//! A text as a document, by `apollo-parser`.
//!
//! That parser goes on behind an error and keeps its errors beside the tree, so a tree is read only where there are none and
//! it holds the whole text; and what it lets pass in silence (an argument without a value, a string that begins with the end
//! of a line) is refused here, as are definitions of types. Its recursion is bounded before it begins: the brackets of its own lexer's tokens are counted.

use std::collections::HashMap;

use apollo_parser::cst::{self, CstNode};
use apollo_parser::{Lexer, Parser, SyntaxKind, SyntaxNode, TokenKind};

use super::document::{Document, Field, Literal, Operation, Selection};
use super::{MAX_DEPTH, MAX_NAME, MAX_TEXT, MAX_TOKENS};

/// What block strings are written in.
const BLOCK: &str = "\"\"\"";

/// The document of this text; `None` where it is none that a server would run, or is too much.
pub(super) fn read(text: &str) -> Option<Document> {
    // Other control characters were no part of any text before the revision of September 2025.
    let is_odd = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    if text.len() > MAX_TEXT || text.contains(is_odd) || !is_shallow(text) {
        return None;
    }
    let tree = Parser::new(text).recursion_limit(2 * MAX_DEPTH).token_limit(MAX_TOKENS).parse();
    let root = tree.document();
    let is_whole = usize::from(root.syntax().text_range().len()) == text.len();
    if tree.errors().len() > 0 || !is_whole || !root.syntax().descendants().all(has_value) {
        return None;
    }
    let (mut operations, mut fragments) = (Vec::new(), Vec::new());
    for definition in root.definitions() {
        match definition {
            cst::Definition::OperationDefinition(found) => operations.push(operation(&found)?),
            cst::Definition::FragmentDefinition(found) => {
                fragments.push((name(found.fragment_name()?.name())?, selections(found.selection_set())?));
            }
            _ => return None,
        }
    }
    Document::new(operations, fragments)
}

/// Whether it is no argument (of a directive too) or field of an object, or has a value, which the parser does not ask for.
fn has_value(node: SyntaxNode) -> bool {
    match node.kind() {
        SyntaxKind::ARGUMENT => cst::Argument::cast(node).is_some_and(|found| found.value().is_some()),
        SyntaxKind::OBJECT_FIELD => cst::ObjectField::cast(node).is_some_and(|found| found.value().is_some()),
        kind => kind != SyntaxKind::ERROR,
    }
}

/// Whether it is a text of tokens whose brackets nest no deeper than [`MAX_DEPTH`].
fn is_shallow(text: &str) -> bool {
    let mut depth = 0_usize;
    for token in Lexer::new(text).with_limit(MAX_TOKENS) {
        let Ok(token) = token else { return false };
        match token.kind() {
            TokenKind::LCurly | TokenKind::LParen | TokenKind::LBracket => depth += 1,
            TokenKind::RCurly | TokenKind::RParen | TokenKind::RBracket => depth = depth.saturating_sub(1),
            // A line that ends right behind the quote passes its lexer, and no server's.
            TokenKind::StringValue
                if !token.data().starts_with(BLOCK) && token.data().contains(['\n', '\r']) =>
            {
                return false;
            }
            _ => {}
        }
        if depth > MAX_DEPTH {
            return false;
        }
    }
    true
}

fn operation(found: &cst::OperationDefinition) -> Option<Operation> {
    let verb = match found.operation_type() {
        None => "query",
        Some(kind) if kind.query_token().is_some() => "query",
        Some(kind) if kind.mutation_token().is_some() => "mutate",
        Some(kind) if kind.subscription_token().is_some() => "subscribe",
        Some(_) => return None,
    };
    let name = match found.name() {
        None => None,
        some => Some(name(some)?),
    };
    let mut variables = HashMap::new();
    for variable in found.variable_definitions().into_iter().flat_map(|all| all.variable_definitions()) {
        variable.ty()?;
        let default = match variable.default_value() {
            None => None,
            Some(default) => Some(literal(&default.value()?)?),
        };
        if variables.insert(self::name(variable.variable()?.name())?, default).is_some() {
            return None;
        }
    }
    Some(Operation { verb, name, variables, selections: selections(found.selection_set())? })
}

fn selections(found: Option<cst::SelectionSet>) -> Option<Vec<Selection>> {
    let found = found?;
    let selections: Option<Vec<Selection>> = found.selections().map(|one| selection(&one)).collect();
    selections.filter(|selections| !selections.is_empty() && found.r_curly_token().is_some())
}

fn selection(found: &cst::Selection) -> Option<Selection> {
    Some(match found {
        cst::Selection::Field(field) => Selection::Field(Field {
            alias: match field.alias() {
                None => None,
                Some(alias) => Some(name(alias.name())?),
            },
            name: name(field.name())?,
            arguments: field
                .arguments()
                .into_iter()
                .flat_map(|all| all.arguments())
                .map(|argument| Some((name(argument.name())?, literal(&argument.value()?)?)))
                .collect::<Option<_>>()?,
            selections: match field.selection_set() {
                None => vec![],
                some => selections(some)?,
            },
        }),
        cst::Selection::FragmentSpread(spread) => Selection::Spread(name(spread.fragment_name()?.name())?),
        cst::Selection::InlineFragment(inline) => Selection::Inline(selections(inline.selection_set())?),
    })
}

fn literal(found: &cst::Value) -> Option<Literal> {
    Some(match found {
        cst::Value::Variable(variable) => Literal::Variable(name(variable.name())?),
        cst::Value::StringValue(string) => text(&string.syntax().text().to_string()),
        cst::Value::IntValue(integer) => {
            integer.int_token()?.text().parse().map_or(Literal::Other, Literal::Integer)
        }
        cst::Value::BooleanValue(value) => Literal::Bool(value.true_token().is_some()),
        cst::Value::NullValue(_) => Literal::Null,
        cst::Value::EnumValue(value) => Literal::Text(name(value.name())?),
        cst::Value::ObjectValue(object) => Literal::Object(
            object
                .object_fields()
                .map(|field| Some((name(field.name())?, literal(&field.value()?)?)))
                .collect::<Option<_>>()?,
        ),
        cst::Value::FloatValue(_) | cst::Value::ListValue(_) => Literal::Other,
    })
}

/// A string by its token. Its escapes are JSON's and one more; what JSON does not know, a block string among it, is not compared.
fn text(token: &str) -> Literal {
    serde_json::from_str(token.trim_end_matches([' ', '\t', '\n', '\r', ',']))
        .map_or(Literal::Other, Literal::Text)
}

fn name(found: Option<cst::Name>) -> Option<String> {
    Some(found?.text().to_string()).filter(|name| (1..=MAX_NAME).contains(&name.len()))
}
