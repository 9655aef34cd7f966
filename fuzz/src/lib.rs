//! What must hold for every input, whoever wrote it: one function a fuzz target.
//!
//! The targets call these with inputs that libFuzzer makes up; an ordinary test of the workspace
//! (`proxies/testkit/tests/seeds.rs`) includes this file and calls them with everything in `seeds/`. An input that once
//! failed is kept there under a name that says why.

#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a property states what it expects by failing"
)]

mod origins;
mod paths;

use std::sync::{Arc, LazyLock};

use policy_core::mask::{
    Detector, Detectors, FieldMasks, JsonError, JsonMasker, Literals, MaskKey, Scratch, SseMasker,
    StreamMasker, TerminalMasker, Transform,
};
use policy_core::reference::{self, Plain};
use policy_core::rule::{FieldMask, HoldKey};
use policy_core::vocabulary::parse_field;
use policy_core::{ActionSet, Policy, Principal, Protocol, Request, Target, Value, Verb};
use policy_lang::{Environment, Source, format, load};
use policy_normalize::http::{self, Body, graphql as fields_of};
use policy_normalize::kubernetes::{self, Object, content};
use policy_normalize::mcp::{self, Asked, Context, DENIED, Denial, List, Messages, Side};
use policy_normalize::shell;
use policy_normalize::sql::{self, Grammar, NoCatalogue, Postgres, Statement, redact_literals};
use portcullis_http::wire::{
    BadSpdy, BadWebSocket, Blocks, Head, Opcode, Part, Sender, Spdy, SpdyPart, WebSocket,
};
use portcullis_postgres::wire::bind::Bind;
use portcullis_postgres::wire::describe::Named;
use portcullis_postgres::wire::execute::Execute;
use portcullis_postgres::wire::frame::{self, Header};
use portcullis_postgres::wire::frontend::{Caps, Frontend, Handling};
use portcullis_postgres::wire::parameter_status::ParameterStatus;
use portcullis_postgres::wire::parse::Parse;
use portcullis_postgres::wire::query::Query;
use portcullis_postgres::wire::startup::First;
use portcullis_ssh::sftp::wire::extension::KNOWN;
use portcullis_ssh::sftp::wire::reply::write_version;
use portcullis_ssh::sftp::wire::request::{Pair, Request as Sftp, write_init};
use portcullis_ssh::sftp::{Gate, Step, operation};

pub use paths::request_target;

/// A policy loads or is refused, in words; what loads compiles; what can be laid out stays so, and means the same.
pub fn language(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let source = Source::new("fuzzed.policy", text);
    let environment = Environment::default();
    let loaded = load(std::slice::from_ref(&source), &environment);
    if let Ok(laid_out) = format(&source) {
        let again = Source::new("fuzzed.policy", laid_out.as_str());
        assert_eq!(format(&again).as_ref().ok(), Some(&laid_out), "laying out twice changes something");
        assert_eq!(loaded.is_ok(), load(&[again], &environment).is_ok(), "laying out changes the meaning");
    }
    match loaded {
        Ok(loaded) => {
            Policy::compile([&loaded.rules], &environment.vocabularies).expect("what was checked compiles");
        }
        Err(diagnostics) => assert!(!diagnostics.to_string().is_empty(), "refused without a word"),
    }
}

/// Frames end where they say, and what is decoded of one is all of it: written out again it is the same bytes.
pub fn wire(input: &[u8]) {
    const CAPS: Caps = Caps { statement: 1 << 20, bind: 1 << 20 };
    let _ = First::decode(input);
    let mut rest = input;
    while let Ok(Some(header)) = frame::header(rest) {
        let Header { tag, body } = header;
        assert_eq!(header.total(), body.saturating_add(frame::HEADER));
        let Some((message, behind)) = rest.split_at_checked(header.total()) else { return };
        let body = &message[frame::HEADER..];
        let frontend = Frontend::from_tag(tag).and_then(|kind| Ok((kind, kind.handling(header, CAPS)?)));
        if let Ok((kind, Handling::Whole)) = frontend
            && let Some(again) = rewritten(kind, body)
        {
            assert_eq!(again, body, "{kind:?}");
        }
        let _ = ParameterStatus::decode(body);
        let _ = portcullis_postgres::wire::backend::Backend::from_header(header);
        rest = behind;
    }
}

/// A message's body, written from what was decoded of it; `None` where it was refused.
fn rewritten(kind: Frontend, body: &[u8]) -> Option<Vec<u8>> {
    let text = |text: &str| [text.as_bytes(), b"\0"].concat();
    Some(match kind {
        Frontend::Query => text(Query::decode(body).ok()?.text),
        Frontend::Parse => {
            let parse = Parse::decode(body).ok()?;
            let count = u16::try_from(parse.types().len()).expect("counted by two bytes").to_be_bytes();
            let types: Vec<u8> = parse.types().flat_map(u32::to_be_bytes).collect();
            [text(parse.statement), text(parse.text), count.to_vec(), types].concat()
        }
        Frontend::Bind => {
            let bind = Bind::decode(body).ok()?;
            let values: usize = bind.values().map(|(_, value)| 4 + value.map_or(0, <[u8]>::len)).sum();
            // Names, three counts, and format codes of the parameters, of which the type keeps none to ask for.
            let least = bind.portal.len() + bind.statement.len() + 8 + values + bind.result_formats().len();
            assert!(
                least <= body.len() && (body.len() - least).is_multiple_of(2),
                "Bind has bytes left over"
            );
            return None;
        }
        Frontend::Describe | Frontend::Close => match Named::decode(body).ok()? {
            Named::Statement(name) => [b"S".to_vec(), text(name)].concat(),
            Named::Portal(name) => [b"P".to_vec(), text(name)].concat(),
        },
        Frontend::Execute => {
            let execute = Execute::decode(body).ok()?;
            [text(execute.portal), execute.rows.to_be_bytes().to_vec()].concat()
        }
        _ => return None,
    })
}

/// Every statement of a text that is understood does something, and the texts lie in order inside it.
pub fn sql(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let _ = redact_literals(text, |literal| literal.len() == 1);
    let Some(statements) = understood(text) else { return };
    assert!(!statements.is_empty(), "a text of no statements is a noop");
    let mut end = 0;
    for statement in &statements {
        assert!(!statement.actions.is_empty(), "a statement that does nothing");
        assert!(end <= statement.span.start, "statements overlap");
        assert!(text.get(statement.span.clone()).is_some(), "a statement outside its text");
        end = statement.span.end;
    }
}

fn understood(text: &str) -> Option<Vec<Statement>> {
    Postgres::new().parse(text, &sql::Environment::new(["public"], &NoCatalogue)).ok()
}

/// A command line does something, and soon; one that is a plain command is so again when it is written anew.
pub fn shell(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let environment = shell::Environment { home: Some("/home/ana"), ..shell::Environment::default() };
    let started = std::time::Instant::now();
    let reading = shell::read(text, &environment);
    assert!(started.elapsed().as_secs() < 10, "took {:?}", started.elapsed());
    assert!(!reading.actions.as_slice().is_empty(), "a text that does nothing is a noop");
    assert!(reading.actions.as_slice().len() <= environment.limits.actions + 2, "too many actions");
    if let Some(argv) = reading.argv {
        let again = shell::read(&shell::quote(&argv), &environment);
        assert_eq!(again.argv.as_ref(), Some(&argv), "quoting changes the words");
        let of = |actions: &ActionSet| -> Vec<_> {
            actions.iter().map(|action| (action.verb.clone(), action.attribute("argv").cloned())).collect()
        };
        assert_eq!(of(&again.actions), of(&reading.actions), "quoting changes what is done");
    }
    // Any words at all can be written, if not for what no shell should be given.
    let words: Vec<&str> = text.split(' ').collect();
    if !text.chars().any(|character| character.is_control()) {
        let written = shell::read(&shell::quote(&words), &environment);
        if text.len() < environment.limits.bytes / 4 && words.len() < 1_000 {
            assert!(written.argv.is_some_and(|argv| argv == words), "quoting loses words");
        }
    }
}

/// What a message does depends on what it says and not on how it is written; whatever it is, it has an answer; and a list of
/// which all is kept, or nothing, is otherwise what it was.
pub fn mcp_message(input: &[u8]) {
    let fields = http::Fields::default();
    let pinned = |tool: &str| tool.bytes().next().map(|first| first < b'n');
    let asked = |_: Asked<'_>| None;
    for side in [Side::Client, Side::Server] {
        let context = Context { side, fields: &fields, pinned: &pinned, asked: &asked };
        let found = Messages::parse(input, &context);
        assert!(!found.elements.is_empty() && (found.batch || found.elements.len() == 1));
        for element in &found.elements {
            assert!(!element.actions.is_empty());
            let answer = mcp::error(element.id.as_deref(), DENIED, "no", &Denial::default());
            let answer: serde_json::Value = serde_json::from_str(&answer).expect("an answer is JSON");
            let id = element.id.as_ref().map_or("null".into(), Clone::clone);
            assert_eq!(answer["id"], serde_json::from_str::<serde_json::Value>(&id).expect("an id is JSON"));
        }
        let actions = found.actions();
        if !actions.iter().any(|action| action.verb == Verb::UNKNOWN) {
            let json: serde_json::Value = serde_json::from_slice(input).expect("what is understood is JSON");
            let again = Messages::parse(json.to_string().as_bytes(), &context).actions();
            assert_eq!(again, actions, "writing it otherwise changes what it does");
        }
    }
    let json =
        |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).expect("what is shown is JSON");
    for list in [List::Tools, List::Prompts, List::Resources, List::Templates] {
        let Ok(all) = list.filtered(input, |_| true) else { continue };
        assert_eq!(json(&all), json(input));
        let none = list.filtered(input, |_| false).expect("it was read before");
        assert!(none.len() <= all.len());
        assert_eq!(list.filtered(&none, |_| true).expect("it is a list still"), none);
    }
    if let Ok(tools) = mcp::tools(input) {
        assert!(tools.iter().all(|tool| json(tool.canonical.as_bytes())["name"] == *tool.name));
    }
}

/// What a document selects is bounded, and neither a comment nor more space changes it.
pub fn graphql(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let target = http::Target::parse("/graphql").expect("a target");
    let select = |text: &str| {
        let body = Body::Json(serde_json::json!({ "query": text }));
        let parts = http::Parts {
            method: "POST",
            upgrade: false,
            host: "api",
            target: &target,
            headers: &[],
            media_type: "application/json",
            size: None,
            body: Some(&body),
        };
        fields_of::actions(&parts, b"", &http::Fields::default())
    };
    let found = select(text);
    let count = found.as_slice().len();
    assert!((2..=1 + fields_of::MAX_FIELDS).contains(&count), "{count} actions");
    if !found.iter().any(|action| action.verb == Verb::UNKNOWN) {
        assert!(text.contains('{'), "fields without a selection");
        let more = format!("# }}\r,{text}\n#");
        if more.len() <= fields_of::MAX_TEXT {
            assert_eq!(select(&more), found, "a comment changes what is selected");
        }
    }
}

/// However a stream is split, what leaves is what the whole becomes. The first bytes say how it is split.
pub fn stream_masker(input: &[u8]) {
    static DETECTORS: LazyLock<Detectors> = LazyLock::new(detectors);
    let Some((sizes, text)) = input.split_at_checked(8) else { return };
    let key = MaskKey::new(b"sixteen bytes or more").expect("enough of them");
    let mut whole = Vec::new();
    if DETECTORS.mask_into(text, &key, &mut Scratch::default(), &mut whole) == 0 {
        whole = text.to_vec();
    }
    let (mut masker, mut out, mut rest) = (StreamMasker::default(), Vec::new(), text);
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, behind) = rest.split_at(usize::from(*size).clamp(1, rest.len()));
        masker.push(&DETECTORS, &key, piece, &mut out);
        assert!(masker.held() <= StreamMasker::MAX_HELD, "{} bytes held back", masker.held());
        rest = behind;
    }
    masker.flush(&DETECTORS, &key, &mut out);
    assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&whole));
}

/// However what a terminal gets is split, the same leaves; without sequences it is what the whole becomes; and whatever
/// the pauses, not a byte is lost where nothing is found. The first bytes say how it is split.
pub fn terminal(input: &[u8]) {
    static DETECTORS: LazyLock<Detectors> = LazyLock::new(detectors);
    // Of something that a text without a `B` does not have.
    static KEYS: LazyLock<Detectors> =
        LazyLock::new(|| Detectors::new(&[(Detector::PrivateKey, Transform::Redact)]).expect("detectors"));
    let Some((sizes, text)) = input.split_at_checked(8) else { return };
    let key = MaskKey::new(b"sixteen bytes or more").expect("enough of them");
    let run = |detectors: &Detectors, text: &[u8], sizes: &[u8], pauses: bool| {
        let (mut masker, mut out, mut rest) = (TerminalMasker::default(), Vec::new(), text);
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, behind) = rest.split_at(usize::from(*size).clamp(1, rest.len()));
            masker.push(detectors, &key, piece, &mut out);
            assert!(masker.held() <= TerminalMasker::MAX_HELD, "{} bytes held back", masker.held());
            match size % 3 {
                0 if pauses => masker.settle(detectors, &key, &mut out),
                1 if pauses => masker.release(detectors, &key, &mut out),
                _ => 0,
            };
            rest = behind;
        }
        masker.finish(detectors, &key, &mut out);
        out
    };
    let split = run(&DETECTORS, text, sizes, false);
    assert_eq!(
        String::from_utf8_lossy(&split),
        String::from_utf8_lossy(&run(&DETECTORS, text, &[255], false))
    );
    if !text.iter().any(|byte| matches!(byte, 0x1b | 0x08)) {
        let mut whole = Vec::new();
        if DETECTORS.mask_into(text, &key, &mut Scratch::default(), &mut whole) == 0 {
            whole = text.to_vec();
        }
        assert_eq!(String::from_utf8_lossy(&split), String::from_utf8_lossy(&whole));
    }
    let text: Vec<u8> = text.iter().copied().filter(|byte| *byte != b'B').collect();
    assert_eq!(run(&KEYS, &text, sizes, true), text);
    let _ = run(&DETECTORS, &text, sizes, true);
}

/// A stream, and what became of it.
pub type Masked<'a> = (&'a [u8], Result<Vec<u8>, JsonError>);

/// However a stream of JSON, or of events, is split, the same leaves; what leaves is JSON where that came. The first bytes say how it is
/// split, the next one which masks apply and whether it is a stream of events. Says what came, and what left in their place.
pub fn json_mask(input: &[u8]) -> Option<Masked<'_>> {
    static DETECTORS: LazyLock<Detectors> = LazyLock::new(detectors);
    static FIELDS: LazyLock<Arc<FieldMasks>> = LazyLock::new(|| {
        let read = |text: &str| parse_field(text).expect("a pattern");
        let redacted = FieldMask {
            fields: ["**.a", "b.*.c"].map(read).into(),
            with: vec![(read("**.c"), Transform::Last(4))],
            otherwise: Transform::Redact,
        };
        let null = FieldMask { fields: vec![read("n")], with: vec![], otherwise: Transform::Null };
        Arc::new(FieldMasks::new([&redacted, &null]))
    });
    let (sizes, rest) = input.split_at_checked(8)?;
    let (mode, text) = rest.split_first()?;
    let masks = (mode & 1 != 0).then(|| Arc::clone(&FIELDS));
    let events = mode & 2 != 0;
    let key = MaskKey::new(b"sixteen bytes or more").expect("enough of them");
    let run = |masks: Option<Arc<FieldMasks>>, detectors: &Detectors, text: &[u8], sizes: &[usize]| {
        let (mut json, mut sse) = (JsonMasker::new(masks.clone()), SseMasker::new(masks));
        let (mut out, mut rest) = (Vec::new(), text);
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, behind) = rest.split_at((*size).clamp(1, rest.len()));
            if events {
                sse.push(detectors, &key, piece, &mut out)?;
            } else {
                json.push(detectors, &key, piece, &mut out)?;
                assert!(json.held() <= JsonMasker::MAX_HELD, "{} bytes held back", json.held());
            }
            rest = behind;
        }
        if events { sse.finish(detectors, &key, &mut out) } else { json.finish(detectors, &key, &mut out) }?;
        Ok(out)
    };
    let sizes: Vec<usize> = sizes.iter().map(|size| usize::from(*size)).collect();
    let whole = run(masks.clone(), &DETECTORS, text, &[usize::MAX]);
    assert_eq!(whole, run(masks, &DETECTORS, text, &sizes), "in pieces of {sizes:?}");
    if let Ok(out) = &whole {
        let nothing = Detectors::new(&[]).expect("no detectors");
        assert_eq!(run(None, &nothing, out, &[usize::MAX]).as_ref(), Ok(out), "what leaves can't be read");
        assert_eq!(run(None, &nothing, text, &sizes).as_deref(), Ok(text), "what is not masked changes");
    }
    (!events).then_some((text, whole))
}

/// All of them, with forms that show where a find began and ended.
fn detectors() -> Detectors {
    let rules = Detector::ALL.map(|detector| match detector {
        Detector::Email | Detector::Jwt => (detector, Transform::Hash),
        Detector::Phone | Detector::CreditCard | Detector::Ssn => (detector, Transform::Last(4)),
        Detector::Authorization | Detector::PrivateKey => (detector, Transform::First(6)),
        _ => (detector, Transform::Redact),
    });
    let literals = Literals::new([&b"the password of a target"[..]]).expect("literals");
    Detectors::new(&rules).expect("detectors").with_literals(literals)
}

/// The compiled policy says what the naive evaluator says. The input is a policy, a zero byte, and SQL.
pub fn evaluator(input: &[u8]) {
    let Some((policy, sql)) = std::str::from_utf8(input).ok().and_then(|text| text.split_once('\0')) else {
        return;
    };
    let environment = Environment::default();
    let Ok(loaded) = load(&[Source::new("fuzzed.policy", policy)], &environment) else { return };
    let Some(statements) = understood(sql) else { return };
    let sets = [loaded.rules];
    let policy = Policy::compile(&sets, &environment.vocabularies).expect("what was checked compiles");
    let holds: Vec<HoldKey> =
        policy.rules().filter_map(|(index, _)| policy.hold_key(index).cloned()).collect();
    let known = Principal::human("ana", ["eng"]);
    let unknown = Principal { groups: None, ..Principal::human("bo", ["eng"]) };
    for statement in statements {
        let lineage = statement.lineage();
        let actions = ActionSet::new(statement.actions).with_lineage(lineage);
        for (principal, label, grants, now) in [
            (&known, Some("prod"), &[][..], Some(1_767_225_600)),
            (&known, Some("dev"), &holds[..], None),
            (&unknown, None, &holds[..holds.len() / 2], Some(1_767_500_000)),
        ] {
            let labels = label.map(|label| ("env".into(), label.into())).into_iter().collect();
            let target = Target { name: "shop".into(), protocol: Protocol::POSTGRES, labels };
            let source = "10.1.2.3".parse().ok();
            let request = Request { principal, target: &target, actions: &actions, source, now, grants };
            let compiled = Plain::of(&policy, &policy.evaluate(&request));
            let naive = reference::judge(&sets, &environment.vocabularies, &request);
            assert_eq!(compiled, Some(naive));
            let _ = policy.explain(&request).to_string();
        }
    }
}

/// What is judged is what is sent, and no cut changes it. The input is how the streams are cut, how much of the rest is the
/// client's, and packets of client and target behind their greetings.
pub fn sftp(input: &[u8]) {
    let Some(([cut, high, low], rest)) = input.split_first_chunk::<3>() else { return };
    let middle = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
    let (client, target) = rest.split_at(middle);
    let whole = judged(client, target, usize::MAX);
    let pieces = judged(client, target, usize::from(*cut).max(1));
    assert_eq!(whole, pieces, "cutting the streams changes what is judged");
}

/// All that a gate says about two streams, the client's first, each fed in pieces.
fn judged(client: &[u8], target: &[u8], piece: usize) -> Vec<String> {
    let mut gate = Gate::new();
    let mut said = Vec::new();
    gate.client_sent(&write_init()).expect("room");
    assert!(matches!(gate.step(), Ok(Some(Step::Pass(_)))));
    gate.target_sent(&write_version(KNOWN)).expect("room");
    // NAME, id 0, one name: `/h`, no line for people, no attributes.
    gate.target_sent(b"\0\0\0\x17\x68\0\0\0\0\0\0\0\x01\0\0\0\x02/h\0\0\0\0\0\0\0\0").expect("room");
    while let Some(reply) = gate.reply().expect("a greeting") {
        said.push(format!("{reply:?}"));
    }
    let client = client.chunks(piece).map(|bytes| (true, bytes));
    let target = target.chunks(piece).map(|bytes| (false, bytes));
    for (is_client, bytes) in client.chain(target) {
        if is_client { gate.client_sent(bytes) } else { gate.target_sent(bytes) }.expect("room");
        loop {
            match gate.step() {
                Ok(Some(Step::Ask(ask))) => {
                    plain(ask.packet(), &ask.actions);
                    said.push(format!("{} {:?}", ask.text, ask.actions));
                    said.push(format!("{:?}", gate.admit(ask)));
                }
                Ok(Some(Step::Pass(packet))) => {
                    let (id, request) = Sftp::decode(&packet).expect("what passes is understood");
                    assert_eq!(request.encode(id), packet);
                    said.push(format!("{packet:?}"));
                }
                Ok(Some(Step::Refused(refused))) => said.push(format!("{refused:?}")),
                Ok(None) => break,
                Err(fatal) => return [said, vec![fatal.to_string()]].concat(),
            }
        }
        loop {
            match gate.reply() {
                Ok(Some(reply)) => said.push(format!("{reply:?}")),
                Ok(None) => break,
                Err(fatal) => return [said, vec![fatal.to_string()]].concat(),
            }
        }
    }
    said
}

/// Each path that is sent is absolute and plain, and the actions name it.
fn plain(packet: &[u8], actions: &ActionSet) {
    let (id, sent) = Sftp::decode(packet).expect("what is judged is understood");
    assert_eq!(sent.encode(id), packet);
    let paths: Vec<&str> = match &sent {
        Sftp::Open { path, .. } | Sftp::OfPath(_, path) | Sftp::Set(_, path, _) => vec![path],
        Sftp::Pair(Pair::Symlink, _, link) => vec![link],
        Sftp::Pair(_, one, two) => vec![one, two],
        _ => vec![],
    };
    for path in paths {
        assert!(path == "/" || !path[1..].split('/').any(|one| matches!(one, "" | "." | "..")), "{path:?}");
        let resource = policy_core::vocabulary::ssh::path(path);
        assert!(actions.iter().any(|action| action.resource == resource), "{path:?}");
    }
    assert_eq!(operation::normalise(sent.clone(), "/h").as_ref(), Ok(&sent));
}

/// The shipped masks, where all is allowed.
static SECRETS: LazyLock<Policy> = LazyLock::new(|| {
    let text = "use \"kubernetes/secrets\"\nallow \"all\" { on kubernetes }\nallow \"the rest\" { on kubernetes  do unknown }";
    let environment = Environment::default();
    let loaded = load(&[Source::new("shipped.policy", text)], &environment).expect("a policy");
    Policy::compile([&loaded.rules], &environment.vocabularies).expect("a policy")
});

fn cluster() -> Target {
    Target { name: "cluster".into(), protocol: Protocol::KUBERNETES, labels: Default::default() }
}

/// A request does something; spelled otherwise, or as it is sent on, it does the same; and what it may ask for is asked
/// for once. The input is a method, a target, a media type and a body, each but the last on a line.
pub fn kubernetes_request(input: &[u8]) {
    static FIELDS: LazyLock<kubernetes::Fields> = LazyLock::new(|| {
        let text = "policy \"p\"\ndefault deny\ndeny \"looks\" { on kubernetes do create when object.\"a\" or \
                    object.\"a.b\" or object.\"spec.containers.image\" or object.\"spec.hostNetwork\" }";
        let environment = Environment::default();
        let loaded = load(&[Source::new("fuzzed.policy", text)], &environment).expect("a policy");
        kubernetes::Fields::of(
            &Policy::compile([&loaded.rules], &environment.vocabularies).expect("a policy"),
        )
    });
    let mut parts = input.splitn(4, |byte| *byte == b'\n');
    let mut line = || parts.next().and_then(|part| std::str::from_utf8(part).ok());
    let (Some(method), Some(text), Some(media_type)) = (line(), line(), line()) else { return };
    let accept = content::negotiated(media_type);
    assert_eq!(content::negotiated(&accept), accept, "negotiating twice changes something");
    let is_readable = |range: &str| {
        ["application/json", "application/yaml", "text/"].iter().any(|kind| range.starts_with(kind))
    };
    assert!(accept.split(", ").all(is_readable), "{accept}");
    let Ok(target) = http::Target::parse(text) else { return };
    let Ok(body) = Object::read(media_type, parts.next().unwrap_or_default()) else { return };
    let actions = |target: &http::Target| {
        kubernetes::action(&kubernetes::Parts { method, target, media_type, body: Some(&body) }, &FIELDS)
    };
    let done = actions(&target);
    assert!(!done.as_slice().is_empty(), "a request that does nothing");
    assert!(done.as_slice().len() <= 1_100, "{} actions", done.as_slice().len());
    let (principal, cluster) = (Principal::human("ana", ["eng"]), cluster());
    let asked = Request {
        principal: &principal,
        target: &cluster,
        actions: &done,
        source: None,
        now: None,
        grants: &[],
    };
    let masked = SECRETS.field_masks(&SECRETS.evaluate(&asked).obligations).is_some();
    assert!(!names(&done, "secrets") || masked, "a Secret in the clear");
    let sent = http::Target::parse(&target.sent).expect("what is sent is a target");
    assert_eq!(actions(&sent), done, "what is sent does something else");
    let spelled = escaped(text);
    if spelled.len() <= http::MAX_TARGET {
        let spelled = http::Target::parse(&spelled).expect("an escape more");
        assert_eq!(actions(&spelled), done, "spelled otherwise it does something else");
    }
    for name in ["a", "a.b", "spec.containers.image"] {
        let values = body.values(name);
        assert!((1..=16).contains(&values.len()), "{values:?}");
        let is_unclear = values.contains(&Value::Undetermined);
        assert!(!is_unclear || values.len() == 1, "{values:?}");
    }
}

/// Whether an action is on this resource.
fn names(actions: &ActionSet, resource: &str) -> bool {
    actions.iter().any(|action| action.resource == policy_core::Resource::named([resource]))
}

/// Every letter and digit that is no part of an escape, escaped: unreserved characters mean the same either way.
fn escaped(target: &str) -> String {
    let mut text = String::new();
    let mut in_escape = 0;
    for character in target.chars() {
        if in_escape > 0 || !character.is_ascii_alphanumeric() {
            in_escape = if character == '%' { 2 } else { in_escape.max(1) - 1 };
            text.push(character);
        } else {
            text.push_str(&format!("%{:02x}", u32::from(character)));
        }
    }
    text
}

/// However the bytes of a WebSocket come, the same messages are read of them, up to the same fault; and what was read holds no
/// more than came.
pub fn websocket(input: &[u8]) {
    let Some((&step, bytes)) = input.split_first() else { return };
    let sender = if step & 0x80 == 0 { Sender::Server } else { Sender::Client };
    let whole = messages(sender, bytes, bytes.len());
    assert_eq!(
        messages(sender, bytes, usize::from(step & 0x7f)),
        whole,
        "cut otherwise, something else is read"
    );
    assert!(whole.0.iter().map(|(_, data, _)| data.len()).sum::<usize>() <= bytes.len(), "more than came");
}

/// Messages with their kinds, and whether they ended; and what was wrong.
type Messaged = (Vec<(Opcode, Vec<u8>, bool)>, Option<BadWebSocket>);

fn messages(sender: Sender, bytes: &[u8], step: usize) -> Messaged {
    let (mut all, mut message, mut bytes) = (Vec::new(), None, bytes.to_vec());
    let mut reader = WebSocket::new(sender);
    let mut see = |part: Part<'_>| {
        match part {
            Part::Control(opcode, data) => {
                assert!(opcode.is_control() && data.len() <= 125, "{opcode:?} of {}", data.len());
                all.push((opcode, data.to_vec(), true));
            }
            Part::Piece { kind, is_first, is_last, data } => {
                assert!(is_first == message.is_none() && !kind.is_control(), "{kind:?} within a message");
                message.get_or_insert((kind, Vec::new(), false)).1.extend_from_slice(data);
                if is_last {
                    let (kind, data, _) = message.take().expect("a message");
                    all.push((kind, data, true));
                }
            }
        }
        Ok::<_, BadWebSocket>(())
    };
    let fault = bytes.chunks_mut(step.max(1)).find_map(|chunk| reader.read(chunk, &mut see).err());
    all.extend(message);
    (all, fault)
}

/// However the bytes of SPDY come, the same is read of them, up to the same fault: data by its stream, control frames, what is
/// packed in them. Data that is written is read again as it was.
pub fn spdy(input: &[u8]) {
    let Some((&step, bytes)) = input.split_first() else { return };
    let whole = frames(bytes, bytes.len());
    assert_eq!(frames(bytes, usize::from(step)), whole, "cut otherwise, something else is read");
    let mut written = Vec::new();
    for (stream, is_last, data) in whole.0.iter().filter(|(stream, ..)| *stream > 0) {
        Head::write_data(*stream, *is_last, data, &mut written);
    }
    let (again, fault) = frames(&written, usize::from(step));
    let data =
        whole.0.into_iter().filter(|(stream, is_last, data)| *stream > 0 && (*is_last || !data.is_empty()));
    assert_eq!((joined(again), fault), (joined(data.collect()), None), "what is written reads otherwise");
}

/// Data with its stream and whether that ended, control frames and what was packed in them as data of stream 0; and what was wrong.
type Framed = (Vec<(u32, bool, Vec<u8>)>, Option<BadSpdy>);

fn frames(bytes: &[u8], step: usize) -> Framed {
    let (mut reader, mut blocks) = (Spdy::default(), Blocks::default());
    let mut all: Vec<(u32, bool, Vec<u8>)> = Vec::new();
    let mut see = |part: SpdyPart<'_>| {
        match part {
            SpdyPart::Data { stream, is_last, data } => all.push((stream, is_last, data.to_vec())),
            SpdyPart::Control(control) => {
                assert!(control.bytes.len() <= (16 << 10) + 8, "a control frame of {}", control.bytes.len());
                all.push((0, control.is_last, control.bytes.to_vec()));
                if !control.block().is_empty() {
                    let fields = blocks.next(control.block())?;
                    let size: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
                    assert!(fields.len() <= 64 && size <= 32 << 10, "{} fields of {size}", fields.len());
                    all.extend(
                        fields.into_iter().flat_map(|(name, value)| [(0, true, name), (0, true, value)]),
                    );
                }
            }
        }
        Ok::<_, BadSpdy>(())
    };
    let fault = bytes.chunks(step.max(1)).find_map(|chunk| reader.read(chunk, &mut see).err());
    (joined(all), fault)
}

/// Pieces of one stream that follow each other are one.
fn joined(all: Vec<(u32, bool, Vec<u8>)>) -> Vec<(u32, bool, Vec<u8>)> {
    let mut joined: Vec<(u32, bool, Vec<u8>)> = Vec::new();
    for (stream, is_last, data) in all {
        match joined.last_mut() {
            Some((before, ended, text)) if *before == stream && stream > 0 && !*ended => {
                text.extend_from_slice(&data);
                *ended = is_last;
            }
            _ => joined.push((stream, is_last, data)),
        }
    }
    joined
}
