//! The Kubernetes side: real parts where there are any, a scripted one where there are none.
//!
//! - [`Cluster`]: a real kube-apiserver with etcd. It has no nodes, so nothing runs in it, and no controllers, so what they
//!   would do stays undone: a Deployment makes no pods, a namespace that is deleted stays `Terminating`.
//! - [`Kubelet`]: one pod that can be streamed with (`logs`, `exec`, `attach`, `cp`, `port-forward`), over WebSocket and over
//!   SPDY as real servers have it, and just enough of an API before it that an unchanged kubectl gets there.
//! - [`Kubectl`]: the real client, kept apart from whoever runs the tests.
//! - [`compare`]: the same commands over two ways to one server, and what differs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

mod cluster;
pub mod compare;
mod kubectl;
mod kubelet;

pub use cluster::Cluster;
pub use kubectl::Kubectl;
pub use kubelet::{Kubelet, KubeletBuilder, Seen};

/// Where an API server is, and how to get in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Its address, such as `https://127.0.0.1:6443`. Over plain HTTP kubectl sends no token.
    pub url: String,
    /// The authority behind its certificate, in PEM.
    pub authority: Option<String>,
    /// A bearer token.
    pub token: Option<String>,
}

impl Access {
    /// The same as a kubeconfig, whose commands are about `namespace` unless they say otherwise.
    #[must_use]
    pub fn kubeconfig(&self, namespace: &str) -> String {
        let mut cluster = serde_json::json!({ "server": self.url });
        if let (Some(pem), Some(cluster)) = (&self.authority, cluster.as_object_mut()) {
            cluster.insert("certificate-authority-data".to_owned(), STANDARD.encode(pem).into());
        }
        let user =
            self.token.as_ref().map_or(serde_json::json!({}), |token| serde_json::json!({ "token": token }));
        serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{ "name": "test", "cluster": cluster }],
            "users": [{ "name": "test", "user": user }],
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test", "namespace": namespace } }],
        })
        .to_string()
    }
}

/// A token that nobody has had before.
fn fresh_token() -> String {
    let hash =
        |salt: u8| std::hash::BuildHasher::hash_one(&std::collections::hash_map::RandomState::new(), salt);
    format!("testkit-{:016x}{:016x}", hash(0), hash(1))
}
