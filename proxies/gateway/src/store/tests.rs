use policy_core::{Digest, PrincipalKind};

use super::*;

fn open() -> (tempfile::TempDir, Sqlite, Sqlite) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("store.db");
    let one = Sqlite::open(&path).expect("a new store");
    let two = Sqlite::open(&path).expect("the same store, again");
    (directory, one, two)
}

fn held(instance: u64, deadline: i64) -> NewApproval {
    NewApproval {
        instance,
        session: SessionId(u64::MAX - 3),
        bound_to: BoundTo::Session,
        principal: "ana".into(),
        kind: PrincipalKind::Human,
        person: Some("ana@example.org".into()),
        owner: None,
        target: "shop".into(),
        binding: Digest([7; 32]),
        shown: "alter table t add x int".into(),
        revealed: None,
        actions: vec!["alter public.t".into()],
        holds: vec![HeldRule {
            rule: "schema change".into(),
            requirement: "00".repeat(32),
            quorum: 2,
            watchers: 0,
            needs: "2 of group \"sre\" to approve".into(),
            since: 1_000,
        }],
        justification: None,
        in_transaction: false,
        created: 1_000,
        deadline,
    }
}

fn vote(voter: &str) -> Vote {
    Vote {
        voter: voter.into(),
        approve: true,
        at: 2_000,
        reason: String::new(),
        binding: Digest([7; 32]),
        holds: held(1, 0).holds,
    }
}

#[test]
fn an_approval_reads_back_as_it_was_asked() {
    let (_directory, mut one, mut two) = open();
    let number = one.request(&held(u64::MAX, 9_000)).expect("stored");
    assert!(two.vote(number, &vote("bob")).expect("counted"));
    let read = two.approval(number).expect("read").expect("there");
    assert_eq!(read.asked, held(u64::MAX, 9_000));
    assert_eq!((read.state, read.votes), (ApprovalState::Pending, vec![vote("bob")]));
    assert_eq!(one.approvals(true).expect("read").len(), 1);
}

/// Nobody decides about it any more: the text is in no page of the file.
#[test]
fn what_was_revealed_is_erased_with_the_end_of_its_approval() {
    const BODY: &str = "POST /orders {\"card\": 4111111111111111}";
    let (directory, mut one, two) = open();
    drop(two);
    let is_there = || {
        let whole = ["store.db", "store.db-wal"]
            .map(|file| std::fs::read(directory.path().join(file)).unwrap_or_default());
        contains(&whole.concat(), b"4111111111111111")
    };
    for (ends, end) in [
        (
            "consumed",
            &(|store: &mut Sqlite, number| store.consume(number, 0, 3_000))
                as &dyn Fn(&mut Sqlite, Number) -> _,
        ),
        ("refused", &|store, number| store.settle(number, ApprovalState::Refused, "bob", "", 3_000)),
        ("expired", &|store, number| store.settle(number, ApprovalState::Expired, "gateway", "", 3_000)),
    ] {
        let number =
            one.request(&NewApproval { revealed: Some(BODY.into()), ..held(1, 9_000) }).expect("stored");
        assert_eq!(one.approval(number).expect("read").expect("there").asked.revealed.as_deref(), Some(BODY));
        assert!(is_there(), "{ends}: it is kept while it waits");
        assert!(end(&mut one, number).expect("asked"), "{ends}");
        assert_eq!(one.approval(number).expect("read").expect("there").asked.revealed, None, "{ends}");
    }
    drop(one);
    assert!(!is_there(), "it is in the file");
}

fn contains(whole: &[u8], part: &[u8]) -> bool {
    whole.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_grant_is_consumed_once() {
    let (_directory, mut one, mut two) = open();
    let number = one.request(&held(1, 9_000)).expect("stored");
    assert!(one.vote(number, &vote("bob")).expect("counted"));
    assert!(!one.vote(number, &vote("bob")).expect("a second vote of the same person is none"));
    assert!(!one.consume(number, 0, 3_000).expect("asked"), "the votes have changed since they were counted");
    assert!(two.consume(number, 1, 3_000).expect("asked"));
    assert!(!one.consume(number, 1, 3_000).expect("asked"), "consumed twice");
    assert!(!one.vote(number, &vote("cat")).expect("asked"), "a vote after the end");
    assert!(!one.settle(number, ApprovalState::Refused, "cat", "", 3_000).expect("asked"));
}

#[test]
fn a_grant_is_gone_at_its_deadline() {
    let (_directory, mut one, _two) = open();
    let number = one.request(&held(1, 9_000)).expect("stored");
    assert!(!one.consume(number, 0, 9_000).expect("asked"));
}

#[test]
fn a_vote_for_another_binding_is_none() {
    let (_directory, mut one, _two) = open();
    let number = one.request(&held(1, 9_000)).expect("stored");
    let other = Vote { binding: Digest([8; 32]), ..vote("bob") };
    assert!(!one.vote(number, &other).expect("asked"));
}

#[test]
fn what_is_asked_changes_only_for_whoever_knows_what_was() {
    let (_directory, mut one, mut two) = open();
    let number = one.request(&held(1, 9_000)).expect("stored");
    let before = held(1, 0).holds;
    let mut mine = before.clone();
    mine[0].since = 2_000;
    let mut yours = before.clone();
    yours[0].since = 3_000;
    assert!(one.amend(number, &before, &mine, 9_000).expect("stored"));
    // Votes that are cast for the first change must not be lost by the second.
    assert!(!two.amend(number, &before, &yours, 9_000).expect("asked"));
    assert_eq!(two.approval(number).expect("read").expect("there").asked.holds, mine);
}

#[test]
fn what_a_dead_instance_held_is_withdrawn() {
    let (_directory, mut one, mut two) = open();
    one.heartbeat(1, 0).expect("alive");
    let number = one.request(&held(1, 99_000)).expect("stored");
    assert_eq!(two.heartbeat(2, 5_000).expect("alive"), 0, "one was heard of five seconds ago");
    assert_eq!(two.heartbeat(2, 20_000).expect("alive"), 1);
    let read = two.approval(number).expect("read").expect("there");
    assert_eq!(read.state, ApprovalState::Withdrawn);
    assert!(!one.consume(number, 0, 20_000).expect("asked"), "a grant came back from the dead");
}

#[test]
fn a_bound_holds_across_instances() {
    let (_directory, mut one, mut two) = open();
    assert_eq!(one.reserve("rows/ana", 3_600, 60, 100).expect("asked"), 60);
    assert_eq!(two.reserve("rows/ana", 3_600, 60, 100).expect("asked"), 40);
    assert_eq!(one.reserve("rows/ana", 3_600, 1, 100).expect("asked"), 0);
    two.give_back("rows/ana", 3_600, 10).expect("returned");
    assert_eq!(one.reserve("rows/ana", 3_600, 60, 100).expect("asked"), 10);
    assert_eq!(one.reserve("rows/ana", 7_200, 60, 100).expect("asked"), 60, "a new window");
    assert_eq!(two.reserve("rows/ana", 3_600, 60, 100).expect("asked"), 0, "a window that has passed");
}

#[test]
fn revocations_are_seen_in_order_by_others() {
    let (_directory, mut one, mut two) = open();
    let before = two.version().expect("asked");
    let revocation = |subject| Revocation { subject, by: "root".into(), reason: "lost laptop".into(), at: 5 };
    let first = revocation(RevocationSubject::Session(SessionId(u64::MAX)));
    let second = revocation(RevocationSubject::User("ana".into()));
    let sequence = one.revoke(&first).expect("stored");
    one.revoke(&second).expect("stored");
    assert_ne!(two.version().expect("asked"), before);
    assert_eq!(
        two.revocations(0).expect("read").into_iter().map(|(_, it)| it).collect::<Vec<_>>(),
        [first, second.clone()]
    );
    assert_eq!(two.revocations(sequence).expect("read").len(), 1);
}

#[test]
fn users_and_pins_read_back() {
    let (_directory, mut one, mut two) = open();
    let user = User {
        name: "ana".into(),
        verifier: "SCRAM-SHA-256$4096:c2FsdA==$a:b".into(),
        kind: PrincipalKind::Agent,
        groups: vec!["eng".into()],
        person: None,
        owner: Some("bob".into()),
        disabled: false,
        keys: Vec::new(),
    };
    one.put_user(&user).expect("stored");
    assert_eq!(two.user("ana").expect("read"), Some(user.clone()));
    assert_eq!(two.users().expect("read"), [user]);
    assert!(two.remove_user("ana").expect("asked"));
    assert_eq!(one.user("ana").expect("read"), None);
    let pin = TagPin { pattern: "public.users.email".into(), table: u32::MAX, attribute: 3 };
    one.pin_tags("shop", std::slice::from_ref(&pin)).expect("stored");
    assert_eq!(two.tag_pins("shop").expect("read"), [pin]);
    assert!(two.tag_pins("other").expect("read").is_empty());
}

#[test]
fn a_tools_first_description_is_approved_and_others_are_not() {
    let (_directory, mut one, mut two) = open();
    let pin = |tool: &str, digest: u8| ToolPin { tool: tool.into(), digest: [digest; 32] };
    let mut describe = |pins: &[ToolPin]| {
        let each = pins.iter().map(|pin| ToolDescription { pin: pin.clone(), repeats: vec![] });
        one.describe_tools("files", &each.collect::<Vec<_>>()).expect("noted")
    };
    assert_eq!(describe(&[pin("read", 1), pin("write", 1)]), [Described::Pinned; 2]);
    assert_eq!(two.tool_changes("files", "read").expect("read"), Some(vec![]));
    assert_eq!(two.tool_changes("files", "run").expect("read"), None);
    assert_eq!(two.tool_changes("other", "read").expect("read"), None);
    assert_eq!(describe(&[pin("read", 2), pin("write", 1)]), [Described::Changed, Described::Pinned]);
    // It is not approved by going back.
    assert_eq!(describe(&[pin("read", 1)]), [Described::Changed]);
    assert_eq!(two.tool_changes("files", "read").expect("read"), Some(vec![[2; 32]]));
    two.approve_tools("files", &[pin("read", 2)]).expect("approved");
    assert_eq!(describe(&[pin("read", 1), pin("read", 2)]), [Described::Pinned; 2]);
    for change in 3..11 {
        assert_eq!(describe(&[pin("read", change)]), [Described::Changed]);
    }
    assert_eq!(describe(&[pin("read", 11), pin("read", 3)]), [Described::NoRoom, Described::Changed]);
}

#[test]
fn what_a_tool_has_repeated_is_known_of_each_of_its_descriptions() {
    let (_directory, mut one, mut two) = open();
    let repeat = |name: &str| ToolRepeat { field: format!("mcp-param-{name}"), pointer: format!("/{name}") };
    let mut describe = |digest: u8, repeats: &[ToolRepeat]| {
        let pin = ToolPin { tool: "deploy".into(), digest: [digest; 32] };
        one.describe_tools("desk", &[ToolDescription { pin, repeats: repeats.to_vec() }]).expect("noted");
    };
    describe(1, &[repeat("region")]);
    describe(2, &[repeat("region"), repeat("zone")]);
    assert_eq!(two.tool_repeats("desk", "deploy").expect("read"), [repeat("region"), repeat("zone")]);
    assert_eq!(two.tool_repeats("desk", "add").expect("read"), []);
    assert_eq!(two.tool_repeats("other", "deploy").expect("read"), []);
    // What there is no room for is not shown, and nothing is kept of it.
    for digest in 3..=10 {
        describe(digest, &[]);
    }
    describe(11, &[repeat("more")]);
    assert_eq!(two.tool_repeats("desk", "deploy").expect("read").len(), 2);
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let (directory, one, two) = open();
    drop((one, two));
    let path = directory.path().join("store.db");
    let raw = rusqlite::Connection::open(&path).expect("opened");
    raw.pragma_update(None, "user_version", 99).expect("set");
    drop(raw);
    assert!(matches!(Sqlite::open(&path), Err(StoreError::TooNew { found: 99, .. })));
}

fn token(user: &str, owner: Option<&str>, hash: u8) -> NewToken {
    NewToken {
        hash: [hash; 32],
        user: user.into(),
        name: "ci".into(),
        owner: owner.map(Into::into),
        created: 1_000,
        expires: 9_000,
    }
}

#[test]
fn tokens_read_back_and_end_once() {
    let (_directory, mut one, mut two) = open();
    let first = one.add_token(&token("ana", None, 1)).expect("stored");
    let second = one.add_token(&token("bot", Some("ana"), 2)).expect("stored");
    assert!(one.add_token(&token("ben", None, 1)).is_err(), "one hash, two tokens");
    let read = two.token_of(&[2; 32]).expect("read").expect("there");
    assert_eq!((read.number, &*read.user, read.owner.as_deref()), (second, "bot", Some("ana")));
    assert!(read.is_good(8_999) && !read.is_good(9_000));
    assert_eq!(two.token(first).expect("read").map(|token| token.user), Some("ana".into()));
    assert_eq!(two.token_of(&[3; 32]).expect("read"), None);
    let numbers = |tokens: Vec<Token>| tokens.into_iter().map(|token| token.number).collect::<Vec<_>>();
    assert_eq!(numbers(two.tokens(None).expect("read")), [second, first]);
    assert_eq!(numbers(two.tokens(Some("ana")).expect("read")), [first]);

    assert!(two.revoke_token(first, "root", "leaked", 2_000).expect("asked"));
    assert!(!one.revoke_token(first, "root", "leaked", 2_000).expect("asked"), "revoked twice");
    assert!(!one.revoke_token(99, "root", "", 2_000).expect("asked"), "there is none");
    assert!(!one.token(first).expect("read").expect("still listed").is_good(2_000));
    let revocations = one.revocations(0).expect("read");
    assert_eq!(revocations.len(), 1, "{revocations:?}");
    assert_eq!(revocations[0].1.subject, RevocationSubject::Token(first));

    one.token_used(second, 3_000).expect("noted");
    two.token_used(second, 2_000).expect("noted");
    assert_eq!(one.token(second).expect("read").and_then(|token| token.used), Some(3_000));
}

#[test]
fn a_name_that_is_given_again_has_no_old_tokens() {
    let (_directory, mut one, _two) = open();
    let of_ana = one.add_token(&token("ana", None, 1)).expect("stored");
    let for_ana = one.add_token(&token("bot", Some("ana"), 2)).expect("stored");
    let of_bot = one.add_token(&token("bot", Some("ben"), 3)).expect("stored");
    one.remove_user("ana").expect("asked");
    assert_eq!(one.token(of_ana).expect("read"), None);
    assert_eq!(one.token(for_ana).expect("read"), None);
    assert!(one.token(of_bot).expect("read").is_some());
    let next = one.add_token(&token("ana", None, 4)).expect("stored");
    assert!(next > of_bot, "a number was used again");
}

/// A store of the version before tokens, with what it holds.
#[test]
fn an_older_store_keeps_its_revocations_and_their_numbers() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("store.db");
    let raw = rusqlite::Connection::open(&path).expect("opened");
    raw.execute_batch(include_str!("schema.sql")).expect("made");
    raw.execute_batch(include_str!("keys.sql")).expect("made");
    raw.execute_batch(
        "INSERT INTO revocations (sequence, principal, by, reason, at) VALUES (41, 'ana', 'root', 'gone', 5);
         INSERT INTO revocations (session, by, reason, at) VALUES (-1, 'root', '', 6);
         PRAGMA user_version = 2;",
    )
    .expect("filled");
    drop(raw);
    let mut store = Sqlite::open(&path).expect("migrated");
    let read: Vec<_> =
        store.revocations(0).expect("read").into_iter().map(|(number, it)| (number, it.subject)).collect();
    let session = RevocationSubject::Session(SessionId(u64::MAX));
    assert_eq!(read, [(41, RevocationSubject::User("ana".into())), (42, session)]);
    let token = store.add_token(&token("ana", None, 1)).expect("stored");
    assert!(store.revoke_token(token, "root", "", 7).expect("asked"));
    assert_eq!(store.revocations(42).expect("read")[0].0, 43);
    drop(store);
    Sqlite::open(&path).expect("opened again");
}
