//! The ways that lead to a target: an address of its own, and paths below the gateway's.

use std::net::{IpAddr, TcpListener, UdpSocket};

use crate::house::{House, Origin};
use crate::legs::{OPEN, curl};

/// A port that nobody listens on.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The addresses of this machine alone; a machine may know no IPv6.
fn loopbacks() -> impl Iterator<Item = &'static str> {
    ["127.0.0.1", "[::1]"].into_iter().filter(|address| TcpListener::bind(format!("{address}:0")).is_ok())
}

#[tokio::test]
async fn an_address_of_its_own_leads_to_a_target_whatever_the_host() {
    for own in loopbacks() {
        let all = if own == "127.0.0.1" { "0.0.0.0" } else { "[::]" };
        for listens in [own, all] {
            let port = free_port();
            let origin = Origin::run("python3", "origin.py", &[]);
            let target =
                format!("address = \"http://127.0.0.1:{}\"\nlisten = \"{listens}:{port}\"\n", origin.port);
            let house = House::before(origin, OPEN, &target).await;
            let answer = curl(&house, &[], &format!("http://{own}:{port}/anything?x=1"));
            assert!(answer.contains("\"path\": \"/anything?x=1\"") && answer.contains("200 1.1"), "{answer}");
            let shared = curl(&house, &[], &format!("http://127.0.0.1:{}/anything", house.address.port()));
            assert!(shared.contains("404 "), "{listens}: {shared}");
        }
    }
}

/// All addresses of IPv4 are not all of IPv6, though they have the port in common.
#[tokio::test]
async fn of_two_families_of_addresses_each_leads_to_its_own_target() {
    if loopbacks().count() < 2 {
        // Nobody comes by IPv6 to a machine that knows none.
        return;
    }
    let port = free_port();
    let (origin, other) =
        (Origin::run("python3", "origin.py", &[]), Origin::run("python3", "origin.py", &[]));
    let at = |origin: &Origin| format!("address = \"http://127.0.0.1:{}\"\n", origin.port);
    let target = format!(
        "{}listen = \"0.0.0.0:{port}\"\n[[target]]\nname = \"next\"\nprotocol = \"http\"\n{}listen = \"[::]:{port}\"\n",
        at(&origin),
        at(&other)
    );
    let house = House::before(origin, OPEN, &target).await;
    for own in loopbacks() {
        for path in ["/a", "/b", "/c"] {
            assert!(curl(&house, &[], &format!("http://{own}:{port}{path}")).contains("200 1.1"), "{own}");
        }
        let reached = if own == "127.0.0.1" { &house.origin } else { &other };
        assert_eq!(reached.seen().len(), 3, "{own}");
    }
}

/// An address of this machine that others know it by. Asking for the way to one sends nothing.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback())
}

/// Only who is on the machine itself may speak in the clear, where nothing else is said.
#[tokio::test]
async fn whoever_comes_from_elsewhere_speaks_tls() {
    let port = free_port();
    let origin = Origin::run("python3", "origin.py", &[]);
    let target = format!("address = \"http://127.0.0.1:{}\"\nlisten = \"0.0.0.0:{port}\"\n", origin.port);
    let house = House::before(origin, OPEN, &target).await;
    assert!(curl(&house, &[], &format!("http://127.0.0.1:{port}/x")).contains("200 1.1"));
    // A machine without a network has no such address, and nobody comes from elsewhere.
    let Some(own) = own_address() else { return };
    let answer = curl(&house, &[], &format!("http://{own}:{port}/x"));
    assert!(answer.contains("This address speaks TLS") && answer.contains("400 1.1"), "{answer}");
    assert_eq!(house.origin.seen().len(), 1);
    let answer = curl(&house, &["--insecure"], &format!("https://{own}:{port}/x"));
    assert!(answer.contains("200 "), "{answer}");
    assert!(house.evidence().contains("TLS is required"));
}

#[tokio::test]
async fn of_two_prefixes_the_longer_one_leads() {
    let origin = Origin::run("python3", "origin.py", &[]);
    let at = format!("address = \"http://127.0.0.1:{}\"\n", origin.port);
    let target = format!(
        "{at}prefix = \"/api\"\n[[target]]\nname = \"next\"\nprotocol = \"http\"\n{at}prefix = \"/api/v2\"\n"
    );
    let house = House::before(origin, OPEN, &target).await;
    let moved = curl(&house, &["-i"], &format!("http://localhost:{}/api/v2/moved", house.address.port()));
    assert!(moved.contains("location: /api/v2/x\r\n"), "{moved}");
    for (asked, path) in
        [("/api/v2/x", "/x"), ("/api/v2", "/"), ("/api/v22", "/v22"), ("/api/v2x/y", "/v2x/y")]
    {
        let answer = curl(&house, &[], &format!("http://localhost:{}{asked}", house.address.port()));
        assert!(answer.contains(&format!("\"path\": \"{path}\"")), "{asked}: {answer}");
    }
}
