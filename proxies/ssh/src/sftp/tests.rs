//! The gate as a proxy drives it: between a client and a target that are bytes in a table.

use std::borrow::Cow;

use policy_core::action::{Resource, Value};
use proptest::prelude::*;

use super::wire::attributes::Attributes;
use super::wire::extension::KNOWN;
use super::wire::reply::{self, Code};
use super::wire::request::{self, Flags, OfHandle, OfPath, Pair, Request, Set};
use super::wire::{Malformed, frame};
use super::*;

const HOME: &str = "/home/ana";

/// A packet of any type and body.
fn packet(kind: u8, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let length = u32::try_from(body.len() + 1).unwrap();
    [&length.to_be_bytes()[..], &[kind], &body].concat()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn number(n: u32) -> [u8; 4] {
    n.to_be_bytes()
}

fn status(id: u32, code: Code) -> Vec<u8> {
    reply::write_status(id, code, "words")
}

fn handle(id: u32, name: &[u8]) -> Vec<u8> {
    packet(102, &[&number(id), &string(name)])
}

fn data(id: u32, bytes: &[u8]) -> Vec<u8> {
    packet(103, &[&number(id), &string(bytes)])
}

fn names(id: u32, name: &[u8]) -> Vec<u8> {
    packet(104, &[&number(id), &number(1), &string(name), &string(b"long"), &number(0)])
}

fn version(version: u32, extensions: &[(&str, &str)]) -> Vec<u8> {
    let pairs: Vec<u8> =
        extensions.iter().flat_map(|(n, d)| [string(n.as_bytes()), string(d.as_bytes())].concat()).collect();
    packet(2, &[&number(version), &pairs])
}

/// A gate whose client and target have greeted each other.
fn greeted(extensions: &[(&str, &str)]) -> Gate {
    let mut gate = Gate::new();
    gate.client_sent(&packet(1, &[&number(3)])).unwrap();
    assert!(matches!(gate.step(), Ok(Some(Step::Pass(bytes))) if bytes == request::write_init()));
    gate.target_sent(&version(3, extensions)).unwrap();
    assert!(matches!(gate.reply(), Ok(Some(Reply::Target(_)))));
    gate.target_sent(&names(0, HOME.as_bytes())).unwrap();
    assert!(matches!(gate.reply(), Ok(Some(Reply::Client(_)))));
    gate
}

/// What becomes of one request: asked and admitted, passed, refused with a reason.
fn step(gate: &mut Gate, id: u32, request: &Request<'_>) -> Result<String, String> {
    gate.client_sent(&request.encode(id)).unwrap();
    match gate.step().unwrap().unwrap() {
        Step::Pass(bytes) => {
            assert_eq!(bytes, request.encode(id), "passed is unchanged");
            Ok("passed".into())
        }
        Step::Ask(ask) => {
            let done = said(&ask);
            let _ = gate.admit(ask);
            Ok(done)
        }
        Step::Refused(refused) => Err(refused.reason),
    }
}

/// The actions of a question as a line.
fn said(ask: &Ask) -> String {
    let one = |action: &policy_core::Action| {
        let path = match &action.resource {
            Resource::Named(name) => format!("/{}", name.display('/')),
            other => format!("{other:?}"),
        };
        let to = match action.attribute("to") {
            Some(Value::Text(to)) => format!(" to {to}"),
            Some(other) => format!(" to {other:?}"),
            None => String::new(),
        };
        format!("{} {path}{to}", action.verb)
    };
    ask.actions.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn replies(gate: &mut Gate, bytes: &[u8]) -> Vec<Reply> {
    gate.target_sent(bytes).unwrap();
    std::iter::from_fn(|| gate.reply().unwrap()).collect()
}

fn opens(path: &str, flags: Flags) -> Request<'_> {
    Request::Open { path: path.into(), flags, attributes: Attributes::default() }
}

/// Opens a file or directory, so that `name` is its handle.
fn open(gate: &mut Gate, name: &[u8], path: &str, flags: Option<Flags>) {
    let request = flags.map_or(Request::OfPath(OfPath::Opendir, path.into()), |flags| opens(path, flags));
    step(gate, 77, &request).unwrap();
    assert_eq!(replies(gate, &handle(77, name)).len(), 2);
}

const EVERYTHING: Attributes = Attributes {
    size: Some(u64::MAX),
    owner: Some((1, 2)),
    permissions: Some(0o100_644),
    times: Some((3, 4)),
};

/// Every kind of request, each kind once at least.
fn samples() -> Vec<Request<'static>> {
    let path = || Cow::Borrowed("/srv/a b/ü");
    let mut all = vec![
        Request::Open { path: path(), flags: Flags::WRITE.and(Flags::CREATE), attributes: EVERYTHING },
        Request::Fsetstat(b"\0\0\0\x01", EVERYTHING),
        Request::Read { handle: b"h", offset: 1 << 40, length: 32768 },
        Request::Write { handle: b"h", offset: 7, data: b"some bytes" },
        Request::CopyData { from: b"h", from_offset: 1, length: 0, to: b"i", to_offset: u64::MAX },
        Request::Limits,
        Request::HomeDirectory("ana"),
        Request::UsersGroups { users: &[0, 0, 0, 1], groups: &[] },
    ];
    for what in [
        OfPath::Lstat,
        OfPath::Stat,
        OfPath::Opendir,
        OfPath::Remove,
        OfPath::Rmdir,
        OfPath::Realpath,
        OfPath::Readlink,
        OfPath::Statvfs,
        OfPath::Expand,
    ] {
        all.push(Request::OfPath(what, path()));
    }
    for what in [Set::Setstat, Set::Lsetstat, Set::Mkdir] {
        all.push(Request::Set(what, path(), EVERYTHING));
        all.push(Request::Set(what, path(), Attributes::default()));
    }
    for what in [Pair::Rename, Pair::PosixRename, Pair::Symlink, Pair::Hardlink] {
        all.push(Request::Pair(what, path(), "/other".into()));
    }
    for what in [OfHandle::Close, OfHandle::Fstat, OfHandle::Readdir, OfHandle::Fsync, OfHandle::Fstatvfs] {
        all.push(Request::OfHandle(what, b"h"));
    }
    all
}

#[test]
fn every_request_is_read_to_its_last_byte_and_written_as_it_was() {
    for request in samples() {
        let bytes = request.encode(9);
        assert_eq!(Request::decode(&bytes), Ok((9, request.clone())));
        let body = &bytes[frame::HEADER + 1..];
        let kind = bytes[frame::HEADER];
        for len in 0..body.len() {
            assert!(Request::decode(&packet(kind, &[&body[..len]])).is_err(), "{request:?} cut at {len}");
        }
        assert_eq!(Request::decode(&packet(kind, &[body, b"x"])), Err(Malformed::LeftOver(1)), "{request:?}");
    }
}

#[test]
fn every_request_says_what_it_does() {
    let mut gate = greeted(KNOWN);
    open(&mut gate, b"h", "/srv/file", Some(Flags::READ.and(Flags::WRITE)));
    let path = |what, path: &'static str| Request::OfPath(what, path.into());
    let pair = |what, one: &'static str, two: &'static str| Request::Pair(what, one.into(), two.into());
    let mode = Attributes { permissions: Some(0o755), ..Attributes::default() };
    let size = Attributes { size: Some(0), ..Attributes::default() };
    let (read, write, append, create, truncate) =
        (Flags::READ, Flags::WRITE, Flags::APPEND, Flags::CREATE, Flags::TRUNCATE);
    let none = Flags::from_bits(0).unwrap();
    for (request, expected) in [
        (opens("/etc/passwd", read), "read /etc/passwd"),
        (opens("/etc/passwd", none), "read /etc/passwd"),
        (opens("x", write), "write /home/ana/x"),
        (opens("x", read.and(write)), "read /home/ana/x, write /home/ana/x"),
        (opens("x", write.and(create).and(truncate)), "write /home/ana/x"),
        (opens("x", write.and(append)), "append /home/ana/x"),
        (opens("x", write.and(append).and(create)), "append /home/ana/x"),
        (opens("x", write.and(append).and(truncate)), "write /home/ana/x"),
        (opens("x", read.and(truncate)), "read /home/ana/x, write /home/ana/x"),
        (opens("x", read.and(create)), "read /home/ana/x, write /home/ana/x"),
        (opens("x", append), "read /home/ana/x, append /home/ana/x"),
        (path(OfPath::Lstat, "//a/./b/"), "list /a/b"),
        (path(OfPath::Stat, ".."), "list /home"),
        (path(OfPath::Opendir, "/"), "list /."),
        (path(OfPath::Realpath, "."), "list /home/ana"),
        (path(OfPath::Statvfs, "/a"), "list /a"),
        (path(OfPath::Expand, "~/a"), "list /home/ana/a"),
        (path(OfPath::Readlink, "/a"), "readlink /a"),
        (path(OfPath::Remove, "/a/../b"), "remove /b"),
        (path(OfPath::Rmdir, "/a/"), "rmdir /a"),
        (Request::Set(Set::Mkdir, "/a/".into(), mode), "mkdir /a"),
        (Request::Set(Set::Setstat, "/a".into(), mode), "setstat /a"),
        (Request::Set(Set::Lsetstat, "/a".into(), mode), "setstat /a"),
        (Request::Set(Set::Setstat, "/a".into(), size), "setstat /a, write /a"),
        (Request::Fsetstat(b"h", mode), "setstat /srv/file"),
        (Request::Fsetstat(b"h", size), "setstat /srv/file, write /srv/file"),
        (pair(Pair::Rename, "/a", "b"), "rename /a to /home/ana/b, write /home/ana/b"),
        (pair(Pair::PosixRename, "/a", "/etc/../b"), "rename /a to /b, write /b"),
        (
            pair(Pair::Hardlink, "/etc/shadow", "x"),
            "symlink /home/ana/x to /etc/shadow, read /etc/shadow, write /etc/shadow",
        ),
        (pair(Pair::Symlink, "/etc/shadow", "x"), "symlink /home/ana/x to /etc/shadow"),
        (pair(Pair::Symlink, "../../etc/shadow", "/a/b/x"), "symlink /a/b/x to /etc/shadow"),
        (Request::Limits, "extended /limits@openssh.com"),
        (Request::HomeDirectory("root"), "extended /home-directory"),
        (Request::UsersGroups { users: &[], groups: &[] }, "extended /users-groups-by-id@openssh.com"),
        (Request::Read { handle: b"h", offset: 0, length: 9 }, "passed"),
        (Request::Write { handle: b"h", offset: 0, data: b"x" }, "passed"),
        (Request::CopyData { from: b"h", from_offset: 0, length: 0, to: b"h", to_offset: 9 }, "passed"),
        (Request::OfHandle(OfHandle::Fstat, b"h"), "passed"),
        (Request::OfHandle(OfHandle::Fsync, b"h"), "passed"),
        (Request::OfHandle(OfHandle::Fstatvfs, b"h"), "passed"),
        (Request::OfHandle(OfHandle::Close, b"h"), "passed"),
    ] {
        assert_eq!(step(&mut gate, 5, &request).as_deref(), Ok(expected), "{request:?}");
        replies(&mut gate, &status(5, Code::FAILURE));
    }
}

#[test]
fn what_is_shown_moves_no_cursor_and_hides_nothing() {
    for (path, expected) in [
        ("/etc/passwd", "sftp open /etc/passwd to read"),
        ("/a\n\u{1b}[2Jb", "sftp open /a\\u{a}\\u{1b}[2Jb to read"),
        ("/\u{202e}txt.exe\u{200b}", "sftp open /\\u{202e}txt.exe\\u{200b} to read"),
        ("/müller's \"file\"", "sftp open /müller's \"file\" to read"),
    ] {
        assert_eq!(operation::operation(&opens(path, Flags::READ), None).unwrap().1, expected);
    }
}

#[test]
fn what_is_not_understood_is_refused_and_the_session_goes_on() {
    let mut gate = greeted(KNOWN);
    let id = number(8);
    let open_with = |path: &[u8], rest: &[&[u8]]| packet(3, &[&id, &string(path), &rest.concat()]);
    for (bytes, code, reason) in [
        (packet(99, &[&id]), Code::OP_UNSUPPORTED, "unknown packet type 99"),
        (packet(1, &[&id]), Code::OP_UNSUPPORTED, "unknown packet type 1"),
        (packet(101, &[&id, &number(0)]), Code::OP_UNSUPPORTED, "unknown packet type 101"),
        (packet(200, &[&id, &string(b"exec@example")]), Code::OP_UNSUPPORTED, "unknown extended request"),
        (packet(17, &[&id, &string(b"/a"), b"x"]), Code::BAD_MESSAGE, "1 bytes after its last field"),
        (packet(17, &[&id, &number(9), b"/a"]), Code::BAD_MESSAGE, "ends early"),
        (packet(17, &[&id, &number(u32::MAX)]), Code::BAD_MESSAGE, "ends early"),
        (packet(17, &[&id, &string(b"/\xff")]), Code::PERMISSION_DENIED, "not valid UTF-8"),
        (packet(17, &[&id, &string(b"/a\0b")]), Code::PERMISSION_DENIED, "zero byte"),
        (packet(17, &[&id, &string(&[b'a'; 4096])]), Code::PERMISSION_DENIED, "longer than 4096"),
        (open_with(b"/a", &[&number(64), &number(0)]), Code::BAD_MESSAGE, "`pflags`"),
        (open_with(b"/a", &[&number(1), &number(0x8000_0000)]), Code::BAD_MESSAGE, "`attribute flags`"),
        (
            Request::OfPath(OfPath::Expand, "~root/x".into()).encode(8),
            Code::PERMISSION_DENIED,
            "another user's home",
        ),
    ] {
        gate.client_sent(&bytes).unwrap();
        let Step::Refused(refused) = gate.step().unwrap().unwrap() else {
            panic!("{bytes:?} was not refused")
        };
        assert!(refused.reason.contains(reason), "{bytes:?}: {}", refused.reason);
        assert_eq!(refused.answer, reply::write_status(8, code, &refused.reason));
        assert_eq!(step(&mut gate, 9, &opens("/a", Flags::READ)).as_deref(), Ok("read /a"));
        replies(&mut gate, &status(9, Code::FAILURE));
    }
}

#[test]
fn a_handle_is_good_for_what_it_was_opened_for_and_no_longer_than_it_is_open() {
    const NOT_OPEN: &str = "this handle is not open";
    let mut gate = greeted(KNOWN);
    open(&mut gate, b"r", "/r", Some(Flags::READ));
    open(&mut gate, b"w", "/w", Some(Flags::WRITE));
    open(&mut gate, b"d", "/d", None);
    let read = |handle| Request::Read { handle, offset: 0, length: 1 };
    let write = |handle| Request::Write { handle, offset: 0, data: b"x" };
    let copy = |from, to| Request::CopyData { from, from_offset: 0, length: 0, to, to_offset: 0 };
    let of = Request::OfHandle;
    for (request, expected, id) in [
        (read(b"r"), Ok("passed")),
        (read(b"w"), Err("this handle was not opened for reading")),
        (read(b"d"), Err("this handle was not opened for reading")),
        (write(b"w"), Ok("passed")),
        (write(b"r"), Err("this handle was not opened for writing")),
        (write(b"d"), Err("this handle was not opened for writing")),
        (copy(b"r", b"w"), Ok("passed")),
        (copy(b"w", b"r"), Err("these handles were not opened for copying from one to the other")),
        (copy(b"r", b"x"), Err(NOT_OPEN)),
        (of(OfHandle::Readdir, b"d"), Ok("passed")),
        (of(OfHandle::Readdir, b"r"), Err("this handle is no directory's")),
        (read(b"x"), Err(NOT_OPEN)),
        (write(b""), Err(NOT_OPEN)),
        (Request::Fsetstat(b"x", EVERYTHING), Err(NOT_OPEN)),
        (of(OfHandle::Fstat, b"x"), Err(NOT_OPEN)),
        (of(OfHandle::Fsync, b"x"), Err(NOT_OPEN)),
        (of(OfHandle::Fstatvfs, b"x"), Err(NOT_OPEN)),
        (of(OfHandle::Readdir, b"x"), Err(NOT_OPEN)),
        (of(OfHandle::Close, b"x"), Err(NOT_OPEN)),
        (of(OfHandle::Close, b"r"), Ok("passed")),
        // Even before the target has answered.
        (read(b"r"), Err(NOT_OPEN)),
        (of(OfHandle::Close, b"r"), Err(NOT_OPEN)),
    ]
    .into_iter()
    .zip(0..)
    .map(|((request, expected), id)| (request, expected, id))
    {
        let said = step(&mut gate, id, &request);
        assert_eq!(said.as_deref().map_err(String::as_str), expected, "{request:?}");
        if said.is_ok() && !matches!(request, Request::OfHandle(OfHandle::Close, _)) {
            replies(&mut gate, &status(id, Code::FAILURE));
        }
    }
}

#[test]
fn what_went_through_a_handle_is_counted_to_its_last_byte() {
    let mut gate = greeted(KNOWN);
    let both = Flags::READ.and(Flags::WRITE);
    assert_eq!(step(&mut gate, 1, &opens("/a", both)).as_deref(), Ok("read /a, write /a"));
    let opened = |code| Reply::Done { number: 1, code, opens: true };
    let answer = handle(1, b"h");
    assert_eq!(replies(&mut gate, &answer), [opened(Code::OK), Reply::Client(answer.into())]);
    step(&mut gate, 2, &Request::Write { handle: b"h", offset: 0, data: b"12345" }).unwrap();
    // Given back while a read is still on its way.
    step(&mut gate, 3, &Request::Read { handle: b"h", offset: 0, length: 9 }).unwrap();
    step(&mut gate, 4, &Request::OfHandle(OfHandle::Close, b"h")).unwrap();
    replies(&mut gate, &status(2, Code::OK));
    replies(&mut gate, &data(3, b"123"));
    let closed = Closed {
        path: "/a".into(),
        number: 1,
        access: Access::File { read: true, write: true },
        read: 3,
        written: 5,
    };
    let answer = status(4, Code::OK);
    assert_eq!(replies(&mut gate, &answer), [Reply::Closed(closed), Reply::Client(answer.into())]);
    open(&mut gate, b"h", "/b", Some(Flags::READ));
    assert_eq!(gate.end().iter().map(|closed| closed.path.as_str()).collect::<Vec<_>>(), ["/b"]);
}

#[test]
fn requests_behind_a_question_wait_for_its_answer() {
    let mut gate = greeted(KNOWN);
    for id in 1..=3 {
        gate.client_sent(&opens("/a", Flags::READ).encode(id)).unwrap();
    }
    let Step::Ask(first) = gate.step().unwrap().unwrap() else { panic!("no question") };
    assert!(gate.step().unwrap().is_none() && gate.queued() > 0);
    assert_eq!(gate.refuse(first, "no"), reply::write_status(1, Code::PERMISSION_DENIED, "no"));
    let Step::Ask(second) = gate.step().unwrap().unwrap() else { panic!("no question") };
    assert_eq!(second.number, 2);
    let sent = gate.admit(second);
    assert_eq!(request::id(&sent), Some(2));
    let Step::Ask(third) = gate.step().unwrap().unwrap() else { panic!("no question") };
    // One that is lost leaves the gate shut.
    drop(third);
    gate.client_sent(&opens("/a", Flags::READ).encode(4)).unwrap();
    assert!(gate.step().unwrap().is_none());
}

#[test]
fn a_refused_request_opens_nothing() {
    let mut gate = greeted(KNOWN);
    gate.client_sent(&opens("/a", Flags::READ).encode(1)).unwrap();
    let Step::Ask(ask) = gate.step().unwrap().unwrap() else { panic!("no question") };
    let _ = gate.refuse(ask, "no");
    gate.target_sent(&handle(1, b"h")).unwrap();
    assert_eq!(gate.reply(), Err(Fatal::Answer(1)));
}

#[test]
fn hostile_answers_end_the_session() {
    let ask = |request: Request<'static>| {
        let mut gate = greeted(KNOWN);
        open(&mut gate, b"h", "/h", Some(Flags::READ.and(Flags::WRITE)));
        step(&mut gate, 1, &request).unwrap();
        gate
    };
    let opening = || opens("/a", Flags::READ);
    let of_path = |what| Request::OfPath(what, "/a".into());
    let read = || Request::Read { handle: b"h", offset: 0, length: 9 };
    let attributes = packet(105, &[&number(1), &number(0)]);
    for (request, answer, expected) in [
        (opening(), handle(2, b"i"), Fatal::Answer(2)),
        (opening(), handle(1, b"h"), Fatal::Handle),
        (opening(), handle(1, &[0; 257]), Fatal::Target(Malformed::Field("handle"))),
        (opening(), status(1, Code::OK), Fatal::Answer(1)),
        (opening(), data(1, b"x"), Fatal::Answer(1)),
        (opening(), version(3, &[]), Fatal::Target(Malformed::Type(2))),
        (opening(), packet(102, &[&number(1), &string(b"i"), b"x"]), Fatal::Target(Malformed::LeftOver(1))),
        (opening(), packet(7, &[&number(1)]), Fatal::Target(Malformed::Type(7))),
        (opening(), packet(101, &[&number(1)]), Fatal::Target(Malformed::Short)),
        (of_path(OfPath::Stat), handle(1, b"i"), Fatal::Answer(1)),
        (of_path(OfPath::Remove), attributes.clone(), Fatal::Answer(1)),
        (of_path(OfPath::Realpath), attributes.clone(), Fatal::Answer(1)),
        (of_path(OfPath::Opendir), names(1, b"/"), Fatal::Answer(1)),
        (read(), handle(1, b"i"), Fatal::Answer(1)),
        (read(), names(1, b"/"), Fatal::Answer(1)),
        (Request::OfHandle(OfHandle::Close, b"h"), data(1, b"x"), Fatal::Answer(1)),
        (Request::Limits, attributes, Fatal::Answer(1)),
        (opening(), number(0).to_vec(), Fatal::Target(Malformed::Length(0))),
        (opening(), number(u32::MAX).to_vec(), Fatal::Target(Malformed::Length(u32::MAX))),
    ] {
        let mut gate = ask(request.clone());
        gate.target_sent(&answer).unwrap();
        assert_eq!(gate.reply(), Err(expected), "{request:?} answered by {answer:?}");
    }
    let mut gate = greeted(KNOWN);
    gate.target_sent(&status(0, Code::OK)).unwrap();
    assert_eq!(gate.reply(), Err(Fatal::Answer(0)), "an answer to nothing");
}

#[test]
fn hostile_greetings_end_the_session() {
    let init = |version| packet(1, &[&number(version)]);
    for (client, target, expected) in [
        (vec![opens("/a", Flags::READ).encode(1)], vec![], Fatal::Client(Malformed::Type(3))),
        (vec![init(2)], vec![], Fatal::Version(2)),
        (vec![packet(1, &[])], vec![], Fatal::Client(Malformed::Short)),
        (vec![init(6)], vec![version(6, &[])], Fatal::Version(6)),
        (vec![init(3)], vec![version(2, &[])], Fatal::Version(2)),
        (vec![init(3)], vec![status(0, Code::OK)], Fatal::Target(Malformed::Type(101))),
        (vec![init(3)], vec![packet(2, &[&number(3), &number(9)])], Fatal::Target(Malformed::Short)),
        (vec![init(3)], vec![version(3, &[]), status(0, Code::FAILURE)], Fatal::Home),
        (vec![init(3)], vec![version(3, &[]), names(1, b"/")], Fatal::Home),
        (vec![init(3)], vec![version(3, &[]), names(0, b"relative")], Fatal::Home),
        (vec![init(3)], vec![version(3, &[]), names(0, b"/\xff")], Fatal::Home),
        (vec![init(3)], vec![version(3, &[]), packet(104, &[&number(0), &number(0)])], Fatal::Home),
        (vec![], vec![version(3, &[])], Fatal::Answer(0)),
    ] {
        let mut gate = Gate::new();
        let mut ended = None;
        for bytes in &client {
            gate.client_sent(bytes).unwrap();
            ended = ended.or(gate.step().err());
        }
        for bytes in &target {
            gate.target_sent(bytes).unwrap();
            ended = ended.or(gate.reply().err());
        }
        assert_eq!(ended, Some(expected), "{client:?} {target:?}");
    }
}

#[test]
fn only_extensions_that_are_known_are_announced_and_only_announced_ones_are_spoken() {
    let mut gate = Gate::new();
    gate.client_sent(&packet(1, &[&number(3), &string(b"newline"), &string(b"\n")])).unwrap();
    assert!(matches!(gate.step(), Ok(Some(Step::Pass(bytes))) if bytes == packet(1, &[&number(3)])));
    // Pipelined behind INIT: it waits until the home is known.
    gate.client_sent(&Request::Limits.encode(1)).unwrap();
    assert!(gate.step().unwrap().is_none());
    let announced = [
        ("posix-rename@openssh.com", "1"),
        ("statvfs@openssh.com", "9"),
        ("exec@example", "1"),
        ("limits@openssh.com", "1"),
        ("limits@openssh.com", "1"),
    ];
    let asked = replies(&mut gate, &version(3, &announced));
    let realpath = Request::OfPath(OfPath::Realpath, ".".into()).encode(0);
    assert_eq!(asked, [Reply::Target(realpath.into())]);
    assert!(gate.step().unwrap().is_none());
    let told = replies(&mut gate, &names(0, b"/home/ana"));
    let expected = version(3, &[("posix-rename@openssh.com", "1"), ("limits@openssh.com", "1")]);
    assert_eq!(told, [Reply::Client(expected.into())]);
    let Step::Ask(limits) = gate.step().unwrap().unwrap() else { panic!("no question") };
    let _ = gate.admit(limits);
    let statvfs = Request::OfPath(OfPath::Statvfs, "/".into());
    assert_eq!(step(&mut gate, 2, &statvfs), Err("unknown extended request".into()));
    for known in samples().iter().filter(|request| request.encode(0)[4] == 200) {
        let said = step(&mut greeted(&[]), 2, known);
        assert_eq!(said, Err("unknown extended request".into()), "{known:?}");
    }
}

#[test]
fn a_symbolic_link_is_refused_where_its_order_of_paths_is_not_known() {
    let link = Request::Pair(Pair::Symlink, "/a".into(), "/b".into());
    assert!(step(&mut greeted(&[]), 1, &link).unwrap_err().contains("which way round"));
    assert_eq!(step(&mut greeted(KNOWN), 1, &link).as_deref(), Ok("symlink /b to /a"));
}

#[test]
fn a_file_that_is_only_opened_is_given_no_attributes() {
    let mut gate = greeted(KNOWN);
    for (flags, expected) in
        [(Flags::READ, Attributes::default()), (Flags::WRITE.and(Flags::CREATE), EVERYTHING)]
    {
        let request = Request::Open { path: "/a".into(), flags, attributes: EVERYTHING };
        gate.client_sent(&request.encode(1)).unwrap();
        let Step::Ask(ask) = gate.step().unwrap().unwrap() else { panic!("no question") };
        let sent = Request::Open { path: "/a".into(), flags, attributes: expected };
        assert_eq!(ask.packet(), sent.encode(1));
        let _ = gate.refuse(ask, "no");
    }
}

#[test]
fn everything_is_bounded() {
    let mut gate = greeted(KNOWN);
    for n in 0..Gate::MAX_HANDLES {
        open(&mut gate, &n.to_be_bytes(), "/a", Some(Flags::READ));
    }
    let one_more = step(&mut gate, 1, &opens("/a", Flags::READ));
    assert!(one_more.unwrap_err().contains("1024 files are open"));

    let mut gate = greeted(KNOWN);
    open(&mut gate, b"h", "/h", Some(Flags::READ));
    let read = Request::Read { handle: b"h", offset: 0, length: 1 };
    for id in 0..1024 {
        assert_eq!(step(&mut gate, id, &read).as_deref(), Ok("passed"));
    }
    gate.client_sent(&read.encode(1024)).unwrap();
    assert!(gate.step().unwrap().is_none(), "one more waits");
    replies(&mut gate, &data(1000, b"x"));
    assert!(matches!(gate.step(), Ok(Some(Step::Pass(_)))), "until one is answered");
    replies(&mut gate, &data(3, b"x"));
    gate.client_sent(&read.encode(4)).unwrap();
    assert!(matches!(gate.step(), Err(Fatal::Id(4))), "an id that is in use");

    let mut gate = greeted(KNOWN);
    for pending in 0..Gate::MAX_HANDLES {
        step(&mut gate, u32::try_from(pending).unwrap(), &opens("/a", Flags::READ)).unwrap();
    }
    replies(&mut gate, &status(0, Code::FAILURE));
    step(&mut gate, 5000, &opens("/a", Flags::READ)).unwrap();

    for length in [0, frame::MAX + 1, u32::MAX] {
        let mut gate = greeted(KNOWN);
        gate.client_sent(&number(length)).unwrap();
        assert!(matches!(gate.step(), Err(Fatal::Client(Malformed::Length(l))) if l == length));
    }
    let megabyte = vec![0; 1 << 20];
    let mut gate = Gate::new();
    for _ in 0..32 {
        gate.client_sent(&megabyte).unwrap();
        gate.target_sent(&megabyte).unwrap();
    }
    assert_eq!(gate.client_sent(b"x"), Err(Fatal::Flood));
    assert_eq!(gate.target_sent(b"x"), Err(Fatal::Flood));
}

/// All that a gate says of two streams, cut as told.
fn transcript(client: &[u8], target: &[u8], cut: usize) -> Vec<String> {
    let mut gate = greeted(KNOWN);
    let mut said = Vec::new();
    let mut drive = |gate: &mut Gate| {
        while let Some(step) = gate.step().unwrap() {
            said.push(match step {
                Step::Ask(ask) => format!("{} {:?}", self::said(&ask), gate.admit(ask)),
                other => format!("{other:?}"),
            });
        }
        while let Some(reply) = gate.reply().unwrap() {
            said.push(format!("{reply:?}"));
        }
    };
    for (is_client, bytes) in [(true, client), (false, target)] {
        let (one, two) = bytes.split_at(cut.min(bytes.len()));
        for part in [one, two] {
            if is_client { gate.client_sent(part) } else { gate.target_sent(part) }.unwrap();
            drive(&mut gate);
        }
    }
    said
}

#[test]
fn every_message_split_at_every_byte_means_the_same() {
    for request in samples() {
        let client = request.encode(6);
        let uncut = transcript(&client, &[], client.len());
        assert_eq!(uncut.len(), 1);
        for cut in 0..client.len() {
            assert_eq!(transcript(&client, &[], cut), uncut, "{request:?} cut at {cut}");
        }
    }
    let client = [opens("/a", Flags::READ).encode(1), opens("/b", Flags::READ).encode(2)].concat();
    let target = [handle(1, b"h"), status(2, Code::PERMISSION_DENIED)].concat();
    let uncut = transcript(&client, &target, 4096);
    assert_eq!(uncut.len(), 6);
    for cut in 0..client.len().max(target.len()) {
        assert_eq!(transcript(&client, &target, cut), uncut, "cut at {cut}");
    }
}

proptest! {
    #[test]
    fn what_is_judged_is_what_is_sent(
        segments in proptest::collection::vec(
            prop_oneof![
                Just("..".to_owned()), Just(".".to_owned()), Just(String::new()), Just("etc".to_owned()),
                Just("~".to_owned()), "[a-z\\\\ *?\u{1}-\u{1f}\u{fc}]{0,5}",
            ],
            0..9,
        ),
        which in 0_usize..64,
    ) {
        let path = segments.join("/");
        let with = |request: &Request<'static>| match request.clone() {
            Request::Open { flags, attributes, .. } => {
                Some(Request::Open { path: path.clone().into(), flags, attributes })
            }
            Request::OfPath(what, _) => Some(Request::OfPath(what, path.clone().into())),
            Request::Set(what, _, attributes) => Some(Request::Set(what, path.clone().into(), attributes)),
            Request::Pair(what, _, _) => Some(Request::Pair(what, path.clone().into(), path.clone().into())),
            _ => None,
        };
        let requests: Vec<_> = samples().iter().filter_map(with).collect();
        let request = &requests[which % requests.len()];
        let mut gate = greeted(KNOWN);
        gate.client_sent(&request.encode(3)).unwrap();
        let Step::Ask(ask) = gate.step().unwrap().unwrap() else { return Ok(()) };
        let (id, sent) = Request::decode(ask.packet()).unwrap();
        prop_assert_eq!(id, 3);
        // Each path that is sent is absolute and plain, and the actions name it, or nothing where it has no name.
        let paths: Vec<&str> = match &sent {
            Request::Open { path, .. } | Request::OfPath(_, path) | Request::Set(_, path, _) => vec![path],
            Request::Pair(Pair::Symlink, _, link) => vec![link],
            Request::Pair(_, one, two) => vec![one, two],
            _ => vec![],
        };
        prop_assert!(!paths.is_empty());
        for path in paths {
            prop_assert!(path.starts_with('/'));
            prop_assert!(path == "/" || path[1..].split('/').all(|one| !["", ".", ".."].contains(&one)));
            let resource = policy_core::vocabulary::ssh::path(path);
            prop_assert!(ask.actions.iter().any(|action| action.resource == resource), "{}", path);
        }
        // What was sent once is sent like that again.
        let again = operation::normalise(sent.clone(), HOME).unwrap();
        prop_assert_eq!(again, sent);
    }

    #[test]
    fn no_bytes_make_it_panic(client in any::<Vec<u8>>(), target in any::<Vec<u8>>(), kind in 0_u8..=255) {
        for (client, target) in [(client.clone(), target.clone()), (packet(kind, &[&client]), packet(kind, &[&target]))] {
            let mut gate = greeted(KNOWN);
            gate.client_sent(&client).unwrap();
            gate.target_sent(&target).unwrap();
            while let Ok(Some(step)) = gate.step() {
                if let Step::Ask(ask) = step {
                    let _ = gate.admit(ask);
                }
            }
            while let Ok(Some(_)) = gate.reply() {}
        }
    }
}
