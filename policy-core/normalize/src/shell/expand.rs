//! Words → arguments: what expansions become, as far as the text tells, and what they run.

use super::argument::{Argument, Hole};
use super::ast::{Operation, Part, Word};
use super::brace;
use super::dialect::Dialect;
use super::grammar::is_name;
use super::limits::Fault;
use super::run::Runner;
use super::variables::{Known, State, is_dangerous, is_special, is_worked_out};

/// A word on its way to an argument.
#[derive(Default)]
struct Field {
    pieces: Vec<Piece>,
    /// Stays even when it is empty: something in it was quoted.
    quoted: bool,
    /// `"$@"` in it stands for no word at all.
    vanishes: bool,
}

enum Piece {
    Text { text: String, quoted: bool },
    Unknown { many: bool, option: bool, number: bool },
}

/// The fields of one word.
struct Fields {
    done: Vec<Field>,
    current: Option<Field>,
}

/// What a parameter is worth.
enum Worth {
    Text(String),
    Number {
        option: bool,
    },
    Nothing,
    /// `$@` and `$*`.
    List(Option<Vec<String>>),
}

impl Runner<'_> {
    /// The arguments that words become. Commands in them are followed.
    pub(super) fn arguments(&mut self, words: &[Word], state: &mut State) -> Result<Vec<Argument>, Fault> {
        let mut arguments = vec![];
        for word in words {
            self.argument(word, state, &mut arguments)?;
        }
        Ok(arguments)
    }

    fn argument(
        &mut self,
        word: &Word,
        state: &mut State,
        arguments: &mut Vec<Argument>,
    ) -> Result<(), Fault> {
        let words = if self.dialect.has_extensions() {
            brace::expand(word, self.dialect.has_sequences(), self.budget)?
        } else {
            Some(vec![word.clone()])
        };
        let Some(words) = words else {
            self.effects(word, state)?;
            arguments.push(Argument::anything());
            return Ok(());
        };
        for word in &words {
            self.budget.steps(1 + word.len())?;
            let mut fields = Fields { done: vec![], current: None };
            self.fields(word, true, state, &mut fields)?;
            fields.done.extend(fields.current.take());
            // The empty word of braces.
            if fields.done.is_empty() && word.is_empty() && self.dialect.keeps_empty_words() {
                arguments.push(Argument::Text(String::new()));
            }
            for field in fields.done {
                if field.vanishes && field.pieces.is_empty() {
                    // Beside other quotes shells disagree about what stays.
                    if word.len() > 2 {
                        arguments.push(Argument::anything());
                    }
                    continue;
                }
                let argument = self.settled(field)?;
                arguments.extend(argument);
            }
            if arguments.len() > self.budget.limits.tokens {
                return Err(Fault::Limit);
            }
        }
        Ok(())
    }

    /// The one value of a word that is neither split nor matched against files.
    pub(super) fn value(&mut self, word: &Word, state: &mut State) -> Result<Known, Fault> {
        if let [Part::Arithmetic { parts, .. }] = word.as_slice() {
            self.arithmetic(parts, state)?;
            return Ok(Known::Number);
        }
        let mut text = Some(String::new());
        for (index, part) in word.iter().enumerate() {
            self.budget.steps(1)?;
            match part {
                Part::Plain(plain) => {
                    let starts = index == 0 || (self.dialect == Dialect::Zsh && text.as_deref() == Some(""));
                    let tilde = plain.contains(":~") || (starts && plain.starts_with('~'));
                    let equals = self.dialect == Dialect::Zsh
                        && ((starts && plain.starts_with('=')) || plain.contains(":="));
                    append(&mut text, (!tilde && !equals).then_some(plain.as_str()));
                }
                Part::Quoted(quoted) => append(&mut text, Some(quoted)),
                other => {
                    let mut quoted = other.clone();
                    if let Part::Parameter { quoted, .. } = &mut quoted {
                        *quoted = true;
                    }
                    let mut fields = Fields { done: vec![], current: Some(Field::default()) };
                    self.fields(&[quoted], false, state, &mut fields)?;
                    let single = fields.done.is_empty();
                    let field = fields.current.filter(|_| single);
                    let known = field.and_then(|field| {
                        field
                            .pieces
                            .into_iter()
                            .map(|piece| match piece {
                                Piece::Text { text, .. } => Some(text),
                                Piece::Unknown { .. } => None,
                            })
                            .collect::<Option<Vec<_>>>()
                    });
                    append(&mut text, known.map(|texts| texts.concat()).as_deref());
                }
            }
            if let Some(text) = &text {
                self.budget.expanded(1)?;
                if text.len() > self.budget.limits.bytes {
                    return Err(Fault::Limit);
                }
            }
        }
        let Some(text) = text else { return Ok(Known::Nothing) };
        self.budget.expanded(text.len())?;
        Ok(Known::text(text))
    }

    /// Follows what a word runs, whatever it becomes.
    pub(super) fn effects(&mut self, word: &Word, state: &mut State) -> Result<(), Fault> {
        self.value(word, state).map(drop)
    }

    fn fields(
        &mut self,
        parts: &[Part],
        outer: bool,
        state: &mut State,
        fields: &mut Fields,
    ) -> Result<(), Fault> {
        for (index, part) in parts.iter().enumerate() {
            self.budget.steps(1)?;
            // zsh looks behind what expands to nothing.
            let nothing = || fields.current.as_ref().is_none_or(|field| field.pieces.is_empty());
            let starts = index == 0 || (self.dialect == Dialect::Zsh && nothing());
            match part {
                Part::Plain(text) if outer && starts && text.starts_with('~') => {
                    self.tilde(text, state, fields)
                }
                Part::Plain(text)
                    if outer
                        && starts
                        && text.len() > 1
                        && text.starts_with('=')
                        && self.dialect == Dialect::Zsh =>
                {
                    fields.unknown(false, true, false);
                }
                Part::Plain(text) if outer && (text.contains("=~") || text.contains(":~")) => {
                    fields.push(text.split('~').next().unwrap_or_default(), false);
                    fields.unknown(false, true, false);
                }
                Part::Plain(text) if outer => fields.push(text, false),
                // The default of `${x:-default}`, unquoted.
                Part::Plain(text) => self.split(text, fields)?,
                Part::Quoted(text) => fields.push(text, true),
                Part::Opaque { quoted } => {
                    self.may_be_interrupted(state)?;
                    fields.unknown(!quoted, true, false);
                }
                Part::Parameter { name, operation, quoted } => {
                    self.parameter(name, operation, *quoted, state, fields)?;
                }
                Part::Command { program, quoted } => {
                    self.budget.steps(state.size())?;
                    let mut inner = state.clone();
                    self.deeper(|runner| runner.program(program, &mut inner))?;
                    fields.unknown(!quoted, true, false);
                }
                Part::Arithmetic { parts, .. } => {
                    self.arithmetic(parts, state)?;
                    fields.unknown(false, true, true);
                }
                Part::Process(program) => {
                    self.budget.steps(state.size())?;
                    let mut inner = state.clone();
                    self.deeper(|runner| runner.program(program, &mut inner))?;
                    fields.push("/dev/fd/", true);
                    fields.unknown(false, false, false);
                }
            }
        }
        Ok(())
    }

    fn tilde(&mut self, text: &str, state: &State, fields: &mut Fields) {
        let (user, rest) = text.split_at(text.find('/').unwrap_or(text.len()));
        match self.home(state) {
            Some(home) if user == "~" => fields.push(&home, true),
            // A home directory, or the text itself where there is no such user.
            _ => fields.unknown(false, false, false),
        }
        fields.push(rest, false);
    }

    fn home(&self, state: &State) -> Option<String> {
        match state.get("HOME") {
            Some(Known::Text(home)) => Some(home.to_string()),
            Some(_) => None,
            None => self.environment.home.map(str::to_owned),
        }
    }

    fn worth(&self, name: &str, state: &State) -> Worth {
        match name {
            "@" | "*" => Worth::List(state.positional.as_deref().map(<[String]>::to_vec)),
            "#" | "?" | "$" => Worth::Number { option: false },
            "IFS" if self.dialect.splits() && state.get(name).is_none() => Worth::Text(" \t\n".into()),
            "HOME" => self.home(state).map_or(Worth::Nothing, Worth::Text),
            _ if name.bytes().all(|digit| digit.is_ascii_digit()) => {
                let index = name.parse::<usize>().ok().and_then(|index| index.checked_sub(1));
                match (index, &state.positional) {
                    (Some(index), Some(known)) => Worth::Text(known.get(index).cloned().unwrap_or_default()),
                    _ => Worth::Nothing,
                }
            }
            _ => match state.get(name) {
                Some(Known::Text(text)) => Worth::Text(text.to_string()),
                Some(Known::Number) => Worth::Number { option: true },
                Some(Known::Nothing) | None => Worth::Nothing,
            },
        }
    }

    fn parameter(
        &mut self,
        name: &str,
        operation: &Operation,
        quoted: bool,
        state: &mut State,
        fields: &mut Fields,
    ) -> Result<(), Fault> {
        let worth = self.worth(name, state);
        match (operation, worth) {
            (Operation::Value, Worth::List(Some(texts))) => {
                if quoted && name == "@" && texts.is_empty() {
                    fields.current().vanishes = true;
                    return Ok(());
                }
                if quoted && name == "*" {
                    return self.spread(&texts.join(" "), true, fields);
                }
                for (index, text) in texts.iter().enumerate() {
                    if index > 0 {
                        fields.end();
                    }
                    self.spread(text, quoted, fields)?;
                }
            }
            (Operation::Value, Worth::List(None)) => fields.unknown(!(quoted && name == "*"), true, false),
            (Operation::Value, worth) => self.put(worth, quoted, fields)?,
            (Operation::Length, _) => fields.unknown(false, false, true),
            (Operation::Or { colon, kind, word }, worth) => {
                let empty = match &worth {
                    Worth::Text(text) => Some(text.is_empty()),
                    Worth::Number { .. } => Some(false),
                    Worth::Nothing | Worth::List(_) => None,
                };
                // Set to nothing and not set at all are told apart without a colon only.
                let replaced = match empty {
                    Some(true) => colon.then_some(true),
                    other => other,
                };
                match (kind, replaced) {
                    ('+', Some(false)) => self.fields(word, false, state, fields)?,
                    ('+', Some(true)) | ('-' | '=' | '?', Some(false)) => match kind {
                        '+' => {}
                        _ => self.put(worth, quoted, fields)?,
                    },
                    ('-', Some(true)) => self.fields(word, false, state, fields)?,
                    ('=', Some(true)) => {
                        let value = self.value(word, state)?;
                        self.assign(name, value.clone(), state)?;
                        let worth = match value {
                            Known::Text(text) => Worth::Text(text.to_string()),
                            Known::Number => Worth::Number { option: true },
                            Known::Nothing => Worth::Nothing,
                        };
                        self.put(worth, quoted, fields)?;
                    }
                    _ => {
                        self.effects(word, state)?;
                        if *kind == '=' {
                            self.assign(name, Known::Nothing, state)?;
                        }
                        fields.unknown(!quoted, true, false);
                    }
                }
            }
            (Operation::Other(word), _) => {
                self.may_be_interrupted(state)?;
                self.effects(word, state)?;
                fields.unknown(!quoted || matches!(name, "@"), true, false);
            }
        }
        Ok(())
    }

    fn put(&mut self, worth: Worth, quoted: bool, fields: &mut Fields) -> Result<(), Fault> {
        match worth {
            Worth::Text(text) => self.spread(&text, quoted, fields)?,
            Worth::Number { option } => fields.unknown(false, option, true),
            Worth::Nothing | Worth::List(_) => fields.unknown(!quoted, true, false),
        }
        Ok(())
    }

    /// A known value, split where the shell splits it.
    fn spread(&mut self, text: &str, quoted: bool, fields: &mut Fields) -> Result<(), Fault> {
        self.budget.expanded(text.len())?;
        match (quoted, self.dialect.splits()) {
            (true, _) => fields.push(text, true),
            (false, true) => self.split(text, fields)?,
            (false, false) if text.is_empty() => {}
            (false, false) => fields.push(text, true),
        }
        Ok(())
    }

    fn split(&mut self, text: &str, fields: &mut Fields) -> Result<(), Fault> {
        self.budget.expanded(text.len())?;
        if !self.dialect.splits() {
            fields.push(text, false);
            return Ok(());
        }
        let blank = |character: char| matches!(character, ' ' | '\t' | '\n');
        for (index, piece) in text.split(blank).enumerate() {
            if index > 0 {
                fields.end();
            }
            if piece.contains('\\') {
                // Shells disagree about backslashes in what is matched against files.
                fields.unknown(true, true, false);
            } else if !piece.is_empty() {
                fields.push(piece, false);
            }
        }
        Ok(())
    }

    /// Sets a variable; what changes the commands that run makes all of it unknown.
    pub(super) fn assign(&mut self, name: &str, value: Known, state: &mut State) -> Result<(), Fault> {
        // In another locale other bytes are characters.
        let recodes = matches!(name, "LANG" | "LC_ALL" | "LC_CTYPE") && !self.is_ascii();
        if is_dangerous(name) || recodes || (is_worked_out(name) && !value.is_number()) {
            self.unknown();
        }
        // zsh: `$1` and its like can be assigned to.
        if !is_name(name) {
            self.unknown();
            state.positional = None;
        }
        let fixed = self.frozen.contains(name);
        if fixed || is_special(name) {
            self.may_be_interrupted(state)?;
        }
        state.set(name, if fixed { Known::Nothing } else { value });
        Ok(())
    }

    fn settled(&self, field: Field) -> Result<Option<Argument>, Fault> {
        if field.pieces.is_empty() && !field.quoted {
            return Ok(None);
        }
        let mut text = String::new();
        let mut prefix: Option<String> = None;
        let (mut many, mut option, mut bracket) = (false, false, None);
        let number = matches!(&field.pieces[..], [Piece::Unknown { number: true, .. }]);
        for piece in &field.pieces {
            match piece {
                Piece::Text { text: piece, quoted } => {
                    for character in piece.chars() {
                        let special = match character {
                            '*' | '?' => !quoted,
                            ']' => bracket.is_some(),
                            _ => false,
                        };
                        if character == '[' && !quoted && bracket.is_none() {
                            bracket = Some(text.len());
                        }
                        if special {
                            let start =
                                if character == ']' { bracket.unwrap_or(text.len()) } else { text.len() };
                            let known = text.get(..start.min(text.len())).unwrap_or_default();
                            many = true;
                            if prefix.is_none() {
                                option |= known.is_empty() || known.starts_with('-');
                                prefix = Some(known.to_owned());
                            } else if let Some(shorter) =
                                prefix.as_mut().filter(|prefix| prefix.len() > known.len())
                            {
                                option |= known.is_empty();
                                known.clone_into(shorter);
                            }
                        }
                        text.push(character);
                    }
                }
                Piece::Unknown { many: more, option: dash, .. } => {
                    many |= more;
                    // Further words of a split expansion may be anything.
                    option |= *more || (text.is_empty() && *dash) || text.starts_with('-');
                    prefix.get_or_insert_with(|| text.clone());
                }
            }
        }
        self.budget.expanded(text.len())?;
        Ok(Some(match prefix {
            None => Argument::Text(text),
            Some(prefix) => Argument::Hole(Hole { prefix, many, option, number }),
        }))
    }
}

impl Fields {
    fn current(&mut self) -> &mut Field {
        self.current.get_or_insert_with(Field::default)
    }

    fn push(&mut self, text: &str, quoted: bool) {
        let field = self.current();
        field.quoted |= quoted;
        if !text.is_empty() {
            field.pieces.push(Piece::Text { text: text.into(), quoted });
        }
    }

    fn unknown(&mut self, many: bool, option: bool, number: bool) {
        self.current().pieces.push(Piece::Unknown { many, option, number });
    }

    fn end(&mut self) {
        self.done.extend(self.current.take());
    }
}

fn append(text: &mut Option<String>, more: Option<&str>) {
    match (text.as_mut(), more) {
        (Some(text), Some(more)) => text.push_str(more),
        _ => *text = None,
    }
}
