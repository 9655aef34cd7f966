//! Streams: their states and numbers, blocks in pieces, padding, windows, lengths.

use super::{Row, answered, asking, connection, data, get, ignored, post, stream};
use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR, HEADERS, PADDED, PING, PRIORITY,
    PROTOCOL_ERROR, RST_STREAM, WHOLE, WINDOW_UPDATE, WITH_PRIORITY, frame, literal,
};

pub fn rows() -> Vec<Row> {
    let mut rows = states();
    rows.extend(blocks());
    rows.extend(padding());
    rows.extend(windows());
    rows.extend(lengths());
    rows
}

const X: &[&str] = &["GET /x []"];
const HELLO: &[&str] = &["POST /x [hello]"];
const CANCEL: [u8; 4] = [0, 0, 0, 8];

fn states() -> Vec<Row> {
    vec![
        connection("5.1", "DATA on a stream that is idle", PROTOCOL_ERROR, data(1, "x")),
        connection("5.1", "RST_STREAM on one", PROTOCOL_ERROR, frame(RST_STREAM, 0, 1, &CANCEL)),
        connection("5.1", "WINDOW_UPDATE on one", PROTOCOL_ERROR, frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])),
        ignored("5.1", "PRIORITY on one is taken", frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 7])),
        connection("5.1.1", "a client's streams have odd numbers", PROTOCOL_ERROR, get(2)),
        connection("5.1.1", "that grow", PROTOCOL_ERROR, [post(5), get(3)].concat()),
        ignored(
            "5.1",
            "a stream that was reset takes WINDOW_UPDATE and RST_STREAM",
            [
                post(1),
                frame(RST_STREAM, 0, 1, &CANCEL),
                frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]),
                frame(RST_STREAM, 0, 1, &CANCEL),
            ]
            .concat(),
        ),
        stream(
            "5.3.1",
            "no stream depends on itself",
            PROTOCOL_ERROR,
            [post(1), frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 7])].concat(),
        ),
        stream(
            "8.1",
            "fields behind the data end the stream",
            PROTOCOL_ERROR,
            [post(1), frame(HEADERS, END_HEADERS, 1, &literal("x", "y"))].concat(),
        ),
        answered(
            "8.1",
            "trailers are dropped",
            200,
            [post(1), frame(DATA, 0, 1, b"hello"), frame(HEADERS, WHOLE, 1, &literal("content-length", "7"))]
                .concat(),
        )
        .seen(HELLO),
    ]
}

fn blocks() -> Vec<Row> {
    let whole = asking("GET", &[]);
    let (first, rest) = whole.split_at(20);
    let begun = || frame(HEADERS, END_STREAM, 1, first);
    vec![
        answered(
            "6.10",
            "a block in pieces",
            200,
            [begun(), frame(CONTINUATION, END_HEADERS, 1, rest)].concat(),
        )
        .seen(X),
        answered(
            "6.10",
            "empty ones among them",
            200,
            [begun(), frame(CONTINUATION, 0, 1, &[]), frame(CONTINUATION, END_HEADERS, 1, rest)].concat(),
        )
        .seen(X),
        connection(
            "4.3",
            "nothing stands between them: a PING",
            PROTOCOL_ERROR,
            [begun(), frame(PING, 0, 0, &[0; 8])].concat(),
        ),
        connection("4.3", "another stream", PROTOCOL_ERROR, [begun(), frame(DATA, 0, 1, b"x")].concat()),
        connection("4.3", "what is unknown", PROTOCOL_ERROR, [begun(), frame(0xbe, 0, 1, b"x")].concat()),
        connection(
            "6.10",
            "a piece of another stream",
            PROTOCOL_ERROR,
            [begun(), frame(CONTINUATION, END_HEADERS, 3, rest)].concat(),
        ),
        connection("6.10", "a piece of nothing", PROTOCOL_ERROR, frame(CONTINUATION, END_HEADERS, 1, rest)),
        connection(
            "6.10",
            "a piece behind a block's end",
            PROTOCOL_ERROR,
            [get(1), frame(CONTINUATION, END_HEADERS, 1, rest)].concat(),
        )
        .may_see(X),
        answered("6.2", "HEADERS with a priority", 200, {
            frame(HEADERS, WHOLE | WITH_PRIORITY, 1, &[&[0, 0, 0, 0, 7], &*whole].concat())
        })
        .seen(X),
        stream("5.3.1", "none of which is its own", PROTOCOL_ERROR, {
            frame(HEADERS, WHOLE | WITH_PRIORITY, 1, &[&[0, 0, 0, 1, 7], &*whole].concat())
        }),
    ]
}

fn padding() -> Vec<Row> {
    let whole = asking("GET", &[]);
    vec![
        answered("6.2", "padding is dropped", 200, {
            frame(HEADERS, WHOLE | PADDED, 1, &[&[3], &*whole, &[0; 3]].concat())
        })
        .seen(X),
        connection("6.2", "padding longer than its frame", PROTOCOL_ERROR, {
            frame(HEADERS, WHOLE | PADDED, 1, &[&[255], &*whole].concat())
        }),
        answered("6.1", "padding of DATA is no data", 200, {
            [post(1), frame(DATA, END_STREAM | PADDED, 1, b"\x02hello\0\0")].concat()
        })
        .seen(HELLO),
        connection("6.1", "padding of DATA longer than its frame", PROTOCOL_ERROR, {
            [post(1), frame(DATA, END_STREAM | PADDED, 1, b"\x06hello")].concat()
        }),
    ]
}

fn windows() -> Vec<Row> {
    vec![
        // Section 5.4.1 lets an error of a stream end the connection.
        connection(
            "6.9",
            "a stream's window grows by something",
            PROTOCOL_ERROR,
            [post(1), frame(WINDOW_UPDATE, 0, 1, &[0; 4])].concat(),
        ),
        stream(
            "6.9.1",
            "and not beyond 2^31 - 1",
            FLOW_CONTROL_ERROR,
            [post(1), frame(WINDOW_UPDATE, 0, 1, &0x7fff_ffff_u32.to_be_bytes())].concat(),
        ),
    ]
}

fn lengths() -> Vec<Row> {
    let of = |length: &str, body: &str| {
        let head = frame(HEADERS, END_HEADERS, 1, &asking("POST", &[("content-length", length)]));
        [head, data(1, body)].concat()
    };
    let twice = |one, other| asking("POST", &[("content-length", one), ("content-length", other)]);
    let bad = |says, send| stream("8.1.1", says, PROTOCOL_ERROR, send);
    vec![
        answered("8.1.1", "a length that is the data's", 200, of("5", "hello")).seen(HELLO),
        bad("a shorter one", of("4", "hello")),
        bad("a longer one", of("6", "hello")),
        bad("one with a sign", of("+5", "hello")),
        bad("one that is none", of("x", "hello")),
        bad("one too large", of("18446744073709551621", "hello")),
        bad("two that differ", [frame(HEADERS, END_HEADERS, 1, &twice("5", "6")), data(1, "hello")].concat()),
        bad("a length, and no data", frame(HEADERS, WHOLE, 1, &asking("POST", &[("content-length", "5")]))),
    ]
}
