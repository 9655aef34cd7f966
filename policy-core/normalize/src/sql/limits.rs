//! Caps on a text, checked before anything that recurses sees it.

use super::Rejected;
use super::lex::{Lexer, Token, TokenKind};

/// How much a text may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes.
    pub bytes: usize,
    /// Tokens, comments not counted.
    pub tokens: usize,
    /// An upper bound of the parse tree's depth: open brackets, and in each of them the operators, joins, set
    /// operations and CASEs that may nest in one another without brackets.
    pub depth: usize,
}

impl Default for Limits {
    /// 1 MiB, 200,000 tokens, 500 deep.
    fn default() -> Self {
        Self { bytes: 1 << 20, tokens: 200_000, depth: 500 }
    }
}

/// How many tokens the trees of all `SET (a, b) = …` may repeat.
const REPEATED: usize = 2_000_000;

/// What the scan found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Measure {
    /// The bound on depth that the text stays under.
    pub(crate) depth: usize,
}

/// Whether AND and OR make flat lists, as in PostgreSQL's grammar, or nest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logic {
    #[cfg(feature = "sql")]
    Flat,
    #[cfg(feature = "sqlparser")]
    Nested,
}

impl Limits {
    /// Scans a text once, without recursion.
    pub(crate) fn check(&self, text: &str, logic: Logic) -> Result<Measure, Rejected> {
        if text.len() > self.bytes {
            return Err(Rejected::TooLong { length: text.len(), limit: self.bytes });
        }
        let mut lexer = Lexer::new(text);
        let mut gauge = Gauge { levels: vec![Level::default()], sum: 1, logic };
        let mut assignments = Assignments::default();
        let mut tokens = 0_usize;
        let mut deepest = 0_usize;
        while let Some(token) = lexer.next() {
            let token = token.map_err(|malformed| Rejected::Syntax {
                message: format!("{} at byte {}", malformed.what, malformed.offset).into(),
            })?;
            tokens += 1;
            if tokens > self.tokens {
                return Err(Rejected::TooManyTokens { limit: self.tokens });
            }
            let slice = lexer.slice(&token);
            assignments.take(&token, slice, gauge.levels.len());
            gauge.take(&token, slice);
            if gauge.sum > self.depth || assignments.nested {
                return Err(Rejected::TooDeep { limit: self.depth, offset: token.span.start });
            }
            deepest = deepest.max(gauge.sum);
        }
        // The tree holds the source of `SET (a, b) = …` once for each column.
        if assignments.columns.saturating_mul(tokens) > REPEATED {
            return Err(Rejected::TooManyTokens { limit: REPEATED / assignments.columns.max(1) });
        }
        Ok(Measure { depth: deepest })
    }
}

/// How many nodes may lie above the next token without brackets of their own.
#[derive(Clone, Copy, Default)]
struct Level {
    /// Operators: they end at AND, OR, THEN, a comma.
    soft: usize,
    /// NOT, CASE, BETWEEN, JOIN: they end at a comma.
    firm: usize,
    /// UNION, INTERSECT, EXCEPT: they end with the statement.
    sets: usize,
}

struct Gauge {
    levels: Vec<Level>,
    /// All levels' counts, and one for each level.
    sum: usize,
    logic: Logic,
}

impl Gauge {
    fn take(&mut self, token: &Token, slice: &str) {
        match token.kind {
            TokenKind::Open => {
                self.levels.push(Level::default());
                self.sum += 1;
            }
            TokenKind::Close => {
                if self.levels.len() > 1
                    && let Some(level) = self.levels.pop()
                {
                    self.sum -= level.soft + level.firm + level.sets + 1;
                }
            }
            TokenKind::Comma => self.end(true),
            TokenKind::Semicolon if self.levels.len() == 1 => {
                self.levels.clear();
                self.levels.push(Level::default());
                self.sum = 1;
            }
            TokenKind::Operator => self.count(slice.len(), |level| &mut level.soft),
            TokenKind::Word => self.word(slice),
            _ => {}
        }
    }

    fn word(&mut self, word: &str) {
        let is = |keywords: &[&str]| keywords.iter().any(|keyword| word.eq_ignore_ascii_case(keyword));
        match word.len() {
            2 if is(&["or"]) => self.logic(),
            2 if is(&["is", "in", "at"]) => self.count(1, |level| &mut level.soft),
            3 if is(&["and"]) => self.logic(),
            3 if is(&["not"]) => self.count(1, |level| &mut level.firm),
            4 if is(&["case"]) => self.open_case(),
            4 if is(&["join"]) => self.count(2, |level| &mut level.firm),
            4 if is(&["when", "then", "else"]) => self.end(false),
            4 if is(&["like"]) => self.count(1, |level| &mut level.soft),
            5 if is(&["union"]) => self.count(1, |level| &mut level.sets),
            5 if is(&["ilike"]) => self.count(1, |level| &mut level.soft),
            6 if is(&["except"]) => self.count(1, |level| &mut level.sets),
            6 if is(&["isnull", "escape"]) => self.count(1, |level| &mut level.soft),
            7 if is(&["between"]) => self.count(2, |level| &mut level.firm),
            7 if is(&["collate", "notnull", "similar"]) => self.count(1, |level| &mut level.soft),
            8 if is(&["overlaps", "operator"]) => self.count(1, |level| &mut level.soft),
            9 if is(&["intersect"]) => self.count(1, |level| &mut level.sets),
            _ => {}
        }
    }

    fn logic(&mut self) {
        match self.logic {
            #[cfg(feature = "sql")]
            Logic::Flat => self.end(false),
            #[cfg(feature = "sqlparser")]
            Logic::Nested => self.count(1, |level| &mut level.firm),
        }
    }

    /// Operators before a CASE may lie above all of it (`- - CASE …`), so WHEN must not end them.
    fn open_case(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            level.firm += level.soft;
            level.soft = 0;
        }
        self.count(2, |level| &mut level.firm);
    }

    fn count(&mut self, by: usize, field: impl Fn(&mut Level) -> &mut usize) {
        if let Some(level) = self.levels.last_mut() {
            *field(level) += by;
            self.sum += by;
        }
    }

    /// What was counted no longer lies above what follows.
    fn end(&mut self, firm: bool) {
        if let Some(level) = self.levels.last_mut() {
            self.sum -= level.soft;
            level.soft = 0;
            if firm {
                self.sum -= level.firm;
                level.firm = 0;
            }
        }
    }
}

/// Watches `SET (a, b) = …`. PostgreSQL's tree shares the right side between the columns, and its protobuf form writes
/// it out for each: one inside another would grow without bound.
#[derive(Default)]
struct Assignments {
    /// Bracket levels after a SET.
    assigning: Vec<usize>,
    /// Those of them that have assigned to a list of columns.
    lists: Vec<usize>,
    /// The bracket level inside the list that is open.
    list: Option<usize>,
    /// Whether a list may start here: after SET or a comma.
    may_start: bool,
    columns: usize,
    nested: bool,
}

impl Assignments {
    fn take(&mut self, token: &Token, slice: &str, level: usize) {
        let is_set = token.kind == TokenKind::Word && slice.eq_ignore_ascii_case("set");
        match token.kind {
            TokenKind::Open if self.may_start && self.assigning.contains(&level) => {
                self.nested |= self.lists.iter().any(|outer| *outer < level);
                if !self.lists.contains(&level) {
                    self.lists.push(level);
                }
                self.list = Some(level + 1);
                self.columns += 1;
            }
            TokenKind::Comma if self.list == Some(level) => self.columns += 1,
            TokenKind::Close => {
                if self.list == Some(level) {
                    self.list = None;
                }
                self.assigning.retain(|outer| *outer < level);
                self.lists.retain(|outer| *outer < level);
            }
            TokenKind::Semicolon if level == 1 => {
                *self = Self { columns: self.columns, nested: self.nested, ..Self::default() };
            }
            TokenKind::Word if is_set && !self.assigning.contains(&level) => self.assigning.push(level),
            _ => {}
        }
        self.may_start = is_set || token.kind == TokenKind::Comma;
    }
}
