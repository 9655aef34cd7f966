//! What a certificate does not permit is refused, whatever policies say.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;

use portcullis_testkit::ssh::{Key, Kind, Wanted};

use crate::house::{House, Plan};
use crate::raw::{Message, Peer};

const POLICY: &str = r#"
policy "all of it"
default deny
allow "work" { by group "eng"  on ssh  do exec, forward, agent_forward, x11 }
"#;

/// A house that trusts an authority, and clients with its certificates for ana's key.
struct Setting {
    house: House,
    authority: Key,
    _file: tempfile::NamedTempFile,
}

impl Setting {
    async fn new() -> Self {
        let authority = Key::generate(Kind::Ed25519);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &authority.public).unwrap();
        let config = format!("[ssh]\nuser_authorities = [\"{}\"]", file.path().display());
        let house = House::with(Plan { policy: Some(POLICY.to_owned()), config, ..Plan::default() }).await;
        Self { house, authority, _file: file }
    }

    async fn peer(&self, wanted: Wanted) -> Peer {
        let key = Key::generate(Kind::Ed25519);
        let certificate = self.authority.certify(&key, &wanted);
        Peer::certified(self.house.address, "ana:web-1", &key, &certificate).await
    }
}

#[tokio::test]
async fn a_certificate_that_permits_no_tunnels_opens_none_of_any_kind() {
    let setting = Setting::new().await;
    let house = &setting.house;
    let here = house.sshd.home.join("here");
    let _listening = UnixListener::bind(&here).unwrap();
    std::fs::set_permissions(&here, std::fs::Permissions::from_mode(0o777)).unwrap();
    let (here, there) = (here.display().to_string(), house.sshd.home.join("there").display().to_string());
    let port = |message: Message| message.string("127.0.0.1").number(house.sshd.port.into());
    let socket = |message: Message| message.string(&here).string("").number(0);
    for (wanted, expected) in
        [(Wanted::user(&["ana"]), true), (Wanted::user(&["ana"]).option("no-port-forwarding"), false)]
    {
        let mut peer = setting.peer(wanted).await;
        let opened = [
            peer.open("direct-tcpip", |message| port(port(message))).await.is_some(),
            peer.open("direct-streamlocal@openssh.com", socket).await.is_some(),
            peer.ask("tcpip-forward", |message| message.string("127.0.0.1").number(0)).await.is_some(),
            peer.ask("streamlocal-forward@openssh.com", |message| message.string(&there)).await.is_some(),
        ];
        assert_eq!(opened, [expected; 4]);
    }
    let refused = "refused forward: the certificate does not permit tunnels";
    assert_eq!(house.judged().iter().filter(|line| *line == refused).count(), 4, "{:?}", house.judged());
}

#[tokio::test]
async fn a_certificate_that_permits_neither_lends_neither_the_agent_nor_x11() {
    let setting = Setting::new().await;
    let wanted = Wanted::user(&["ana"]);
    for (wanted, agent, x11) in [
        (wanted.clone(), true, true),
        (wanted.clone().option("no-agent-forwarding"), false, true),
        (wanted.option("no-x11-forwarding"), true, false),
    ] {
        let mut peer = setting.peer(wanted).await;
        let line = peer.session().await;
        peer.request(line, "auth-agent-req@openssh.com", |message| message).await;
        let cookie = |message: Message| {
            message.flag(false).string("MIT-MAGIC-COOKIE-1").string("0123456789abcdef").number(0)
        };
        peer.request(line, "x11-req", cookie).await;
        peer.exec(line, "env").await;
        let said = peer.end(line).await;
        assert_eq!(said.out().contains("SSH_AUTH_SOCK="), agent, "{said:?}");
        let is_refused = |what: &str| {
            said.err().contains(&format!("{what} is not forwarded: the certificate does not permit it"))
        };
        assert_eq!((is_refused("the agent"), is_refused("X11")), (!agent, !x11), "{}", said.err());
        // The target has to have `xauth` for it, so its presence proves nothing.
        assert!(x11 || !said.out().contains("DISPLAY="), "{said:?}");
    }
}
