use super::*;

const TARGET: &str =
    "[[target]]\nname = \"shop\"\nprotocol = \"postgres\"\naddress = \"127.0.0.1\"\nuser = \"app\"\n";

fn parse(source: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("/etc/portcullis/portcullis.toml"), source)
}

#[track_caller]
fn fails(source: &str, line: usize, expected: &[&str]) {
    let error = parse(source).expect_err("this configuration is wrong");
    let text = error.to_string();
    assert_eq!(error.line(), Some(line), "{text}");
    for part in expected {
        assert!(text.contains(part), "`{part}` is missing from:\n{text}");
    }
}

#[test]
fn example_works() {
    let config = parse(Config::example()).expect("the example is right");
    assert_eq!(config.state, Path::new("/etc/portcullis/state"));
    assert_eq!(config.targets.len(), 1);
    let target = config.target(&policy_core::Protocol::POSTGRES, "shop").expect("the example's target");
    assert_eq!(target.credential, Some(CredentialSource::Env("SHOP_PASSWORD".into())));
    assert!(matches!(target.leg, Leg::Postgres { tls: TargetTls::Disable, .. }));
}

/// The example with the signs taken off a listener and off its target that is commented out as this one, but for the keys that name a
/// file or another credential.
fn uncommented(listener: &str, number: usize) -> String {
    let parts: Vec<&str> = Config::example().split("# [[target]]\n").collect();
    let keys = parts[number].lines().filter_map(|line| line.strip_prefix("# "));
    let keys = keys.filter(|line| {
        line.split_once(" = ")
            .is_some_and(|(key, _)| !key.contains(' ') && !matches!(key, "credential" | "tls"))
    });
    let head = parts[0].replace(&format!("# {listener} = "), &format!("{listener} = "));
    format!("{head}[[target]]\n{}\n", keys.collect::<Vec<_>>().join("\n"))
}

#[test]
fn the_ssh_target_of_the_example_works_uncommented() {
    let text = uncommented("ssh", 1);
    let config = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(config.listen.ssh, ["127.0.0.1:2222".parse().expect("an address")]);
    let target = config.target(&policy_core::Protocol::SSH, "web-1").expect("the example's SSH target");
    assert_eq!((target.user.as_str(), target.port, &target.credential), ("deploy", 22, &None));
    assert_eq!(target.subject.labels.get("env").map(AsRef::as_ref), Some("dev"));
    let with_key = format!("{text}credential = {{ file = \"web-1.key\" }}\n");
    let target = parse(&with_key).expect("a key by file").targets.pop().expect("two targets");
    assert!(matches!(target.credential, Some(CredentialSource::File(_))), "{:?}", target.credential);
}

#[test]
fn the_http_target_of_the_example_works_uncommented() {
    let text = uncommented("http", 2);
    let config = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(config.listen.http, ["127.0.0.1:8080".parse().expect("an address")]);
    let target = config.target(&policy_core::Protocol::HTTP, "billing").expect("the example's HTTP target");
    assert_eq!((target.host.as_str(), target.port), ("10.0.0.7", 9443));
    let Leg::Http(leg) = &target.leg else { panic!("{:?}", target.leg) };
    assert_eq!(
        (leg.asked_by.prefix.as_deref(), leg.graphql.as_slice()),
        (Some("/billing"), &["/graphql".to_owned()][..])
    );
    assert!(matches!(leg.tls, TargetTls::VerifyFull { .. }));
}

#[test]
fn defaults_are_safe() {
    let config = parse(&format!("policies = [\"p\"]\n{TARGET}")).expect("few keys are needed");
    assert!(config.tls.required);
    assert!(config.listen.postgres.iter().all(|address| address.ip().is_loopback()));
    assert_eq!(config.health, None);
    let target = &config.targets[0];
    let tls = TargetTls::VerifyFull { ca: None, server_name: "127.0.0.1".into() };
    assert_eq!(target.leg, Leg::Postgres { database: "shop".into(), tls });
    assert_eq!(target.port, 5432);
}

#[test]
fn errors_name_key_line_and_what_is_allowed() {
    let with = |line: &str| format!("policies = [\"p\"]\n{line}\n{TARGET}");
    let target = |line: &str| format!("policies = [\"p\"]\n{TARGET}{line}\n");
    fails(
        &with("[limits]\nconections = 3"),
        3,
        &["unknown field `conections`", "did you mean `connections`?"],
    );
    fails(&with("[limits]\nconnections = 0"), 3, &["`limits.connections` is a number from 1 to"]);
    fails(&with("[limits]\nauthentication_time = \"10\""), 3, &["\"10s\""]);
    fails(&with("[listen]\npostgres = \"localhost\""), 3, &["an IP address and a port", "[::1]:6432"]);
    fails(&with("[health]\nlisten = \"0.0.0.0:1\""), 3, &["loopback"]);
    fails(&with("[tls]\ncertificate = \"/dev/null/x\"\nkey = \"k\""), 3, &["is not a file"]);
    fails(&with("[tls]\nkey = \"k\""), 3, &["needs `tls.certificate`"]);
    fails(&with("[log]\nformat = \"xml\""), 3, &["`auto`", "`json`"]);
    fails(&with("[log]\nlevel = \"loud\""), 3, &["`debug`"]);
    fails(&with("workers = 0"), 2, &["`workers` is a number from 1"]);
    fails(&format!("policies = []\n{TARGET}"), 1, &["without a policy nothing is allowed"]);
    fails(&target("tls = { mode = \"verify-ful\" }"), 7, &["did you mean `verify-full`?"]);
    fails(&target("tls = { mode = \"require\", ca = \"x\" }"), 7, &["checked only with"]);
    fails(&target("credential = { env = \"A\", file = \"b\" }"), 7, &["exactly one of"]);
    fails(&target("credential = { password = \"hunter2\" }"), 7, &["unknown field `password`"]);
    fails(&target("password = \"hunter2\""), 7, &["unknown field"]);
    fails(
        &target("credential = \"hunter2\""),
        7,
        &[
            "expected a credential as { secret = \"NAME\" }, ",
            " or { file = \"PATH\" }, not a text",
            "credential = …",
        ],
    );
    fails(&target("tls = \"ca.crt\""), 7, &["expected a table such as { ca = \"ca.crt\" }, not a text"]);
    fails(&target("tls = { cert = \"a\" }"), 7, &["unknown field `cert`", "did you mean `certificate`?"]);
    fails(&with("tls = true"), 2, &["expected a section [tls], not a boolean"]);
    fails(&with("workers = \"2\""), 2, &["expected a whole number, not a text"]);
    fails(&TARGET.replace("[[", "[").replace("]]", "]"), 1, &["`[[target]]` in two"]);
    for (protocol, address, help) in [
        ("http", "ftp://x", "such as \"https://target.example.org:443\", or on this machine"),
        ("kubernetes", "10.0.0.1:x", "such as \"https://target.example.org:6443\", or on this machine"),
        ("postgres", "https://x", "\"db.example.org:5432\", \"[::1]:5432\" or \"/run/postgresql\""),
        ("ssh", "::1", "such as \"host.example.org:22\" or \"[::1]:22\""),
    ] {
        let odd = TARGET.replace("\"postgres\"", &format!("{protocol:?}"));
        let odd = odd.replace("127.0.0.1", address);
        fails(&format!("policies = [\"p\"]\n{odd}"), 5, &["is no address of a target", help]);
    }
    fails(&format!("policies = [\"p\"]\n{TARGET}{TARGET}"), 8, &["two targets are named `shop`"]);
    fails("policies = [\"p\"", 1, &[]);
}

#[test]
fn what_may_be_a_password_is_not_shown() {
    let check = |lines: &str, shown: &str| {
        let error = parse(&format!("policies = [\"p\"]\n{TARGET}{lines}\n")).expect_err(lines);
        let text = format!("{error}\n{error:?}");
        assert!(!text.contains("hunter2"), "{lines}\nwhat may be a password is shown:\n{text}");
        assert!(error.to_string().contains(&format!(" | {shown}\n")), "`{shown}` is missing from:\n{error}");
    };
    for (lines, shown) in [
        ("credential = \"hunter2\"", "credential = …"),
        ("password = \"hunter2\"", "password = …"),
        ("password = hunter2", "password = …"),
        ("\"password\" = \"hunter2\"", "…"),
        ("credential = { password = \"hunter2\" }", "credential = …"),
        ("credential = { secret = \"hunter2\", env = 3 }", "credential = …"),
        ("credential = { secret = \"hunter2\", ]", "credential = …"),
        ("credential = { secret = [\"hunter2\"] }", "credential = …"),
        ("credential.password = \"hunter2\"", "credential.password = …"),
        ("credential = \"hunter2", "credential = …"),
        ("credential = { env = \"hunter2!x\" }", "credential = …"),
        ("credential = { env = \"\", file = \"hunter2\" }", "credential = …"),
        ("credential = [\n  \"hunter2\", }", "…"),
        ("credential = \"\"\"\nhunter2==\\q\"\"\"", "…"),
        ("credential = \"\"\"\nhunter2==\"\"\"\n", "credential = …"),
        ("user = \"hunter2\"", "user = …"),
        ("[target.labels]\nteam = { hunter2 = \"hunter2\" }", "team = …"),
        ("[hunter2", "…"),
    ] {
        check(lines, shown);
    }
}

#[test]
fn an_address_with_a_password_in_it_is_not_shown() {
    for (protocol, address) in [
        ("postgres", "postgres://app:hunter2@db.example.org/shop"),
        ("postgres", "app:hunter2@db.example.org"),
        ("ssh", "ssh://app:hunter2@web.example.org"),
        ("http", "https://app:hunter2@api.example.org"),
        ("http", "https://app:hunter2@api.example.org:x"),
        ("http", "https://app:hunter2@api.example.org/v1"),
        ("http", "ftp://app:hunter2@api.example.org"),
        ("postgres", "host=db.example.org user=app password=hunter2"),
        ("postgres", "postgresql:///shop;password=hunter2"),
        ("postgres", "db.example.org;password=hunter2"),
        ("postgres", "db.example.org\\tpassword hunter2"),
        ("ssh", "app:hunter2:web.example.org"),
        ("ssh", "app/hunter2/web.example.org:x"),
        ("http", "https://api.example.org/v1;key=hunter2"),
        ("http", "https://api.example.org/hooks/hunter2"),
    ] {
        let source = TARGET.replace("\"postgres\"", &format!("{protocol:?}")).replace("127.0.0.1", address);
        let source = format!("policies = [\"p\"]\n{source}");
        let error = parse(&source).expect_err(address);
        assert_eq!(error.line(), Some(5), "{error}");
        let text = format!("{error}\n{error:?}");
        assert!(!text.contains("hunter2"), "a password is shown:\n{text}");
    }
}

#[test]
fn an_mcp_server_has_one_path() {
    let with = |protocol: &str, line: &str| {
        format!(
            "policies = [\"p\"]\n[[target]]\nname = \"files\"\nprotocol = \"{protocol}\"\naddress = \"127.0.0.1:1\"\n{line}\n"
        )
    };
    let path = |line: &str| {
        let config = parse(&with("mcp", line)).unwrap();
        config.http_targets().next().map(|(_, leg)| leg.path.clone()).unwrap()
    };
    assert_eq!(path(""), "/mcp");
    assert_eq!(path("path = \"/api/v1/mcp\""), "/api/v1/mcp");
    for odd in ["mcp", "/", "/mcp/", "/a/../b", "/mcp?a"] {
        fails(&with("mcp", &format!("path = \"{odd}\"")), 6, &["no path of plain segments"]);
    }
    for protocol in ["http", "kubernetes"] {
        fails(&with(protocol, "path = \"/mcp\""), 6, &["`path` is for targets with `protocol = \"mcp\"`"]);
    }
}

#[test]
fn plaintext_to_another_machine_is_spelled_out() {
    let to = |host: &str, mode: &str| {
        format!(
            "policies = [\"p\"]\n[[target]]\nname = \"a\"\nprotocol = \"postgres\"\naddress = \"{host}\"\nuser = \"u\"\ntls = {{ mode = \"{mode}\" }}\n"
        )
    };
    fails(&to("db.example.org:5432", "disable"), 7, &["in the clear", "disable-over-network"]);
    for host in ["127.0.0.1:5432", "[::1]:5432", "localhost", "/run/postgresql"] {
        assert!(parse(&to(host, "disable")).is_ok(), "{host}");
    }
    assert!(parse(&to("db.example.org:5432", "disable-over-network")).is_ok());
}

#[test]
fn addresses_of_targets() {
    let parse_one = |address: &str| {
        let source = format!(
            "policies = [\"p\"]\n[[target]]\nname = \"a\"\nprotocol = \"postgres\"\naddress = \"{address}\"\nuser = \"u\"\n"
        );
        parse(&source).map(|config| (config.targets[0].host.clone(), config.targets[0].port))
    };
    for (address, host, port) in [
        ("db:1", "db", 1),
        ("db", "db", 5432),
        ("[::1]:9", "::1", 9),
        ("[::1]", "::1", 5432),
        ("/run/pg:5433", "/run/pg", 5433),
    ] {
        assert_eq!(parse_one(address).expect(address), (host.to_owned(), port));
    }
    for address in ["", ":1", "db:", "db:0", "db:70000", "::1", "[::1", "[db]:1", "[::1]9", "a b"] {
        assert!(parse_one(address).is_err(), "{address}");
    }
}

#[test]
fn keys_of_http_targets_that_could_do_nothing_are_wrong() {
    let with = |key: &str| {
        format!(
            "policies = [\"p\"]\n[[target]]\nname = \"api\"\nprotocol = \"http\"\naddress = \"127.0.0.1\"\n{key}\n"
        )
    };
    for host in ["api.test", "API.test", "api_1.test", "127.0.0.1", "[::1]"] {
        parse(&with(&format!("hosts = [\"{host}\"]"))).unwrap_or_else(|error| panic!("{error}"));
    }
    for host in ["api:8443", "[::1]:8443", "::1", "", "http://api", "api/v1", "*.test", "a b", "user@api"] {
        let text = with(&format!("hosts = [\"{host}\"]"));
        fails(&text, 6, &[&format!("`{host}` is no host"), "without a port"]);
    }
    for header in ["x-api-key", "authorization", "private-token"] {
        parse(&with(&format!("header = \"{header}\""))).unwrap_or_else(|error| panic!("{error}"));
    }
    for header in [
        "Accept-Encoding",
        "expect",
        "content-type",
        "keep-alive",
        "proxy-authorization",
        "sec-websocket-key",
        "Sec-WebSocket-Protocol",
        "host",
        "a b",
    ] {
        let text = with(&format!("header = \"{header}\""));
        fails(&text, 6, &["is no field that a credential goes into"]);
    }
}
