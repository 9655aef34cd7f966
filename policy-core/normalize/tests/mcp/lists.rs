//! Lists that servers answer with: filtered, and what pins a tool.

use policy_normalize::http::Fields;
use policy_normalize::mcp::{List, listed, tools};

use crate::{policy, shown};

const ANSWER: &str = r#"{"jsonrpc":"2.0", "id" : "a", "result":{"_meta":{"x":1.0,"b":2,"a":1e400},"tools":[
  {"name":"read","description":"Reads","inputSchema":{"type":"object","properties":{"b":{},"a":{}}}, "x":[1,  2]},
  {"name":"del\u0065te","inputSchema":{}}],"nextCursor":"c"}}"#;

#[test]
fn what_may_not_be_called_is_not_shown() {
    // A number beyond doubles is no JSON number that readers agree on.
    assert!(List::Tools.filtered(ANSWER.as_bytes(), |_| true).is_err());
    let answer = ANSWER.replace("1e400", "12345678901234567890123");
    let filtered = |keep: fn(&str) -> bool| {
        String::from_utf8(List::Tools.filtered(answer.as_bytes(), keep).unwrap()).unwrap()
    };
    assert_eq!(
        filtered(|name| name != "delete"),
        concat!(
            r#"{"jsonrpc":"2.0","id":"a","result":{"_meta":{"x":1.0,"b":2,"a":12345678901234567890123},"tools":["#,
            r#"{"name":"read","description":"Reads","inputSchema":{"type":"object","properties":{"b":{},"a":{}}}, "x":[1,  2]}"#,
            r#"],"nextCursor":"c"}}"#
        )
    );
    assert!(filtered(|_| false).contains(r#""tools":[],"nextCursor":"c""#));
    let all: serde_json::Value = serde_json::from_str(&filtered(|_| true)).unwrap();
    assert_eq!(all, serde_json::from_str::<serde_json::Value>(&answer).unwrap());
}

#[test]
fn each_list_goes_by_its_own_names() {
    for (list, answer, kept) in [
        (
            List::Prompts,
            r#"{"jsonrpc":"2.0","id":1,"result":{"prompts":[{"name":"a"},{"name":"b"}]}}"#,
            r#"[{"name":"a"}]"#,
        ),
        (
            List::Resources,
            r#"{"jsonrpc":"2.0","id":1,"result":{"resources":[{"name":"b","uri":"a"},{"name":"a","uri":"b"}]}}"#,
            r#"[{"name":"b","uri":"a"}]"#,
        ),
        (
            List::Templates,
            r#"{"jsonrpc":"2.0","id":1,"result":{"resourceTemplates":[{"name":"b","uriTemplate":"a"}]}}"#,
            r#"[{"name":"b","uriTemplate":"a"}]"#,
        ),
    ] {
        let text = String::from_utf8(list.filtered(answer.as_bytes(), |name| name == "a").unwrap()).unwrap();
        assert!(text.contains(&format!(":{kept}}}")), "{text}");
    }
    let error = br#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}"#;
    assert_eq!(List::Tools.filtered(error, |_| false).unwrap(), error);
}

#[test]
fn an_answer_that_is_no_list_is_not_shown() {
    for answer in [
        "",
        "[]",
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":[]}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":{}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":["a"]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{}]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":5}]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a","Name":"b"}]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a","name":"b"}]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[],"Tools":[{"name":"b"}]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]},"Result":{"tools":[{"name":"b"}]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]},"error":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}} {}"#,
        r#"[{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}]"#,
    ] {
        assert!(List::Tools.filtered(answer.as_bytes(), |_| true).is_err(), "{answer}");
        assert!(tools(answer.as_bytes()).is_err(), "{answer}");
    }
}

/// What an element would do is not known in full: its arguments are pending, and whether it is as approved may not be known.
#[test]
fn an_element_is_judged_by_what_it_might_do() {
    let looked_at = Fields::of(&policy(r#"deny "x" { on mcp do call, prompt when arguments.amount > 0 }"#));
    for (list, name, pinned, expected) in [
        (List::Tools, "pay", Some(true), "call pay arguments.amount=Pending pinned=true"),
        (List::Tools, "pay", None, "call pay arguments.amount=Pending pinned=?"),
        (List::Tools, "pay ", Some(true), "unknown"),
        (List::Prompts, "greet", None, "prompt greet arguments.amount=Pending"),
        (List::Resources, "file:///srv/a", None, "read file:///srv/a"),
        (List::Resources, "file:///srv/../a", None, "unknown"),
        (List::Templates, "db://shop/{id}", None, "read db://shop/{id}"),
    ] {
        assert_eq!(shown(&listed(list, name, &looked_at, pinned)), expected, "{name}");
    }
}

#[test]
fn a_tool_is_pinned_by_what_a_model_sees_of_it() {
    let canonical = |tool: &str| {
        let answer = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{tool}]}}}}"#);
        tools(answer.as_bytes()).unwrap().remove(0).canonical
    };
    let plain = canonical(r#"{"name":"a","description":"d","inputSchema":{"b":1,"a":[{"d":1,"c":2}]}}"#);
    assert_eq!(plain, r#"{"description":"d","inputSchema":{"a":[{"c":2,"d":1}],"b":1},"name":"a"}"#);
    for same in [
        r#"{"inputSchema":{"a":[{"c":2,"d":1}],"b":1},"description":"d","name":"a"}"#,
        r#"{ "name" : "\u0061", "description":"d", "inputSchema":{"b":1,"a":[{"d":1,"c":2}]}, "_meta":{"x":1}}"#,
    ] {
        assert_eq!(canonical(same), plain, "{same}");
    }
    // What some clients would show in the place of it.
    let twice =
        br#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a","description":"d","Description":"D"}]}}"#;
    assert!(tools(twice).is_err());
    for other in [
        r#"{"name":"a","description":"D","inputSchema":{"b":1,"a":[{"d":1,"c":2}]}}"#,
        r#"{"name":"a","description":"d","title":"t","inputSchema":{"b":1,"a":[{"d":1,"c":2}]}}"#,
        r#"{"name":"a","description":"d","inputSchema":{"b":1,"a":[{"d":1,"c":3}]}}"#,
        r#"{"name":"a","description":"d","inputSchema":{"b":1,"a":[{"d":1,"c":2}]},"outputSchema":{}}"#,
        r#"{"name":"a","description":"d","inputSchema":{"b":1,"a":[{"d":1,"c":2}]},"annotations":{"readOnlyHint":true}}"#,
        r#"{"name":"b","description":"d","inputSchema":{"b":1,"a":[{"d":1,"c":2}]}}"#,
    ] {
        assert_ne!(canonical(other), plain, "{other}");
    }
}
