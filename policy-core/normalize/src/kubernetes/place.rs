//! Which resource a path is of: the API server's own reading (`RequestInfoFactory` of k8s.io/apiserver).

use super::tables;

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// Objects.
    Resource(Objects<'a>),
    /// A path that is no object: discovery, health, metrics.
    Path,
}

/// The objects that a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Objects<'a> {
    /// Empty for the core group.
    pub(super) group: &'a str,
    pub(super) version: &'a str,
    pub(super) namespace: Option<&'a str>,
    pub(super) resource: &'a str,
    pub(super) name: Option<&'a str>,
    /// Empty where the object itself is meant.
    pub(super) subresource: &'a str,
    /// What stands behind the subresource.
    pub(super) rest: Vec<&'a str>,
    /// Whether it is a path of old, which is always a watch: `/api/v1/watch/…`.
    pub(super) watches: bool,
}

impl<'a> Place<'a> {
    /// Reads a path's segments. `None` where the server has nothing, or something that is not known here: a front of it may
    /// serve the same objects once more under such a path.
    pub(super) fn of(segments: &'a [String]) -> Option<Self> {
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (group, version, rest) = match segments.as_slice() {
            ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
            ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
            [] | ["api" | "apis", ..] => return Some(Self::Path),
            [first, ..] => return tables::is_plain_path(first).then_some(Self::Path),
        };
        let (special, rest) = match rest {
            [special @ ("watch" | "proxy"), rest @ ..] => (*special, rest),
            rest => ("", rest),
        };
        let (namespace, parts) = match rest {
            ["namespaces", namespace, behind @ ..] => match behind {
                // A subresource of the namespace itself, or the namespace.
                [] | ["status" | "finalize", ..] => (Some(*namespace), rest),
                _ => (Some(*namespace), behind),
            },
            _ => (None, rest),
        };
        let (resource, behind) = parts.split_first()?;
        let name = behind.first().copied();
        let behind = behind.get(1..).unwrap_or_default();
        let (subresource, rest) = match (special, behind) {
            ("proxy", rest) => {
                name?;
                ("proxy", rest)
            }
            (_, [subresource, rest @ ..]) => (*subresource, rest),
            (_, []) => ("", &[][..]),
        };
        Some(Self::Resource(Objects {
            group,
            version,
            namespace,
            resource,
            name,
            subresource,
            rest: rest.to_vec(),
            watches: special == "watch",
        }))
    }
}

impl Objects<'_> {
    /// Whether this is a stream into a container, which GET (a WebSocket) and POST (SPDY) open alike.
    pub(super) fn is_stream(&self) -> bool {
        self.is_of_pod(&["exec", "attach", "portforward"])
    }

    /// Whether it is one of these subresources of a pod.
    pub(super) fn is_of_pod(&self, subresources: &[&str]) -> bool {
        self.group.is_empty() && self.resource == "pods" && subresources.contains(&self.subresource)
    }

    /// Whether the request goes on to a pod, service or node.
    pub(super) fn is_proxy(&self) -> bool {
        self.subresource == "proxy"
    }

    pub(super) fn is_builtin(&self) -> bool {
        tables::GROUPS.contains(&self.group)
    }

    /// Whether it is known that there is no namespace it could be in.
    pub(super) fn is_of_cluster(&self) -> bool {
        tables::CLUSTER.contains(&(self.group, self.resource))
    }

    /// Whether the resource is that of namespaces, which are in themselves.
    pub(super) fn is_namespaces(&self) -> bool {
        self.group.is_empty() && self.resource == "namespaces"
    }
}
