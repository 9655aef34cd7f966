//! Prefaces, settings, and frames of the connection.

use super::{Row, Then, answered, connection, data, get, ignored, post, row};
use crate::frames::{
    ACK, CONTINUATION, DATA, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY, HEADERS, PING, PREFACE, PRIORITY,
    PROTOCOL_ERROR, PUSH_PROMISE, RST_STREAM, SETTINGS, WHOLE, WINDOW_UPDATE, frame, setting, sized,
};

pub fn rows() -> Vec<Row> {
    let mut rows = prefaces();
    rows.extend(settings());
    rows.extend(frames());
    rows
}

const X: &[&str] = &["GET /x []"];

fn prefaces() -> Vec<Row> {
    vec![
        answered(
            "3.4",
            "a preface and its settings",
            200,
            [PREFACE, &frame(SETTINGS, 0, 0, &setting(1, 0)), &get(1)].concat(),
        )
        .first()
        .seen(X),
    ]
}

fn settings() -> Vec<Row> {
    let set = |name, value| frame(SETTINGS, 0, 0, &setting(name, value));
    vec![
        connection(
            "6.5",
            "settings are of the connection",
            PROTOCOL_ERROR,
            frame(SETTINGS, 0, 1, &setting(1, 0)),
        ),
        connection("6.5.2", "ENABLE_PUSH is 0 or 1", PROTOCOL_ERROR, set(2, 2)),
        connection("6.5.2", "a frame is no smaller than 2^14", PROTOCOL_ERROR, set(5, 16_383)),
        connection("6.5.2", "and no larger than 2^24 - 1", PROTOCOL_ERROR, set(5, 16_777_216)),
        ignored("6.5.2", "either bound is taken", [set(5, 16_384), set(5, 16_777_215)].concat()),
        ignored("6.5.2", "ENABLE_PUSH of 1 is taken", set(2, 1)),
        ignored("6.5.2", "a setting that is unknown is ignored", set(0xbad, 7)),
        ignored("6.5", "no settings are settings too", frame(SETTINGS, 0, 0, &[])),
        ignored(
            "6.5.3",
            "the last of two values counts",
            frame(SETTINGS, 0, 0, &[setting(2, 1), setting(2, 0)].concat()),
        ),
        ignored("6.5.2", "a window of nothing at the start is taken", [set(4, 0), set(4, 65_535)].concat()),
        // A window that a change makes negative is no error (section 6.9.2).
        answered(
            "6.9.2",
            "a smaller window stops an answer's data, not its head",
            200,
            [set(4, 0), get(1)].concat(),
        )
        .seen(X),
    ]
}

fn frames() -> Vec<Row> {
    vec![
        connection(
            "4.2",
            "a frame beyond what was announced",
            FRAME_SIZE_ERROR,
            [post(1), sized(16_385, DATA, 0, 1, &[0; 16_385])].concat(),
        ),
        answered(
            "4.2",
            "one of that size is taken",
            200,
            [post(1), frame(DATA, 0, 1, &[b'y'; 16_384]), frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]), get(3)]
                .concat(),
        )
        .then(Then::Answer(3, 200))
        .seen(X),
        ignored("4.1", "a kind that is unknown is ignored", frame(0xbe, 0xff, 0, b"what?")),
        ignored("4.1", "on a stream too", frame(0xbe, 0, 7, b"what?")),
        answered("4.1", "unknown flags are ignored", 200, {
            let mut bytes = get(1);
            bytes[4] |= 0x82;
            bytes
        })
        .seen(X),
        answered("4.1", "the reserved bit is ignored", 200, {
            let mut bytes = get(1);
            bytes[5] |= 0x80;
            bytes
        })
        .seen(X),
        ignored("6.7", "a PING's answer that nobody asked for is ignored", frame(PING, ACK, 0, &[0; 8])),
        connection("6.7", "a PING is of the connection", PROTOCOL_ERROR, frame(PING, 0, 1, &[0; 8])),
        connection("6.8", "GOAWAY is of the connection", PROTOCOL_ERROR, frame(GOAWAY, 0, 1, &[0; 8])),
        row("6.8", "a client that goes is let go", frame(GOAWAY, 0, 0, &[0; 8]), Then::Connection(vec![0])),
        connection(
            "6.9",
            "a window of the connection grows by something",
            PROTOCOL_ERROR,
            frame(WINDOW_UPDATE, 0, 0, &[0; 4]),
        ),
        connection(
            "6.9.1",
            "and not beyond 2^31 - 1",
            FLOW_CONTROL_ERROR,
            frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes()),
        ),
        ignored(
            "6.9",
            "the reserved bit of its growth is ignored",
            frame(WINDOW_UPDATE, 0, 0, &0x8000_0001_u32.to_be_bytes()),
        ),
        connection(
            "8.4",
            "a client promises nothing",
            PROTOCOL_ERROR,
            [post(1), frame(PUSH_PROMISE, 4, 1, &[0, 0, 0, 2])].concat(),
        ),
        connection("6.1", "DATA is of a stream", PROTOCOL_ERROR, frame(DATA, 0, 0, b"x")),
        connection("6.2", "HEADERS is of a stream", PROTOCOL_ERROR, frame(HEADERS, WHOLE, 0, &[])),
        connection("6.3", "PRIORITY is of a stream", PROTOCOL_ERROR, frame(PRIORITY, 0, 0, &[0; 5])),
        connection("6.4", "RST_STREAM is of a stream", PROTOCOL_ERROR, frame(RST_STREAM, 0, 0, &[0; 4])),
        connection("6.10", "CONTINUATION is of a stream", PROTOCOL_ERROR, frame(CONTINUATION, 4, 0, &[])),
        answered("5.1", "requests side by side", 200, [post(1), get(3), data(1, "hello")].concat())
            .seen(&["GET /x []", "POST /x [hello]"]),
    ]
}
