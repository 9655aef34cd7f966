//! Parameters, prepared statements, and outputs as the server describes them.

use policy_core::{Resource, Value};
use policy_normalize::sql::{
    Bound, Environment, Grammar, Kind, NoCatalogue, Parameters, Postgres, Statement, redact_literals,
};

fn one(text: &str, parameters: Parameters<'_>) -> Statement {
    let mut environment = Environment::new(["public"], &NoCatalogue);
    environment.parameters = parameters;
    Postgres::new().parse(text, &environment).unwrap().remove(0)
}

#[test]
fn what_depends_on_a_parameter_is_pending_until_it_is_bound() {
    let text = "SELECT nextval($2), set_config($3, 'x', false) FROM t LIMIT $1";
    let pending = one(text, Parameters::Pending);
    assert!(pending.is_pending());
    assert_eq!(pending.parameters, 3);
    let values = [Bound::Text("10"), Bound::Text("s.q"), Bound::Text("role")];
    let bound = one(text, Parameters::Bound(&values));
    assert!(!bound.is_pending());
    let has = |verb: &str, resource: Resource| {
        bound.actions.iter().any(|action| action.verb.as_str() == verb && action.resource == resource)
    };
    assert!(has("call", Resource::named(["s", "q"])));
    assert!(has("set_role", Resource::named(["x"])));
    assert!(bound.actions.iter().any(|action| action.attribute("limit") == Some(&Value::Integer(10))));
}

#[test]
fn a_value_that_is_missing_or_opaque_is_undetermined() {
    for values in [&[][..], &[Bound::Opaque]] {
        let bound = one("SELECT nextval($1)", Parameters::Bound(values));
        assert_eq!(bound.actions[0].resource, Resource::Undetermined);
        assert!(!bound.is_pending());
    }
}

#[test]
fn execute_does_what_was_prepared_and_what_its_arguments_do() {
    let Kind::Prepare { name, inner, converted } =
        one("PREPARE p(int, char(4)) AS DELETE FROM t WHERE id = $1", Parameters::Pending).kind
    else {
        panic!("not a PREPARE");
    };
    assert_eq!((&*name, converted), ("p", vec![false, true]));
    let execute = one("EXECUTE p(s.leak())", Parameters::Pending);
    assert!(execute.actions.iter().any(|action| action.verb.as_str() == "unknown"));
    let executing = execute.executing(&inner);
    let verbs: Vec<&str> = executing.actions.iter().map(|action| action.verb.as_str()).collect();
    assert_eq!(verbs, ["call", "delete"]);
}

#[test]
fn outputs_line_up_with_what_the_server_describes() {
    let outputs = one("SELECT a, t.*, b FROM t", Parameters::Pending).outputs;
    let at = |index, count| outputs.at(index, count).map(|sources| sources.to_string());
    assert_eq!(at(0, 5).as_deref(), Some("public.t.a"));
    assert_eq!(at(1, 5).as_deref(), Some("public.t.*"));
    assert_eq!(at(3, 5).as_deref(), Some("public.t.*"));
    assert_eq!(at(4, 5).as_deref(), Some("public.t.b"));
    assert_eq!(at(5, 5), None);
    assert_eq!(at(0, 1), None);
    let outputs = one("SELECT a, b FROM t", Parameters::Pending).outputs;
    assert_eq!(outputs.at(0, 3), None, "the number of columns can't be right");
}

#[test]
fn spans_cut_a_text_into_its_statements() {
    let text = " SELECT 1 ; /* x */ BEGIN;\n\nCOMMIT ";
    let statements = Postgres::new().parse(text, &Environment::unknown()).unwrap();
    let cut: Vec<&str> = statements.iter().map(|statement| &text[statement.span.clone()]).collect();
    assert_eq!(cut, ["SELECT 1", "BEGIN", "COMMIT"]);
    assert_eq!(redact_literals(cut[0], |_| false), "SELECT ?");
}

#[test]
fn a_value_is_known_only_where_no_cast_makes_another_of_it() {
    let role = |text: &str| {
        let statement = one(text, Parameters::Bound(&[Bound::Text("apple ")]));
        let set = statement.actions.into_iter().find(|action| action.verb.as_str() == "set_role");
        set.map(|action| action.resource)
    };
    for (value, known) in [
        ("'apple'", Some("apple")),
        ("'apple'::text", Some("apple")),
        ("'apple'::varchar", Some("apple")),
        ("$1::text", Some("apple ")),
        ("'007'::int::text", Some("7")),
        ("'on'::bool::text", Some("true")),
        ("'apple'::\"char\"", None),
        ("'apple'::name", None),
        ("'apple '::char(9)", None),
        ("'apple'::varchar(1)", None),
        ("'apple'::text::\"char\"::text", None),
        ("$1::\"char\"", None),
        ("'apple'::public.cut", None),
    ] {
        let expected = known.map_or(Resource::Undetermined, |role| Resource::named([role]));
        assert_eq!(role(&format!("SELECT set_config('role', {value}, false)")), Some(expected), "{value}");
    }
    // What a sequence is called is the same with the cast that drivers write.
    let next = one("SELECT nextval('s.q'::regclass)", Parameters::Pending);
    assert_eq!(next.actions[0].resource, Resource::named(["s", "q"]));
}
