//! stub
#![allow(missing_docs)]
use policy_core::{Action, ActionSet, Resource, Value, Verb};
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits;
#[derive(Clone, Copy, Debug, Default)]
pub struct Environment<'a> {
    pub home: Option<&'a str>,
    pub limits: Limits,
}
#[derive(Debug)]
pub struct Reading {
    pub actions: ActionSet,
    pub argv: Option<Vec<String>>,
}
pub fn read(text: &str, _: &Environment<'_>) -> Reading {
    let argv: Vec<Box<str>> = text.split_whitespace().map(Into::into).collect();
    Reading {
        actions: ActionSet::new([
            Action::new(Verb::new("exec"), Resource::None).with("argv", Value::List(argv.into()))
        ]),
        argv: None,
    }
}
pub fn quote<S: AsRef<str>>(argv: &[S]) -> String {
    argv.iter().map(|a| a.as_ref()).collect::<Vec<_>>().join(" ")
}
