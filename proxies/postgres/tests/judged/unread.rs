//! What is refused without asking the policy has its record too.

use portcullis_testkit::peer::message;

use crate::house::{House, say};

#[test]
fn every_message_that_is_refused_unread_has_a_record() {
    let house = House::new();
    let mut ana = house.log_in("ana");
    // A text that is not in the grammar is judged: the record is the denial's own.
    assert_eq!(ana.ask("selec '4111 1111 1111 1111' as secret").error(b'C'), "42601");
    ana.send(&[message(b'P', b"name\0select 1\0\0"), say::sync()].concat());
    assert_eq!(ana.reply().shape(), "E(08P01) Z(I)");
    ana.send(&[message(b'Q', b"select '\xff'\0")].concat());
    assert_eq!(ana.reply().error(b'C'), "08P01");
    ana.send(&[say::bind("", "nosuch", &[], 0), say::sync()].concat());
    assert_eq!(ana.reply().shape(), "E(26000) Z(I)");
    ana.send(&message(b'F', b"\0\0\0\x01\0\0\0\0\0\0"));
    assert_eq!(ana.reply().shape(), "E(0A000) Z(I)");
    let long = format!("select '{}'", "x".repeat(17 << 20));
    assert_eq!(ana.ask(&long).error(b'C'), "54000");
    // What the policy has denied has its own record, and no second one.
    assert_eq!(ana.ask("delete from orders").error(b'C'), "42501");
    assert_eq!(ana.ask("select 1").rows(), ["1"]);
    let said = house.unjudged();
    assert_eq!(
        said[..4],
        [
            "Parse Deny message ends early #",
            "Query Deny text is not valid UTF-8 #",
            "Bind Deny it names a statement or portal that this session has not made #",
            "FunctionCall Deny function calls by OID are not supported by the gateway",
        ]
    );
    assert!(said[4].starts_with("Query Deny a message of 17825"), "{said:?}");
    assert_eq!(said.len(), 5, "{said:?}");
}
