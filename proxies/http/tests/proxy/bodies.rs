//! Bodies of requests on their way to a target that takes them slowly.

use std::convert::Infallible;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use portcullis_testkit::Serving;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::house::{House, Origin, authorization};
use crate::tokens::Kept;

/// How much a target takes before it has looked at any of it, in bytes: as much as goes up at once.
const WINDOW: usize = 16 << 10;

const POLICY: &str = r#"
policy "writes"
default deny
allow "dry" { by group "eng"  on http  do put on "/**"  when body.mode == "dry" }
"#;

/// A target of HTTP/2 that answers at once, and leaves it to the test to take what it was sent.
fn target() -> (Serving, mpsc::UnboundedReceiver<Incoming>) {
    let (tell, told) = mpsc::unbounded_channel();
    let serving = Serving::on_a_thread(async move || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let run = async move {
            let (stream, _) = listener.accept().await.unwrap();
            let service = service_fn(move |request: Request<Incoming>| {
                tell.send(request.into_body()).unwrap();
                async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("ok"))) }
            });
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder.http2().initial_stream_window_size(WINDOW as u32);
            builder.serve_connection(TokioIo::new(stream), service).await
        };
        (address, run)
    });
    (serving, told)
}

/// A rule has looked into all of it, and it goes up in pieces all the same: a session that ends in between ends the rest.
#[tokio::test]
async fn a_revoked_user_sends_no_more_of_what_was_judged_whole() {
    let (serving, mut bodies) = target();
    let way = format!("address = \"http://{}\"\nhosts = [\"api.test\"]\nhttp2 = true\n", serving.address);
    let house = House::before(Origin::run("python3", "origin.py", &[]), POLICY, &way).await;
    let mut kept = Kept::to(&house);
    let mut put = |text: &str| {
        let body = format!(r#"{{"mode":"dry","text":"{text}"}}"#);
        let head = format!(
            "PUT /x HTTP/1.1\r\nhost: api.test\r\n{}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            authorization("ana"),
            body.len()
        );
        kept.send(format!("{head}{body}").as_bytes()).unwrap()
    };
    // The first one is sent before the target has said how much it takes (RFC 9113, section 6.9.2).
    assert_eq!(put("short"), "200");
    bodies.recv().await.expect("a body").collect().await.unwrap();
    assert_eq!(put(&"x".repeat(3 * WINDOW)), "200");
    let mut taken = bodies.recv().await.expect("a body");
    house.revoke("ana").await;
    house.until_stopped().await;
    let mut bytes = 0;
    let end = loop {
        match taken.frame().await {
            Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, Bytes::len),
            end => break end,
        }
    };
    assert!(matches!(end, Some(Err(_))) && bytes <= WINDOW, "{bytes} bytes, then {end:?}");
}
