//! A condition made ready for evaluation.

use std::io::Write;
use std::net::IpAddr;

use regex_automata::Input;
use regex_automata::dfa::Automaton;
use regex_automata::dfa::dense::DFA;

use super::glob::Glob;
use super::open;
use crate::action::{Action, Slot, Value};
use crate::decision::Dependence;
use crate::request::Request;
use crate::rule::{Comparison, Fact, Literal};
use crate::subject::{Principal, PrincipalKind, Target};
use crate::truth::Prospect;

/// A compiled [`crate::rule::Expr`]: globs, networks and regular expressions built once. Evaluating it neither
/// allocates nor writes anything shared.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    All(Box<[Condition]>),
    Any(Box<[Condition]>),
    Not(Box<Condition>),
    User(Glob),
    Group(Box<str>),
    Kind(PrincipalKind),
    OnBehalfOf(Box<Condition>),
    Fact(Fact, Test),
}

/// What is asked of a fact.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    /// It is one of these, or a list contains one of them.
    OneOf(Box<[Literal]>),
    /// It stands in this order to a whole number.
    Order(Comparison, i64),
    /// It, or an element of a list, matches one of these.
    Like(Box<[Glob]>),
    /// An address is in one of these networks.
    Within(Box<[Network]>),
    /// A list has this shape.
    Shape(Box<[Part]>),
    /// A text contains a match. A dense automaton needs no scratch space.
    Matches(Box<DFA<Vec<u32>>>),
    /// A truth value is true.
    Holds,
}

/// One part of a list's shape.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    One(Glob),
    AnyNumber,
}

/// An address range such as `10.0.0.0/8`; a single address has the full prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    prefix: u8,
}

/// All that a condition may look at. What is absent is undetermined.
pub(crate) struct Facts<'a> {
    pub(crate) principal: &'a Principal,
    pub(crate) target: Option<&'a Target>,
    pub(crate) action: Option<&'a Action>,
    pub(crate) source: Option<IpAddr>,
    pub(crate) now: Option<i64>,
    /// What was looked at so far, besides principal, target and actions.
    pub(crate) read: Dependence,
}

impl Condition {
    pub(crate) fn evaluate(&self, facts: &mut Facts<'_>) -> Prospect {
        match self {
            Self::All(parts) => {
                let mut all = Prospect::TRUE;
                for part in parts {
                    all = all.and(part.evaluate(facts));
                    if all.is_false() {
                        break;
                    }
                }
                all
            }
            Self::Any(parts) => {
                let mut any = Prospect::FALSE;
                for part in parts {
                    any = any.or(part.evaluate(facts));
                    if any.is_true() {
                        break;
                    }
                }
                any
            }
            Self::Not(part) => part.evaluate(facts).opposite(),
            Self::User(glob) => glob.matches(&facts.principal.id).into(),
            Self::Group(group) => match &facts.principal.groups {
                Some(groups) => groups.contains(group).into(),
                None => Prospect::UNDETERMINED,
            },
            Self::Kind(kind) => (facts.principal.kind == *kind).into(),
            Self::OnBehalfOf(owner) => match facts.principal.kind {
                PrincipalKind::Agent => owner.of_owner(facts.principal),
                PrincipalKind::Human | PrincipalKind::Service => Prospect::FALSE,
            },
            Self::Fact(fact, test) => facts.look(fact).test(test),
        }
    }
}

impl Condition {
    /// Whether this holds for whom an agent acts for. What is not known of them is undetermined.
    fn of_owner(&self, agent: &Principal) -> Prospect {
        match self {
            Self::All(parts) => parts.iter().fold(Prospect::TRUE, |all, part| all.and(part.of_owner(agent))),
            Self::Any(parts) => parts.iter().fold(Prospect::FALSE, |any, part| any.or(part.of_owner(agent))),
            Self::Not(part) => part.of_owner(agent).opposite(),
            Self::User(glob) => {
                agent.owner.as_deref().map_or(Prospect::UNDETERMINED, |owner| glob.matches(owner).into())
            }
            Self::Group(group) => match &agent.owner_groups {
                Some(groups) => groups.contains(group).into(),
                None => Prospect::UNDETERMINED,
            },
            // A policy with these is not made.
            Self::Kind(_) | Self::OnBehalfOf(_) | Self::Fact(..) => Prospect::UNDETERMINED,
        }
    }
}

/// A fact's value at the time of asking.
enum Seen<'a> {
    Bool(bool),
    Integer(i64),
    Text(&'a str),
    List(&'a [Box<str>]),
    Open(&'a [Slot]),
    Address(IpAddr),
    Absent,
    Pending,
    Undetermined,
}

impl<'a> Facts<'a> {
    /// The facts of a request; of which action is for the caller to say.
    pub(crate) fn of(request: &Request<'a>) -> Self {
        Self {
            principal: request.principal,
            target: Some(request.target),
            action: None,
            source: request.source,
            now: request.now,
            read: Dependence::default(),
        }
    }

    /// What is known of a reviewer, apart from any command.
    pub(crate) fn of_reviewer(principal: &'a Principal) -> Self {
        Self { principal, target: None, action: None, source: None, now: None, read: Dependence::default() }
    }

    fn look(&mut self, fact: &Fact) -> Seen<'a> {
        let text = |text: Option<&'a Box<str>>| text.map_or(Seen::Undetermined, |text| Seen::Text(text));
        match fact {
            Fact::Attribute(name) => match self.action.and_then(|action| action.attribute(name)) {
                Some(Value::Bool(value)) => Seen::Bool(*value),
                Some(Value::Integer(value)) => Seen::Integer(*value),
                Some(Value::Text(value)) => Seen::Text(value),
                Some(Value::List(value)) => Seen::List(value),
                Some(Value::Open(slots)) => Seen::Open(slots),
                Some(Value::Absent) => Seen::Absent,
                Some(Value::Pending) => {
                    self.read.parameters = true;
                    Seen::Pending
                }
                Some(Value::Undetermined) | None => Seen::Undetermined,
            },
            Fact::Label(name) => text(self.target.and_then(|target| target.labels.get(name))),
            Fact::Claim(name) => text(self.principal.claims.get(name)),
            Fact::Hour => self.clock(|now| Seen::Integer(now.rem_euclid(86_400) / 3_600)),
            Fact::Weekday => self.clock(|now| Seen::Text(weekday(now))),
            Fact::Source => {
                self.read.source = true;
                self.source.map_or(Seen::Undetermined, |address| Seen::Address(address.to_canonical()))
            }
        }
    }

    fn clock(&mut self, read: impl FnOnce(i64) -> Seen<'a>) -> Seen<'a> {
        self.read.clock = true;
        self.now.map_or(Seen::Undetermined, read)
    }
}

/// The days of the week as policies spell them, from the day that the epoch began on.
pub(crate) const WEEKDAYS: [&str; 7] = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];

pub(crate) fn weekday(now: i64) -> &'static str {
    let day = usize::try_from(now.div_euclid(86_400).rem_euclid(7)).unwrap_or(0);
    WEEKDAYS.get(day).copied().unwrap_or("thu")
}

impl Seen<'_> {
    /// A test that does not suit the value (a bad value) is undetermined.
    fn test(&self, test: &Test) -> Prospect {
        match (self, test) {
            (Self::Pending, _) => Prospect::PENDING,
            (Self::Undetermined, _) => Prospect::UNDETERMINED,
            (Self::Absent, test) => matches!(test, Test::Order(Comparison::NotEqual, _)).into(),
            (Self::Bool(value), Test::Holds) => (*value).into(),
            (Self::Bool(value), Test::OneOf(literals)) => one_of(literals, |literal| match literal {
                Literal::Bool(literal) => Some(literal == value),
                _ => None,
            }),
            (Self::Integer(value), Test::OneOf(literals)) => one_of(literals, |literal| match literal {
                Literal::Integer(literal) => Some(literal == value),
                _ => None,
            }),
            (Self::Text(value), Test::OneOf(literals)) => one_of(literals, |literal| match literal {
                Literal::Text(literal) => Some(**literal == **value),
                _ => None,
            }),
            (Self::List(values), Test::OneOf(literals)) => one_of(literals, |literal| match literal {
                Literal::Text(literal) => Some(values.contains(literal)),
                _ => None,
            }),
            (Self::Open(slots), Test::OneOf(literals)) => {
                literals.iter().fold(Prospect::FALSE, |any, literal| {
                    any.or(match literal {
                        Literal::Text(literal) => open::contains(slots, literal),
                        _ => Prospect::UNDETERMINED,
                    })
                })
            }
            (Self::Integer(value), Test::Order(comparison, bound)) => match comparison {
                Comparison::Equal => value == bound,
                Comparison::NotEqual => value != bound,
                Comparison::Less => value < bound,
                Comparison::LessOrEqual => value <= bound,
                Comparison::Greater => value > bound,
                Comparison::GreaterOrEqual => value >= bound,
            }
            .into(),
            (Self::Text(value), Test::Like(globs)) => globs.iter().any(|glob| glob.matches(value)).into(),
            (Self::List(values), Test::Like(globs)) => {
                values.iter().any(|value| globs.iter().any(|glob| glob.matches(value))).into()
            }
            (Self::Open(slots), Test::Like(globs)) => open::like(slots, globs),
            (Self::List(values), Test::Shape(parts)) => has_shape(values, parts).into(),
            (Self::Open(slots), Test::Shape(parts)) => open::has_shape(slots, parts),
            (Self::Text(value), Test::Matches(automaton)) => search(automaton, value),
            (Self::Address(address), Test::Within(networks)) => {
                networks.iter().any(|network| network.contains(*address)).into()
            }
            (Self::Address(address), Test::Like(_) | Test::Matches(_)) => with_text(*address, test),
            _ => Prospect::UNDETERMINED,
        }
    }
}

/// A literal of another type than the value's is undetermined, not unequal.
fn one_of(literals: &[Literal], equals: impl Fn(&Literal) -> Option<bool>) -> Prospect {
    literals.iter().fold(Prospect::FALSE, |any, literal| {
        any.or(equals(literal).map_or(Prospect::UNDETERMINED, Prospect::from))
    })
}

/// An automaton that gives up (on a Unicode word boundary beside non-ASCII text) leaves it undetermined.
fn search(automaton: &DFA<Vec<u32>>, text: &str) -> Prospect {
    match automaton.try_search_fwd(&Input::new(text).earliest(true)) {
        Ok(found) => found.is_some().into(),
        Err(_) => Prospect::UNDETERMINED,
    }
}

/// Tests the address as text, in a buffer that the longest address fits in.
fn with_text(address: IpAddr, test: &Test) -> Prospect {
    let mut buffer = [0u8; 64];
    let mut free = &mut buffer[..];
    if write!(free, "{address}").is_err() {
        return Prospect::UNDETERMINED;
    }
    let unused = free.len();
    let used = buffer.len() - unused;
    match buffer.get(..used).map(std::str::from_utf8) {
        Some(Ok(text)) => Seen::Text(text).test(test),
        _ => Prospect::UNDETERMINED,
    }
}

/// Greedy with one point of return, as in glob matching.
fn has_shape(mut values: &[Box<str>], mut parts: &[Part]) -> bool {
    let mut resume: Option<(&[Part], &[Box<str>])> = None;
    loop {
        match (parts, values) {
            ([Part::AnyNumber, rest @ ..], _) => {
                parts = rest;
                resume = Some((rest, values));
            }
            ([], []) => return true,
            ([Part::One(glob), rest @ ..], [value, others @ ..]) if glob.matches(value) => {
                parts = rest;
                values = others;
            }
            _ => match resume {
                Some((after, [_, others @ ..])) => {
                    parts = after;
                    values = others;
                    resume = Some((after, others));
                }
                _ => return false,
            },
        }
    }
}

impl Network {
    /// Reads `10.0.0.0/8`, `10.1.2.3`, `2001:db8::/32`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address.parse::<IpAddr>().ok()?, Some(prefix.parse::<u8>().ok()?)),
            None => (text.parse::<IpAddr>().ok()?, None),
        };
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(longest);
        (prefix <= longest).then_some(Self { address, prefix })
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differing = u32::from(network) ^ u32::from(address);
                differing.checked_shr(32 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differing = u128::from(network) ^ u128::from(address);
                differing.checked_shr(128 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_match_whole_lists() {
        let part = |text: &str| match text {
            "**" => Part::AnyNumber,
            text => Part::One(Glob::element(text)),
        };
        for (shape, list, expected) in [
            ("systemctl status *", "systemctl status nginx", true),
            ("systemctl status *", "systemctl status", false),
            ("systemctl status *", "systemctl status nginx now", false),
            ("journalctl **", "journalctl", true),
            ("journalctl **", "journalctl -u nginx", true),
            ("** -n **", "tail -f -n 5", true),
            ("** -n", "tail -n -n", true),
            ("kubectl get pod-*", "kubectl get pod-7", true),
            ("", "", true),
            ("", "ls", false),
        ] {
            let parts: Vec<Part> = shape.split_whitespace().map(part).collect();
            let values: Vec<Box<str>> = list.split_whitespace().map(Box::from).collect();
            assert_eq!(has_shape(&values, &parts), expected, "[{shape}] on [{list}]");
        }
    }

    #[test]
    fn networks_contain_their_addresses() {
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.200.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("::/0", "192.0.2.1", false),
        ] {
            let network = Network::parse(network).unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), expected, "{address} in {network:?}");
        }
        assert_eq!(Network::parse("10.0.0.0/33"), None);
        assert_eq!(Network::parse("localhost"), None);
    }

    #[test]
    fn the_epoch_began_on_a_thursday() {
        assert_eq!(weekday(0), "thu");
        assert_eq!(weekday(-1), "wed");
        assert_eq!(weekday(4 * 86_400), "mon");
    }
}
