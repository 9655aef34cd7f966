//! What of a tunnel is kept until its end has come is bounded, and so is how many streams it has.

use crate::hostile::{SPDY, WEBSOCKET, control, fields, gone, heard_at, server};
use crate::house::{House, OPEN};

/// The longest text in which a size is looked for, in bytes.
const SIZE: usize = 64 << 10;

/// Blanks within what may still become a size.
fn endless_size() -> Vec<u8> {
    [&b"{"[..], &vec![b' '; SIZE]].concat()
}

#[tokio::test]
async fn a_size_of_a_terminal_has_an_end() {
    let message = |text: &[u8]| {
        let length = (text.len() as u64 + 1).to_be_bytes();
        [&[0x82, 0xff], &length[..], &[0; 4], &[4], text].concat()
    };
    let opened = control(1, &[&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &fields("streamtype", "resize")].concat());
    let data = |text: &[u8]| {
        let [_, length @ ..] = u32::try_from(text.len()).unwrap().to_be_bytes();
        [&*opened, &[0, 0, 0, 1, 0], &length, text].concat()
    };
    for (name, agrees, says) in [
        ("a long message", WEBSOCKET, message(&endless_size())),
        ("a long text", SPDY, data(&endless_size())),
        ("no size", SPDY, data(b"large")),
    ] {
        let house = House::before(&server(agrees, b""), OPEN).await;
        let (head, heard) =
            heard_at(&house, "exec?command=sh&stdin=true&stdout=true&tty=true", agrees, &says);
        assert!(head.starts_with("HTTP/1.1 101") && !heard.contains("GOES ON"), "{name}: {head}{heard}");
        house.until_said("the client sent an invalid frame").await;
    }
}

#[tokio::test]
async fn a_tunnel_has_so_many_streams_at_a_time() {
    const PORT: &str = "upgrade: SPDY/3.1\r\nx-stream-protocol-version: portforward.k8s.io\r\n";
    const MOST: u32 = 1024;
    let opened = control(1, &[&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &fields("streamtype", "data")].concat());
    let data = |stream: u32, flags: u8, text: &[u8]| {
        [&stream.to_be_bytes()[..], &[flags, 0, 0, u8::try_from(text.len()).unwrap()], text].concat()
    };
    let many =
        |flags: u8| (0..MOST).flat_map(|number| data(2 * number + 1, flags, b"x")).collect::<Vec<u8>>();
    let one_more = [data(2 * MOST + 1, 0, b"hidden\n"), gone()].concat();
    for (name, says, shown) in [
        ("as many as may be", [many(0), data(1, 0, b"hidden\n"), gone()].concat(), true),
        ("one more", [many(0), one_more.clone()].concat(), false),
        ("one more than have ended", [many(1), one_more].concat(), true),
    ] {
        let house = House::before(&server(PORT, &says), OPEN).await;
        let (head, heard) = heard_at(&house, "portforward?ports=7", PORT, &opened);
        assert!(head.starts_with("HTTP/1.1 101") && !heard.contains("GOES ON"), "{name}: {head}");
        assert_eq!(heard.contains("hidden"), shown, "{name}");
    }
}
