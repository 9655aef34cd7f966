//! Kubernetes: what a request to an API server does, in the words of [`policy_core::vocabulary::kubernetes`].
//!
//! - [`action`]: a request as the API server sees it: its `RequestInfo`, and what its handlers make of the query;
//! - [`Object`]: the body, as far as rules look at it;
//! - [`content`]: what may be asked for, and which fields of an answer hold secrets.
//!
//! Paths are read by [`crate::http::Target`], which sends on what is judged; commands by [`crate::shell`]. Nothing here does
//! I/O, or depends on what is in a cluster.
//!
//! # What it promises
//!
//! - **A request is all that it comes to.** A list or watch that a field selector narrows to one name is also a `get` of it,
//!   so that a rule against either is met and a rule for one alone does not cover; a deletion of a collection likewise.
//!   Server-side apply, and an update of a resource that updates make, are also a `create`.
//! - **Whatever carries it.** `exec`, `attach` and `portforward` are `create`, by GET (a WebSocket) or POST (SPDY).
//! - **Commands are followed.** Each program that `exec`'s words come to run is one more `create` on `pods/exec`. A shell
//!   that reads standard input is one with `shell`; started by another program (`env bash`) its `argv` is undetermined.
//! - **Many are not none.** Where a request means many objects or all namespaces, `name` and `namespace` are undetermined,
//!   which restricts.
//! - **What can't be told is `unknown`**: paths that servers read in several ways, or that are no object and not known;
//!   `watch` that is there twice; what a kubelet's proxy may run; and what a JSON patch of a Secret copies or moves, which no
//!   mask would find again.
//!
//! # Bodies
//!
//! A field of a list's elements has the values of all of them. Where these differ there is an action for each combination of
//! the fields that a policy looks at, up to 16, or the field is undetermined: either way a deny applies where any element
//! meets it, and an allow covers where all do. What a body does not set is absent, patches included: a patch leaves the rest
//! as it was, which was judged when it was set. What a patch removes is absent too. Operations that move, copy or test, and
//! the directives of strategic merge patches (`$patch`, `$retainKeys`, `$setElementOrder/…`), make undetermined what they
//! touch. So do protobuf and CBOR, all of the object.
//!
//! YAML is read where it is JSON or plain block style: no anchors, tags, block texts, several documents, keys that are there
//! twice, or words that YAML 1.1 takes for something else. All other YAML is undetermined.
//!
//! # What it can't see
//!
//! What an object comes to: what admission adds to it, what a controller makes of a Deployment's template, what runs in a
//! container that is attached to. What is behind a proxy to a pod or service. In another API group (`builtin` is false) what
//! the verbs do.

mod action;
pub mod content;
mod object;
mod patch;
mod place;
mod query;
mod run;
mod tables;
mod yaml;

pub use action::{Fields, Parts, action};
pub use object::Object;
