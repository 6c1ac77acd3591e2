//! Labels as Cilium has them: those of Kubernetes, those that it adds, and those that it leaves out.

/// A pod's namespace.
pub(super) const NAMESPACE: &str = "io.kubernetes.pod.namespace";

/// Before the key of a label of a pod's namespace.
pub(super) const OF_NAMESPACE: &str = "io.cilium.k8s.namespace.labels.";

/// Before what Cilium itself says of a peer.
pub(super) const RESERVED: &str = "reserved:";

/// A label of every node, of which it is the only one with this value.
pub(super) const HOST_NAME: &str = "kubernetes.io/hostname";

/// Labels of which no cluster's objects tell: the mesh's name of the cluster, and the pod's service account.
pub(super) const UNTOLD: [&str; 2] = ["io.cilium.k8s.policy.cluster", "io.cilium.k8s.policy.serviceaccount"];

/// Beginnings of the keys that the agent leaves out of identities, unless its option `labels` keeps them
/// (pkg/labelsfilter/filter.go).
const LEFT_OUT: [&str; 12] = [
    "io.kubernetes",
    "kubernetes.io",
    "k8s.io",
    "pod-template-",
    "controller-revision-hash",
    "annotation",
    "etcd_node",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/job-completion-index",
    "batch.kubernetes.io/controller-uid",
    "controller-uid",
];

/// Whether the agent knows no such label unless it is told to: whatever is selected by it is selected by nobody.
pub(super) fn is_left_out(key: &str) -> bool {
    LEFT_OUT.iter().any(|beginning| key.starts_with(beginning)) || key.contains("beta.kubernetes.io")
}
