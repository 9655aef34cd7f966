//! Where HTTP/2 as it is spoken here (crate `h2` 0.4) does not keep a MUST of RFC 9113, with what it does instead. Most
//! end the connection as the rule wants, with another code; nothing is let through that was not judged. When a row fails, the
//! rule is kept: it belongs in one of the other tables then.

use super::{Row, Then, data, get, post, row};
use crate::frames::{
    ACK, DATA, GOAWAY, HEADERS, PING, PREFACE, PRIORITY, PROTOCOL_ERROR, RST_STREAM, SETTINGS, WHOLE,
    WINDOW_UPDATE, frame, literal, setting,
};

const HELLO: &[&str] = &["POST /x [hello]"];

pub fn rows() -> Vec<Row> {
    // A wrong size is FRAME_SIZE_ERROR; here it is PROTOCOL_ERROR, as all that a frame's parser refuses.
    let size = |rfc, says, send| row(rfc, says, send, Then::Connection(vec![PROTOCOL_ERROR]));
    // What can't be decoded is COMPRESSION_ERROR; here it is PROTOCOL_ERROR, for the same reason.
    let coding = |says, block: &[u8]| {
        row("4.3", says, frame(HEADERS, WHOLE, 1, block), Then::Connection(vec![PROTOCOL_ERROR]))
    };
    let behind = |says, more: &[u8]| {
        let send = [&*post(1), &data(1, "hello"), more].concat();
        row("5.1", says, send, Then::Connection(vec![PROTOCOL_ERROR])).may_see(HELLO)
    };
    vec![
        size("6.5", "settings have six bytes each", frame(SETTINGS, 0, 0, &[0; 5])),
        size("6.5", "an acknowledgement is empty", frame(SETTINGS, ACK, 0, &setting(1, 0))),
        size("6.7", "a PING has eight bytes", frame(PING, 0, 0, &[0; 7])),
        size("6.9", "a WINDOW_UPDATE has four", frame(WINDOW_UPDATE, 0, 0, &[0; 3])),
        size("6.4", "an RST_STREAM has four", [post(1), frame(RST_STREAM, 0, 1, &[0; 3])].concat()),
        size("6.8", "a GOAWAY has eight or more", frame(GOAWAY, 0, 0, &[0; 7])),
        size(
            "6.3",
            "a PRIORITY has five, or its stream ends",
            [post(1), frame(PRIORITY, 0, 1, &[0; 4])].concat(),
        ),
        row(
            "6.5.2",
            "a window beyond 2^31 - 1 is FLOW_CONTROL_ERROR",
            frame(SETTINGS, 0, 0, &setting(4, 0x8000_0000)),
            Then::Connection(vec![PROTOCOL_ERROR]),
        ),
        coding("an index of nothing", &[0x80]),
        coding("an index beyond the table", &[0xff, 0x7f]),
        coding("an integer without an end", &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        coding("a string longer than its block", &[0x00, 0x0a, b'x']),
        coding("Huffman's code with padding that is none", &[0x00, 0x81, 0x00, 0x01, b'x']),
        coding("a table larger than was announced", &[0x3f, 0xff, 0xff, 0x01]),
        // The first frame behind a preface is taken for what it is, whichever it is.
        row(
            "3.4",
            "settings come first: not a PING",
            [PREFACE, &frame(PING, 0, 0, &[0; 8])].concat(),
            Then::Ignored,
        )
        .first(),
        row(
            "3.4",
            "not an acknowledgement",
            [PREFACE, &frame(SETTINGS, ACK, 0, &[])].concat(),
            Then::Ignored,
        )
        .first(),
        row("3.4", "not a request", [PREFACE, &get(1)].concat(), Then::Answer(1, 200))
            .first()
            .seen(&["GET /x []"]),
        // STREAM_CLOSED by the rule.
        behind("DATA behind the end of a stream", &data(1, "more")),
        behind("HEADERS behind the end of a stream", &frame(HEADERS, WHOLE, 1, &literal("x", "y"))),
        // Malformed by the rule: here they are dropped, as all trailers are.
        row(
            "8.1",
            "trailers have no pseudo-fields",
            [post(1), frame(DATA, 0, 1, b"hello"), frame(HEADERS, WHOLE, 1, &literal(":path", "/y"))]
                .concat(),
            Then::Answer(1, 200),
        )
        .seen(HELLO),
    ]
}
