//! GraphQL: its fields are judged wherever a server runs it, and masked under whatever name they come back.

use crate::house::{House, Origin};

const POLICY: &str = r#"
policy "graphql"
default deny
allow "ask" { by group "eng"  on http  do post, upgrade on "/**"  do query on "customer/**" }
deny  "change" { on http  do mutate }
"#;

const MASK: &str = r#"
mask "addresses" { on http  do post, upgrade on "/**"  fields "data.customer.email"  with redact }
"#;

async fn house(policy: &str) -> House {
    let origin = Origin::run("python3", "origin.py", &[]);
    let target = format!(
        "address = \"127.0.0.1:{}\"\nhosts = [\"api.test\"]\ngraphql = [\"/graphql\"]\n",
        origin.port
    );
    House::before(origin, policy, &target).await
}

fn ask(house: &House, path: &str, document: &str) -> String {
    let body = serde_json::json!({ "query": document }).to_string();
    house.ask("POST", path, "content-type: application/json\r\n", &body)
}

/// A slash at its end makes no difference to a path, and capitals make none to many servers.
#[tokio::test]
async fn fields_are_judged_wherever_a_server_runs_them() {
    let house = house(POLICY).await;
    for path in ["/graphql", "/graphql/", "/graphql?x=1", "/./graphql", "/%67raphql", "/GraphQL"] {
        assert!(ask(&house, path, "{customer{name}}").starts_with("HTTP/1.1 200"), "{path}");
        let before = house.origin.seen().len();
        let answer = ask(&house, path, "mutation{drop}");
        assert!(answer.starts_with("HTTP/1.1 403"), "{path}: {answer}");
        assert_eq!(house.origin.seen().len(), before, "{path}");
    }
}

#[tokio::test]
async fn an_alias_hides_no_masked_field() {
    let house = house(&format!("{POLICY}{MASK}")).await;
    for (document, status) in [
        ("{customer{email}}", "200"),
        ("{customer{email: email}}", "200"),
        ("{customer{n: name, email}}", "200"),
        ("{customer{e: email}}", "403"),
        ("{c: customer{email}}", "403"),
        ("{customer{...F}} fragment F on Customer{e: email}", "403"),
        ("{customer{... on Customer{e: email}}}", "403"),
        ("{customer{email, e: email}}", "403"),
        // What is called by the name of a masked field is masked as that is.
        ("{customer{email: name}}", "200"),
    ] {
        let before = house.origin.seen().len();
        let answer = ask(&house, "/graphql", document);
        assert_eq!(answer.split(' ').nth(1), Some(status), "{document}: {answer}");
        assert!(!answer.contains("ana@"), "{document}: {answer}");
        assert_eq!(house.origin.seen().len() > before, status == "200", "{document}");
    }
    assert!(ask(&house, "/graphql", "{customer{email}}").contains("[redacted]"));
    assert!(house.evidence().contains("under another name"));
}

/// Nor does a path on which servers do not agree, where even what is not understood is permitted.
#[tokio::test]
async fn no_masked_field_comes_back_from_a_path_that_is_not_known() {
    let permitted = "allow \"anything\" { by group \"eng\"  on http  do unknown }\n";
    let mask = "mask \"emails\" { on http  fields \"**.email\"  with redact }\n";
    let house = house(&format!("{POLICY}{permitted}{mask}")).await;
    for (path, status) in [
        ("/graphql", "403"),
        ("/graphql;x", "403"),
        ("/graphql%3bx", "403"),
        ("//graphql", "403"),
        ("/x//graphql", "403"),
        ("/graphql%2f", "403"),
        // Where it is known that none is spoken, a key is what it is called.
        ("/other/graphql", "200"),
    ] {
        let before = house.origin.seen().len();
        let answer = ask(&house, path, "{customer{e: email}}");
        assert_eq!(answer.split(' ').nth(1), Some(status), "{path}: {answer}");
        assert_eq!(house.origin.seen().len() > before, status == "200", "{path}");
    }
}
