//! Executions that nobody asked to have described: the gateway asks itself, and the client sees nothing of it.

use crate::house::{House, say};

const CARD: &str = "select user_id, pan, upper(pan) from cards where id = $1";

/// What masked rows look like, whoever described them.
const MASKED: &str = "1|***************1111|[redacted]";

#[test]
fn an_execution_without_a_description_is_masked_like_one_with_it() {
    let house = House::new();
    let mut ana = house.log_in("ana");
    let bind = |portal: &str, format| say::bind(portal, "s", &["1"], format);
    ana.send(&[say::parse("s", CARD), bind("", 0), say::execute("", 0), say::sync()].concat());
    let reply = ana.reply();
    assert_eq!(reply.shape(), "1 2 D C Z(I)", "the description is the gateway's own");
    assert_eq!(reply.rows(), [MASKED]);
    // In the binary format each value keeps its type.
    ana.send(&[bind("", 1), say::execute("", 0), say::sync()].concat());
    let reply = ana.reply();
    assert_eq!(reply.shape(), "2 D C Z(I)");
    assert_eq!(reply.rows(), ["\0\0\0\u{1}|***************1111|[redacted]"]);
    // Asked for by the client, it is answered once, and comes in its place.
    ana.send(&[bind("", 0), say::describe('P', ""), say::execute("", 0), say::sync()].concat());
    assert_eq!(ana.reply().shape(), "2 T D C Z(I)");
    ana.send(&[bind("", 0), say::describe('S', "s"), say::execute("", 0), say::sync()].concat());
    assert_eq!(ana.reply().shape(), "2 t T D C Z(I)");
    let made = house.made();
    assert_eq!(made, ["Describe"], "what was described once is known for the statement's next portals");
    // What returns nothing is not asked about.
    ana.send(
        &[crate::common::raw::extended("begin"), crate::common::raw::extended("commit"), say::sync()]
            .concat(),
    );
    assert_eq!(ana.reply().shape(), "1 2 C 1 2 C Z(I)");
    assert_eq!(house.made().len(), made.len());
}

#[test]
fn pipelines_suspensions_and_errors_keep_their_places() {
    let house = House::new();
    let mut ana = house.log_in("ana");
    let many = "select id, pan from cards order by id";
    let fails = "select pan, 1 / (id - 2) from cards order by id";
    ana.send(
        &[
            say::query("begin"),
            say::parse("many", many),
            say::parse("fails", fails),
            say::bind("p", "many", &[], 0),
            say::bind("q", "many", &[], 0),
            say::execute("p", 1),
            say::execute("q", 2),
            say::execute("p", 0),
            say::sync(),
            // A portal that was suspended in the run before goes on in this one.
            say::execute("q", 0),
            say::sync(),
        ]
        .concat(),
    );
    assert_eq!(ana.reply().shape(), "C Z(T)");
    let reply = ana.reply();
    assert_eq!(reply.shape(), "1 1 2 2 D s D D s D D C Z(T)");
    assert_eq!(
        reply.rows(),
        [
            "1|***************1111",
            "1|***************1111",
            "2|***************4444",
            "2|***************4444",
            "3|*************0005"
        ]
    );
    let reply = ana.reply();
    assert_eq!((reply.shape().as_str(), reply.rows().len()), ("D C Z(T)", 1));
    // An error in the middle of the rows, and what is behind it is skipped; the next run is answered.
    ana.send(
        &[
            say::bind("", "fails", &[], 0),
            say::execute("", 0),
            say::bind("", "many", &[], 0),
            say::execute("", 0),
            say::sync(),
            say::execute("p", 0),
            say::sync(),
            say::query("rollback"),
        ]
        .concat(),
    );
    let reply = ana.reply();
    assert_eq!(
        (reply.shape().as_str(), reply.rows().join("").as_str()),
        ("2 D E(22012) Z(E)", "***************1111|-1")
    );
    let reply = ana.reply();
    assert!(reply.error(b'C') == "25P02" || reply.error(b'C') == "34000", "{}", reply.text());
    assert_eq!(ana.reply().shape(), "C Z(I)");
    // A portal that is not there, and a refusal between.
    ana.send(&[say::execute("nosuch", 0), say::sync()].concat());
    assert_eq!(ana.reply().shape(), "E(26000) Z(I)");
    ana.send(
        &[
            say::bind("", "many", &[], 0),
            say::execute("", 0),
            say::parse("", "delete from orders"),
            say::sync(),
            say::query("select 1"),
        ]
        .concat(),
    );
    assert_eq!(ana.reply().shape(), "2 D D D C E(42501) Z(I)");
    assert_eq!(ana.reply().rows(), ["1"]);
}
