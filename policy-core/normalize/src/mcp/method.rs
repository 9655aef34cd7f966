//! Methods, and what each of them does.

use policy_core::{Action, Resource, Value, Verb};
use serde_json::{Map, Value as Json};

use super::list::List;
use super::message::{object, text};
use super::name::{plain, uri};
use crate::http::Fields;
use crate::http::body::{field, member};

type Params<'a> = Option<&'a Map<String, Json>>;

/// How many resources one message may follow, and how many questions it may answer.
const MAX_PARTS: usize = 100;

/// Who sent a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client, in the body of a request.
    Client,
    /// The server, in an answer or an event.
    Server,
}

/// What a server asked, that an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// In a request with this id, as a JSON text.
    Id(&'a str),
    /// In an `input_required` result, under this key (revision 2026-07-28).
    Input(&'a str),
}

/// What a message alone does not tell.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Who sent it. A method that the other side serves is unknown.
    pub side: Side,
    /// Which arguments policies look at.
    pub fields: &'a Fields,
    /// Whether the description and schemas of this tool are those that were approved; `None` where that is not known.
    pub pinned: &'a dyn Fn(&str) -> Option<bool>,
    /// The method of what the other side had asked; `None` where that is not known.
    pub asked: &'a dyn Fn(Asked<'_>) -> Option<String>,
}

impl Context<'_> {
    pub(super) fn asked_by_id(&self, id: &str) -> Option<String> {
        (self.asked)(Asked::Id(id))
    }
}

/// What a request or notification does; `None` where that is not known.
pub(super) fn actions(method: &str, params: Params<'_>, context: &Context<'_>) -> Option<Vec<Action>> {
    let mut actions = match context.side {
        Side::Client => of_client(method, params, context),
        Side::Server => of_server(method),
    };
    if actions.is_none() {
        actions = of_both(method, params);
    }
    let mut actions = actions?;
    // Since revision 2026-07-28 a client answers by asking again.
    if let Some(Json::Object(answers)) = object(params, "inputResponses").ok()? {
        if answers.len() > MAX_PARTS {
            return None;
        }
        for (key, result) in answers {
            let Json::Object(result) = result else { return None };
            actions.push(answer((context.asked)(Asked::Input(key)), Some(result)));
        }
    }
    Some(actions)
}

/// What using an element of a list would do, whose arguments are not known yet: they are pending. `pinned` is as in
/// [`Context`]; of other lists than tools it is not looked at. A template is read by its own text.
pub fn listed(list: List, name: &str, fields: &Fields, pinned: Option<bool>) -> Action {
    let pending = |action: Action| {
        fields
            .of_family("arguments")
            .iter()
            .fold(action, |action, name| action.with(format!("arguments.{name}"), Value::Pending))
    };
    let action = match list {
        List::Tools => plain(name).map(|name| {
            pending(on("call", name)).with("pinned", pinned.map_or(Value::Undetermined, Value::Bool))
        }),
        List::Prompts => plain(name).map(|name| pending(on("prompt", name))),
        List::Resources | List::Templates => uri(name).map(|uri| on("read", uri)),
    };
    action.unwrap_or_else(Action::unknown)
}

/// What a client asks of a server.
fn of_client(method: &str, params: Params<'_>, context: &Context<'_>) -> Option<Vec<Action>> {
    Some(vec![match method {
        "initialize" | "server/discover" => bare("initialize"),
        "tools/list" => on("list", Resource::named(["tools"])),
        "resources/list" => on("list", Resource::named(["resources"])),
        "resources/templates/list" => on("list", Resource::named(["templates"])),
        "prompts/list" => on("list", Resource::named(["prompts"])),
        "tools/call" => {
            let name = text(params, "name")?;
            let pinned = (context.pinned)(name).map_or(Value::Undetermined, Value::Bool);
            with_arguments(on("call", plain(name)?), params, context)?.with("pinned", pinned)
        }
        "prompts/get" => with_arguments(on("prompt", plain(text(params, "name")?)?), params, context)?,
        "resources/read" => on("read", uri(text(params, "uri")?)?),
        "resources/subscribe" => on("subscribe", uri(text(params, "uri")?)?),
        "resources/unsubscribe" => on("unsubscribe", uri(text(params, "uri")?)?),
        "subscriptions/listen" => return listen(params),
        "completion/complete" => complete(params)?,
        "logging/setLevel" => bare("log").with("level", Value::Text(text(params, "level")?.into())),
        "tasks/update" => task("update", params)?,
        _ => return None,
    }])
}

/// What a server asks of a client.
fn of_server(method: &str) -> Option<Vec<Action>> {
    Some(vec![bare(match method {
        "sampling/createMessage" => "sample",
        "elicitation/create" => "elicit",
        "roots/list" => "roots",
        _ => return None,
    })])
}

/// What either side asks or tells. Since revision 2025-11-25 either may run a call as a task.
fn of_both(method: &str, params: Params<'_>) -> Option<Vec<Action>> {
    Some(vec![match method {
        "ping" => bare("ping"),
        "tasks/list" => on("list", Resource::named(["tasks"])),
        "tasks/get" => task("get", params)?,
        "tasks/result" => task("result", params)?,
        "tasks/cancel" => task("cancel", params)?,
        _ => on("notify", plain(method.strip_prefix("notifications/")?)?),
    }])
}

/// A client's answer to what a server had asked, where it is known what that was. Without a result it is an error.
pub(super) fn answer(asked: Option<String>, result: Params<'_>) -> Action {
    let resource = asked.map_or(Resource::Undetermined, |method| Resource::named([method]));
    let choice = match result.map(|result| member(result, "action")) {
        None | Some(Ok(None)) => Value::Absent,
        Some(Ok(Some(Json::String(choice)))) => Value::Text(choice.as_str().into()),
        Some(_) => Value::Undetermined,
    };
    on("answer", resource).with("error", Value::Bool(result.is_none())).with("action", choice)
}

fn bare(verb: &'static str) -> Action {
    on(verb, Resource::None)
}

fn on(verb: &'static str, resource: Resource) -> Action {
    Action::new(Verb::new(verb), resource)
}

/// The same action with the arguments that policies look at.
fn with_arguments(action: Action, params: Params<'_>, context: &Context<'_>) -> Option<Action> {
    let arguments = object(params, "arguments").ok()?;
    Some(context.fields.of_family("arguments").iter().fold(action, |action, name| {
        let value = arguments.map_or(Value::Absent, |arguments| field(arguments, name));
        action.with(format!("arguments.{name}"), value)
    }))
}

/// `subscriptions/listen` (revision 2026-07-28): each resource is followed as if by `resources/subscribe`.
fn listen(params: Params<'_>) -> Option<Vec<Action>> {
    let Some(Json::Object(filter)) = object(params, "notifications").ok()? else { return None };
    let mut actions = vec![bare("listen")];
    match member(filter, "resourceSubscriptions").ok()? {
        None | Some(Json::Null) => {}
        Some(Json::Array(uris)) if uris.len() <= MAX_PARTS => {
            for followed in uris {
                actions.push(on("subscribe", uri(followed.as_str()?)?));
            }
        }
        Some(_) => return None,
    }
    Some(actions)
}

fn complete(params: Params<'_>) -> Option<Action> {
    let Some(Json::Object(of)) = object(params, "ref").ok()? else { return None };
    let Some(Json::Object(argument)) = object(params, "argument").ok()? else { return None };
    let resource = match text(Some(of), "type")? {
        "ref/prompt" => plain(text(Some(of), "name")?)?,
        "ref/resource" => uri(text(Some(of), "uri")?)?,
        _ => return None,
    };
    let value = |name| Some(Value::Text(text(Some(argument), name)?.into()));
    Some(on("complete", resource).with("argument", value("name")?).with("value", value("value")?))
}

fn task(what: &'static str, params: Params<'_>) -> Option<Action> {
    Some(on("task", Resource::named([what])).with("id", Value::Text(text(params, "taskId")?.into())))
}
