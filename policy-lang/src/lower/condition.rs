//! Conditions: names resolved, types checked.

use policy_core::rule::{Comparison, Element, Expr, Fact, Literal, Pattern};
use policy_core::vocabulary::{Type, Vocabulary};

use super::Lowering;
use super::reach::Reach;
use crate::ast::{self, Condition, Relation, Spanned, Text, Value};
use crate::check::did_you_mean;
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use crate::words;

/// Where a condition stands, which decides what it may look at.
pub(super) enum Context<'r, 'a> {
    /// Who asks or votes: groups, users, kinds, sets, claims. The word is the clause's.
    Principal(&'static str),
    /// Whom an agent acts for: user, groups, sets of them.
    Owner,
    /// A target's labels.
    Labels,
    /// Everything. The word is the clause's.
    Any(&'r Reach<'a>, &'static str),
}

/// How many sets may be opened inside one condition: a set of sets of sets doubles quickly.
const MAX_SET_USES: usize = 256;

/// A fact with its type, and the vocabulary that reads the names it is compared with.
struct Typed<'a> {
    fact: Fact,
    kind: Type,
    names: Option<&'a Vocabulary>,
}

impl<'a> Lowering<'a> {
    /// Lowers a condition. After an error the result is not used.
    pub(super) fn condition(&mut self, condition: &'a Condition, context: &Context<'_, 'a>) -> Expr {
        self.expr(condition, context, &mut Vec::new(), &mut 0)
    }

    fn expr(
        &mut self,
        condition: &'a Condition,
        context: &Context<'_, 'a>,
        inside: &mut Vec<&'a str>,
        uses: &mut usize,
    ) -> Expr {
        use ast::Expr as Ast;
        let span = condition.span;
        match &condition.value {
            Ast::All(list) => {
                Expr::All(list.iter().map(|item| self.expr(item, context, inside, uses)).collect())
            }
            Ast::Any(list) => {
                Expr::Any(list.iter().map(|item| self.expr(item, context, inside, uses)).collect())
            }
            Ast::Not(inner) => Expr::Not(Box::new(self.expr(inner, context, inside, uses))),
            Ast::Group(name) => {
                self.principal_allowed(span, context);
                self.check_group(name);
                Expr::Group(name.value.clone())
            }
            Ast::User(name) => {
                self.principal_allowed(span, context);
                Expr::User(one_segment(&name.value))
            }
            Ast::OnBehalfOf(owner) => {
                self.principal_allowed(span, context);
                if matches!(context, Context::Owner) {
                    self.beyond_owner(span, "on behalf of");
                    return never();
                }
                Expr::OnBehalfOf(Box::new(self.expr(owner, &Context::Owner, inside, uses)))
            }
            Ast::Bare(fact) => self.bare(fact, context, inside, uses),
            Ast::Compare(fact, relation, value) => self.compare(fact, *relation, value, context),
            Ast::In(fact, values) => self.is_in(fact, values, context),
            Ast::Like(fact, text) => self.like(fact, text, context),
            Ast::Matches(fact, text) => self.matches(fact, text, context),
            Ast::Has(fact, text) => self.has(fact, text, context),
            Ast::Is(fact, elements) => self.shape(fact, elements, context),
        }
    }

    /// A bare word: a kind of principal, a set, or a truth value.
    fn bare(
        &mut self,
        fact: &'a ast::Fact,
        context: &Context<'_, 'a>,
        inside: &mut Vec<&'a str>,
        uses: &mut usize,
    ) -> Expr {
        let name = &*fact.name.value;
        if fact.field.is_none() {
            if let Some(kind) = words::find(words::KINDS, name) {
                self.principal_allowed(fact.span(), context);
                if matches!(context, Context::Owner) {
                    self.beyond_owner(fact.span(), name);
                    return never();
                }
                return Expr::Kind(kind);
            }
            if let Some((&name, &set)) = self.definitions.sets.get_key_value(name) {
                self.principal_allowed(fact.span(), context);
                self.definitions.note_use(name);
                return self.set(name, &set.members, context, fact.span(), inside, uses);
            }
            if name == "group" || name == "user" {
                let label = format!("expected a name: `{name} \"…\"`");
                self.error(fact.span(), format!("`{name}` needs a name in quotes"), label);
                return never();
            }
        }
        let clause = match context {
            Context::Principal(clause) => Some(*clause),
            Context::Owner => Some("on behalf of"),
            Context::Labels | Context::Any(..) => None,
        };
        if let (None, Some(clause)) = (&fact.field, clause) {
            self.unknown_set(fact, clause);
            return never();
        }
        let Some(typed) = self.fact(fact, context) else { return never() };
        if !matches!(typed.kind, Type::Bool | Type::Scalar) {
            let way_out = match typed.kind {
                Type::Integer => format!("`{name} > 100`"),
                Type::List | Type::Names => format!("`{name} has \"…\"`"),
                Type::Bool | Type::Text | Type::Scalar => format!("`{name} == \"…\"`"),
            };
            let message = format!("`{}` is {}, which is neither true nor false", shown(fact), typed.kind);
            self.error(fact.span(), message, format!("compare it: {way_out}"));
        }
        Expr::Holds(typed.fact)
    }

    fn set(
        &mut self,
        name: &'a str,
        members: &'a Condition,
        context: &Context<'_, 'a>,
        span: Span,
        inside: &mut Vec<&'a str>,
        uses: &mut usize,
    ) -> Expr {
        *uses += 1;
        if inside.contains(&name) {
            self.error(span, format!("the set `{name}` contains itself"), "here");
            return never();
        }
        if *uses > MAX_SET_USES {
            if *uses == MAX_SET_USES + 1 {
                let message = format!("a condition can open {MAX_SET_USES} sets at most");
                self.error(span, message, "sets inside sets add up");
            }
            return never();
        }
        inside.push(name);
        let of_owner = matches!(context, Context::Owner);
        let context = if of_owner { Context::Owner } else { Context::Principal("a set") };
        let expr = self.expr(members, &context, inside, uses);
        inside.pop();
        expr
    }

    fn beyond_owner(&mut self, span: Span, what: &str) {
        let found = Diagnostic::error(
            span,
            format!("whom an agent acts for can't be told by `{what}`"),
            "only name and groups are known of them",
        )
        .help("write `agent on behalf of group \"…\"`, or of `user \"…\"`, a set of these, or `( … or … )`");
        self.found.push(found);
    }

    fn principal_allowed(&mut self, span: Span, context: &Context<'_, 'a>) {
        if matches!(context, Context::Labels) {
            self.found.push(
                Diagnostic::error(
                    span,
                    "`where` looks at the target's labels only",
                    "this is about who asks",
                )
                .help("put it in `by`, or in `unless`"),
            );
        }
    }

    fn check_group(&mut self, name: &Text) {
        if let Some(groups) = &self.environment.groups
            && !groups.contains(&name.value)
        {
            let known = || groups.iter().map(|group| &**group);
            let message = format!("no configured identity source produces the group `{}`", name.value);
            let label = did_you_mean(&name.value, known(), "unknown group");
            self.found.push(
                Diagnostic::error(name.span, message, label)
                    .help(format!("groups that can occur: {}", words::listed(known()))),
            );
        }
    }

    /// What a fact means where it stands.
    fn fact(&mut self, fact: &ast::Fact, context: &Context<'_, 'a>) -> Option<Typed<'a>> {
        let text = |fact| Some(Typed { fact, kind: Type::Text, names: None });
        if matches!(context, Context::Owner) {
            self.beyond_owner(fact.span(), &shown(fact));
            return None;
        }
        if let Some(field) = &fact.field {
            return match (&*fact.name.value, context) {
                ("claim", Context::Principal(_) | Context::Any(..)) => text(Fact::Claim(field.value.clone())),
                ("target", Context::Labels | Context::Any(..)) => {
                    self.check_label(field)?;
                    text(Fact::Label(field.value.clone()))
                }
                (_, Context::Any(reach, clause)) => {
                    let name = format!("{}.{}", fact.name.value, field.value);
                    self.attribute(fact, &name, reach, clause)
                }
                _ => {
                    let message = format!("`{}` means nothing here", shown(fact));
                    self.found.push(
                        Diagnostic::error(fact.span(), message, "unknown fact")
                            .help("with a dot there are `claim.NAME` (about who asks) and `target.LABEL`"),
                    );
                    None
                }
            };
        }
        match context {
            Context::Labels => {
                self.check_label(&fact.name)?;
                text(Fact::Label(fact.name.value.clone()))
            }
            // Said above.
            Context::Owner => None,
            Context::Principal(clause) => {
                let message = format!("`{clause}` can't look at `{}`", fact.name.value);
                self.found.push(
                    Diagnostic::error(fact.span(), message, "not about who asks")
                        .help("who asks is told by `group`, `user`, a set or `claim.NAME`")
                        .help("a target's labels stand in `on … where`, a command's attributes in `when`"),
                );
                None
            }
            Context::Any(reach, clause) => match &*fact.name.value {
                "hour" => Some(Typed { fact: Fact::Hour, kind: Type::Integer, names: None }),
                "weekday" => text(Fact::Weekday),
                "source" => text(Fact::Source),
                name => self.attribute(fact, name, reach, clause),
            },
        }
    }

    fn unknown_set(&mut self, fact: &ast::Fact, clause: &str) {
        let name = &*fact.name.value;
        if self.definitions.broken.contains(name) {
            return;
        }
        let sets = self.definitions.sets.keys().copied();
        let kinds = words::KINDS.iter().map(|(kind, _)| *kind);
        let label = did_you_mean(name, sets.chain(kinds).chain(["group", "user"]), "no set of this name");
        let is_attribute = self
            .environment
            .vocabularies
            .iter()
            .any(|vocabulary| vocabulary.verbs.values().any(|verb| verb.attributes.contains_key(name)));
        let help = if is_attribute || words::REQUEST_FACTS.contains(&name) {
            format!("`{clause}` says who; a condition on the command belongs in `when`")
        } else {
            format!("write `group \"{name}\"` or `user \"{name}\"`, or define it: `set {name} = group \"…\"`")
        };
        self.found.push(Diagnostic::error(fact.span(), format!("unknown set `{name}`"), label).help(help));
    }

    fn check_label(&mut self, name: &ast::Word) -> Option<()> {
        if let Some(labels) = &self.environment.labels
            && !labels.contains(&name.value)
        {
            let known = || labels.iter().map(|label| &**label);
            let message = format!("no configured target has the label `{}`", name.value);
            self.found.push(
                Diagnostic::error(name.span, message, did_you_mean(&name.value, known(), "unknown label"))
                    .help(format!("labels in the configuration: {}", words::listed(known()))),
            );
            return None;
        }
        Some(())
    }

    /// An attribute of the rule's actions: every verb of the rule must have it, with one type, for an
    /// attribute that an action lacks is undetermined.
    fn attribute(
        &mut self,
        fact: &ast::Fact,
        name: &str,
        reach: &Reach<'a>,
        clause: &str,
    ) -> Option<Typed<'a>> {
        let Some(verbs) = &reach.verbs else {
            if !reach.broken && !self.definitions.broken.contains(name) {
                let error = self.attribute_without_verbs(fact, reach, clause);
                self.found.push(error);
            }
            return None;
        };
        let mut typed: Option<Typed<'a>> = None;
        let mut lacking = Vec::new();
        for &(with, verb) in verbs {
            let Some(kind) = verb.attribute(name) else {
                lacking.push(&*verb.name);
                continue;
            };
            let names = (kind == Type::Names).then_some(with);
            match &typed {
                None => typed = Some(Typed { fact: Fact::Attribute(name.into()), kind, names }),
                Some(first) if first.kind == kind => {}
                Some(first) => {
                    let message = format!(
                        "`{name}` is {} for one verb of this rule and {kind} for another",
                        first.kind
                    );
                    self.found.push(
                        Diagnostic::error(fact.span(), message, "which is meant?")
                            .help("write one rule for each"),
                    );
                    return None;
                }
            }
        }
        if reach.broken || self.definitions.broken.contains(name) {
            return None;
        }
        if typed.is_none() {
            let known = || {
                verbs
                    .iter()
                    .flat_map(|(_, verb)| verb.attributes.keys().chain(verb.families.keys()))
                    .map(|name| &**name)
            };
            let sets = self.definitions.sets.keys().copied();
            let facts = words::REQUEST_FACTS.iter().copied();
            let label = did_you_mean(name, known().chain(sets).chain(facts), "unknown attribute");
            let mut listed: Vec<&str> = known().collect();
            listed.sort_unstable();
            listed.dedup();
            let verbs = words::listed(verbs.iter().map(|(_, verb)| &*verb.name));
            let help = if listed.is_empty() {
                format!("{verbs} carries no attributes")
            } else {
                format!("attributes of {verbs}: {}", words::listed(listed))
            };
            let message = format!("neither an attribute nor a set is called `{name}`");
            self.found.push(Diagnostic::error(fact.span(), message, label).help(help));
            return None;
        }
        if !lacking.is_empty() {
            lacking.dedup();
            let listed = words::listed(lacking.iter().copied());
            let message = format!("`{name}` is no attribute of {listed}, so it would be undetermined there");
            self.found.push(
                Diagnostic::error(fact.span(), message, "not known for every verb of this rule")
                    .context(reach.head, "in this rule")
                    .help(format!("write a rule of its own for {listed}")),
            );
            return None;
        }
        if let Some((with, _)) = verbs.first() {
            self.check_header_name(fact.span(), name, with);
        }
        typed
    }

    fn attribute_without_verbs(&self, fact: &ast::Fact, reach: &Reach<'a>, clause: &str) -> Diagnostic {
        let name = &*fact.name.value;
        let with_it: Vec<&str> = reach
            .vocabularies
            .iter()
            .flat_map(|vocabulary| vocabulary.verbs.values())
            .filter(|verb| verb.attributes.contains_key(name))
            .map(|verb| &*verb.name)
            .collect();
        if with_it.is_empty() {
            let sets = self.definitions.sets.keys().copied();
            let label = did_you_mean(name, sets.chain(words::REQUEST_FACTS.iter().copied()), "unknown");
            let message = format!("neither an attribute nor a set is called `{name}`");
            return Diagnostic::error(fact.span(), message, label);
        }
        Diagnostic::error(
            fact.span(),
            format!("`{name}` is not known for every verb, and this rule names none"),
            format!("`{clause}` looks at an attribute"),
        )
        .context(reach.head, "this rule has no `do`")
        .help(format!("add `do` with verbs that have it: {}", words::listed(with_it)))
    }

    fn compare(
        &mut self,
        fact: &ast::Fact,
        relation: Spanned<Relation>,
        value: &Spanned<Value>,
        context: &Context<'_, 'a>,
    ) -> Expr {
        let Some(typed) = self.fact(fact, context) else { return never() };
        let comparison = match relation.value {
            Relation::Equal => Comparison::Equal,
            Relation::NotEqual => Comparison::NotEqual,
            Relation::Less => Comparison::Less,
            Relation::LessOrEqual => Comparison::LessOrEqual,
            Relation::Greater => Comparison::Greater,
            Relation::GreaterOrEqual => Comparison::GreaterOrEqual,
        };
        let orders = !matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        match typed.kind {
            Type::List | Type::Names => {
                let message =
                    format!("`{}` is {}, which is not compared as a whole", shown(fact), typed.kind);
                let way_out = format!("write `{} has \"…\"`", shown(fact));
                self.error(relation.span, message, way_out);
                return never();
            }
            Type::Bool | Type::Text if orders => {
                let message = format!("`{}` is {}, which has no order", shown(fact), typed.kind);
                self.error(relation.span, message, "only whole numbers are ordered");
                return never();
            }
            Type::Bool | Type::Text | Type::Integer | Type::Scalar => {}
        }
        let Some(literal) = self.literal(fact, &typed, value) else { return never() };
        if orders && !matches!(literal, Literal::Integer(_)) {
            self.error(value.span, "only whole numbers are ordered", "expected a whole number");
            return never();
        }
        Expr::Compare(typed.fact, comparison, literal)
    }

    fn is_in(&mut self, fact: &ast::Fact, values: &[Spanned<Value>], context: &Context<'_, 'a>) -> Expr {
        let Some(typed) = self.fact(fact, context) else { return never() };
        if let Type::List | Type::Names = typed.kind {
            let message = format!("`{}` is {}; `in` asks where one value belongs", shown(fact), typed.kind);
            self.error(fact.span(), message, format!("write `{} has \"…\"`", shown(fact)));
            return never();
        }
        let literals = values.iter().filter_map(|value| self.literal(fact, &typed, value)).collect();
        Expr::In(typed.fact, literals)
    }

    /// A literal of the fact's type.
    fn literal(&mut self, fact: &ast::Fact, typed: &Typed<'a>, value: &Spanned<Value>) -> Option<Literal> {
        let literal = match (&value.value, typed.kind) {
            (Value::Bool(value), Type::Bool | Type::Scalar) => Literal::Bool(*value),
            (Value::Integer(value), Type::Integer | Type::Scalar) => Literal::Integer(*value),
            (Value::Text(value), Type::Text | Type::Scalar) => Literal::Text(value.clone()),
            (other, expected) => {
                let written = match other {
                    Value::Bool(_) => "a truth value",
                    Value::Integer(_) => "a whole number",
                    Value::Text(_) => "a text",
                    Value::List(_) => "a list",
                };
                let message = format!("`{}` is {expected}, and this is {written}", shown(fact));
                self.error(value.span, message, format!("expected {expected}"));
                return None;
            }
        };
        match (&typed.fact, &literal) {
            (Fact::Hour, Literal::Integer(hour)) if !(0..24).contains(hour) => {
                self.error(value.span, "hours are 0 to 23, UTC", "no such hour");
                None
            }
            (Fact::Weekday, Literal::Text(day)) if !words::WEEKDAYS.contains(&&**day) => {
                let label = did_you_mean(day, words::WEEKDAYS.iter().copied(), "no such day");
                self.error(
                    value.span,
                    "weekdays are `mon`, `tue`, `wed`, `thu`, `fri`, `sat` and `sun`",
                    label,
                );
                None
            }
            (Fact::Source, Literal::Text(address)) if address.contains('/') => {
                let found =
                    Diagnostic::error(value.span, "address ranges are not understood", "this is a range")
                        .help("compare the address as text: `source like \"10.0.*\"`");
                self.found.push(found);
                None
            }
            _ => Some(literal),
        }
    }

    fn like(&mut self, fact: &ast::Fact, text: &Text, context: &Context<'_, 'a>) -> Expr {
        let Some(typed) = self.fact(fact, context) else { return never() };
        if !matches!(typed.kind, Type::Text | Type::Scalar) {
            let way_out = match typed.kind {
                Type::List | Type::Names => format!("write `{} has \"{}\"`", shown(fact), text.value),
                _ => "`like` compares texts with a pattern".to_owned(),
            };
            self.error(fact.span(), format!("`{}` is {}, not a text", shown(fact), typed.kind), way_out);
            return never();
        }
        Expr::Like(typed.fact, one_segment(&text.value))
    }

    fn has(&mut self, fact: &ast::Fact, text: &Text, context: &Context<'_, 'a>) -> Expr {
        let Some(typed) = self.fact(fact, context) else { return never() };
        match (typed.kind, typed.names) {
            (Type::Names, Some(with)) => match self.column(text, with) {
                Some(pattern) => Expr::Like(typed.fact, pattern),
                None => never(),
            },
            (Type::List, _) => Expr::Like(typed.fact, one_segment(&text.value)),
            _ => {
                let message = format!("`{}` is {}, not a list", shown(fact), typed.kind);
                self.error(fact.span(), message, format!("write `{} == …`, `in` or `like`", shown(fact)));
                never()
            }
        }
    }

    fn matches(&mut self, fact: &ast::Fact, text: &Text, context: &Context<'_, 'a>) -> Expr {
        let Some(typed) = self.fact(fact, context) else { return never() };
        if !matches!(typed.kind, Type::Text | Type::Scalar) {
            let message = format!("`{}` is {}, not a text", shown(fact), typed.kind);
            self.error(fact.span(), message, "a regular expression needs a text");
            return never();
        }
        if let Err(problem) = super::effect::check_regex(&text.value) {
            self.error(text.span, "this is no regular expression that can be used", problem);
        }
        Expr::Matches(typed.fact, text.value.clone())
    }

    fn shape(
        &mut self,
        fact: &ast::Fact,
        elements: &[Spanned<ast::Element>],
        context: &Context<'_, 'a>,
    ) -> Expr {
        let Some(typed) = self.fact(fact, context) else { return never() };
        if typed.kind != Type::List {
            let message = format!("`{}` is {}; only a list of texts has a shape", shown(fact), typed.kind);
            self.error(fact.span(), message, format!("write `{} == …` or `has`", shown(fact)));
            return never();
        }
        for element in elements {
            if let ast::Element::Text(text) = &element.value
                && &**text == "**"
            {
                let message = "`\"**\"` in quotes is one element, whatever it is";
                self.found.push(
                    Diagnostic::warning(element.span, message, "one element")
                        .help("any number of elements is `**` without quotes; one is `*`"),
                );
            }
        }
        let elements = elements.iter().map(|element| match &element.value {
            ast::Element::Text(text) => Element::One(text.clone()),
            ast::Element::AnyOne => Element::AnyOne,
            ast::Element::AnyNumber => Element::AnyNumber,
        });
        Expr::Shape(typed.fact, elements.collect())
    }
}

fn one_segment(text: &str) -> Pattern {
    Pattern { segments: Box::new([text.into()]) }
}

fn shown(fact: &ast::Fact) -> String {
    match &fact.field {
        Some(field) => format!("{}.{}", fact.name.value, field.value),
        None => fact.name.value.to_string(),
    }
}

/// Stands in for a condition with an error; the rule it belongs to is not used.
fn never() -> Expr {
    Expr::Any(Vec::new())
}
