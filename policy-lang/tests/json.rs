//! The JSON form of a rule set, there and back.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test states what it expects by failing"
)]

use policy_core::{Policy, RuleSet};
use policy_lang::{Environment, Source, load};

const SAMPLE: &str = include_str!("data/production.policy");

/// What the sample does not use.
const REST: &str = r#"
allow "all sorts" {
  by user "a*" or agent and claim.region == "eu"
  on postgres "shop", "crm*" where tier in ["a", "b"]
  do set
  when value matches "^[a-z]+$" or value like "x*" or hour >= 7 or target.env != "prod"
  mode observe
}
allow "agents" { by agent on behalf of (group "a" or user "b*" and not group "c")  on postgres  do drop }
hold "long" { on postgres  do drop  until 2 of group "a" approve within 2h  in transaction  justify  reveal }
hold "soon" { on http  do post  until 1 of group "a" approve within 2h  answer after 30s }
limit "each" { on postgres  bytes 1000 per command }
mask "most" { on postgres  columns "a.b.c"  with null  unresolved mask  predicates deny }
mask "some" {
  on http, kubernetes, mcp
  fields "customers.email", "**.ssn", "m.'a.b/c'"
  with last(4) for "**.ssn", redact otherwise
  unresolved mask
}
record decisions { on ssh }
"#;

fn rules() -> RuleSet {
    let sources = [Source::new("production.policy", SAMPLE), Source::new("rest.policy", REST)];
    load(&sources, &Environment::default()).unwrap_or_else(|problems| panic!("{problems}")).rules
}

#[test]
fn every_sort_of_rule_goes_to_json_and_back() {
    let rules = rules();
    let json = serde_json::to_string_pretty(&rules).unwrap();
    let back: RuleSet = serde_json::from_str(&json).unwrap();
    assert_eq!(back, rules);
    assert_eq!(serde_json::to_string_pretty(&back).unwrap(), json);
    let vocabularies = Environment::default().vocabularies;
    let digest = |rules| Policy::compile([rules], &vocabularies).unwrap().digest();
    assert_eq!(digest(&back), digest(&rules));
}

#[test]
fn the_form_is_plain() {
    let json = serde_json::to_value(rules()).unwrap();
    let of =
        |id: &str| json["rules"].as_array().unwrap().iter().find(|rule| rule["id"] == id).unwrap().clone();
    let drop = of("destructive ddl");
    assert_eq!(drop["effect"], "deny");
    assert_eq!(drop["scope"]["does"][0]["verbs"], serde_json::json!(["drop", "truncate"]));
    assert_eq!(
        drop["scope"]["on"][0]["labels"],
        serde_json::json!({"compare": [{"label": "env"}, "equal", "prod"]})
    );
    assert_eq!(of("engineers work")["scope"]["does"][0]["resources"], serde_json::json!([["public", "*"]]));
    assert_eq!(
        of("some")["effect"]["mask"]["what"]["fields"],
        serde_json::json!({
            "fields": [["customers", "email"], ["**", "ssn"], ["m", "a.b/c"]],
            "with": [[["**", "ssn"], {"last": 4}]],
            "otherwise": "redact",
        })
    );
    assert_eq!(of("long")["effect"]["hold"]["within"], 7200);
    assert_eq!(of("long")["effect"]["hold"].get("answer_after"), None);
    assert_eq!(of("soon")["effect"]["hold"]["answer_after"], 30);
}

#[test]
fn what_is_not_known_is_refused() {
    let mut json = serde_json::to_value(rules()).unwrap();
    json["rules"][0]["scope"]["untill"] = true.into();
    let error = serde_json::from_value::<RuleSet>(json).unwrap_err();
    assert!(error.to_string().contains("untill"), "{error}");
}
