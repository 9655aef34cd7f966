//! What is known of the API beforehand.

/// The groups that are Kubernetes' own. Others are custom resources, or another server behind the API server, of which nothing
/// is known: not whether it heeds `dryRun`, nor what it does with a subresource.
pub(super) const GROUPS: &[&str] = &[
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "extensions",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// Resources without namespaces. Of others a path without a namespace means those of every namespace.
pub(super) const CLUSTER: &[(&str, &str)] = &[
    ("", "componentstatuses"),
    ("", "nodes"),
    ("", "persistentvolumes"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
    ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("apiregistration.k8s.io", "apiservices"),
    ("certificates.k8s.io", "certificatesigningrequests"),
    ("flowcontrol.apiserver.k8s.io", "flowschemas"),
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"),
    ("networking.k8s.io", "ingressclasses"),
    ("node.k8s.io", "runtimeclasses"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("scheduling.k8s.io", "priorityclasses"),
    ("storage.k8s.io", "csidrivers"),
    ("storage.k8s.io", "csinodes"),
    ("storage.k8s.io", "storageclasses"),
    ("storage.k8s.io", "volumeattachments"),
];

/// Resources that an update may create where there are none (their strategies' `AllowCreateOnUpdate`, in one version of the
/// server or another). Custom resources are not among them.
pub(super) const MADE_BY_UPDATE: &[(&str, &str)] = &[
    ("", "endpoints"),
    ("", "events"),
    ("", "limitranges"),
    ("", "podtemplates"),
    ("", "resourcequotas"),
    ("", "services"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
    ("coordination.k8s.io", "leasecandidates"),
    ("coordination.k8s.io", "leases"),
    ("events.k8s.io", "events"),
    ("flowcontrol.apiserver.k8s.io", "flowschemas"),
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"),
    ("node.k8s.io", "runtimeclasses"),
    ("policy", "poddisruptionbudgets"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
    ("rbac.authorization.k8s.io", "roles"),
];

/// Whether a path that begins so is one of the server's that are no objects.
pub(super) fn is_plain_path(first: &str) -> bool {
    matches!(
        first,
        ".well-known"
            | "debug"
            | "flagz"
            | "healthz"
            | "livez"
            | "logs"
            | "metrics"
            | "openapi"
            | "openid"
            | "readyz"
            | "statusz"
            | "swagger.json"
            | "swaggerapi"
            | "version"
    )
}

/// Whether a kubelet's path shows no more than numbers, health and what runs. All others may run something in a container,
/// or read its files: the kubelet's own `exec`, `run`, `attach`, `portForward`, `cri`, `logs`, `debug`, and what is to come.
pub(super) fn is_harmless_of_kubelet(path: &[&str]) -> bool {
    matches!(path.first(), Some(&("healthz" | "metrics" | "pods" | "runningpods" | "spec" | "stats")))
}
