//! Which container and pod a cgroup's path names.
//!
//! The kubelet names a pod's group after its UID: `pod<uid>` with its cgroupfs driver, `…-pod<uid>.slice` with its systemd
//! driver, where `_` stands for `-` (pkg/kubelet/cm/cgroup_manager_linux.go). Runtimes name a container's group after its
//! 64-digit id: bare with cgroupfs, `<runtime>-<id>.scope` with systemd, and `<slice>:<runtime>:<id>` where a runtime of the
//! one driver serves a kubelet of the other.

/// A container as its cgroup's path names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Container<'a> {
    /// UID of its pod, in the form of the Kubernetes API; of a static pod, the digest of its manifest
    /// (`kubernetes.io/config.hash`). `None` outside of Kubernetes.
    pub pod: Option<String>,
    /// Its id, 64 hexadecimal digits. `None` where the path ends at the pod.
    pub id: Option<&'a str>,
}

/// The container, or at least the pod, that a cgroup below the cgroup-v2 root belongs to. Groups that a container makes
/// within its own are the container's, whatever it calls them.
#[must_use]
pub fn container(cgroup: &str) -> Option<Container<'_>> {
    let mut found: Option<Container<'_>> = None;
    for segment in cgroup.split('/').flat_map(|segment| segment.split(':')) {
        match (&found, pod_uid(segment), container_id(segment)) {
            // A node may be a container itself: then its pods are below that.
            (None | Some(Container { pod: None, .. }), Some(pod), _) => {
                found = Some(Container { pod: Some(pod), id: None });
            }
            (None, None, Some(id)) => found = Some(Container { pod: None, id: Some(id) }),
            (Some(Container { pod: Some(pod), id: None }), None, Some(id)) => {
                return Some(Container { pod: Some(pod.clone()), id: Some(id) });
            }
            _ => {}
        }
    }
    found
}

fn container_id(segment: &str) -> Option<&str> {
    /// A SHA-256 digest, or random bytes of that length, in hexadecimal digits.
    const LENGTH: usize = 64;
    let name = segment.strip_suffix(".scope").unwrap_or(segment);
    // CRI-O's and podman's monitor of a container is not the container.
    if ["crio-conmon-", "libpod-conmon-"].iter().any(|monitor| name.starts_with(monitor)) {
        return None;
    }
    let id = name.rsplit('-').next()?;
    (id.len() == LENGTH && id.bytes().all(is_digit)).then_some(id)
}

fn pod_uid(segment: &str) -> Option<String> {
    let slice = segment.strip_suffix(".slice");
    let nested = slice.and_then(|name| name.rsplit_once("-pod"));
    let uid = match nested {
        Some((before, uid)) if before.contains("kubepods") => uid,
        _ => slice.unwrap_or(segment).strip_prefix("pod")?,
    };
    let uid = uid.replace('_', "-");
    (is_uid(&uid) || is_digest(&uid)).then_some(uid)
}

/// RFC 9562, 4: 8-4-4-4-12 digits.
fn is_uid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|byte| byte == b'-' || is_digit(byte))
}

/// What the kubelet makes of a static pod's manifest: an MD5 digest.
fn is_digest(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(is_digit)
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const UID: &str = "0a1b2c3d-1111-2222-3333-444455556666";
    const ESCAPED: &str = "0a1b2c3d_1111_2222_3333_444455556666";
    const DIGEST: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn every_driver_and_runtime_names_its_pod_and_container() {
        let slices =
            format!("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{ESCAPED}.slice");
        let kind = format!(
            "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod{ESCAPED}.slice"
        );
        for path in [
            format!("/kubepods/burstable/pod{UID}/{ID}"),
            format!("/kubepods/pod{UID}/{ID}"),
            format!("/kubepods.slice/kubepods-pod{ESCAPED}.slice/cri-containerd-{ID}.scope"),
            format!("{slices}/cri-containerd-{ID}.scope"),
            format!("{slices}/crio-{ID}.scope"),
            format!("{slices}/docker-{ID}.scope"),
            format!("{kind}/cri-containerd-{ID}.scope"),
            format!(
                "/system.slice/containerd.service/kubepods-burstable-pod{ESCAPED}.slice:cri-containerd:{ID}"
            ),
            // A container that is a system of its own, and a node that is a container.
            format!("{slices}/cri-containerd-{ID}.scope/system.slice/nginx.service"),
            format!("/docker/{}/kubelet/kubepods/burstable/pod{UID}/{ID}", "f".repeat(64)),
        ] {
            let found = container(&path).unwrap_or_else(|| panic!("{path}"));
            assert_eq!((found.pod.as_deref(), found.id), (Some(UID), Some(ID)), "{path}");
        }
    }

    #[test]
    fn pods_without_their_container_and_containers_without_a_pod_are_told() {
        let only_pod = format!("/kubepods/besteffort/pod{UID}");
        assert_eq!(container(&only_pod), Some(Container { pod: Some(UID.to_owned()), id: None }));
        let monitor = format!("/kubepods.slice/kubepods-pod{ESCAPED}.slice/crio-conmon-{ID}.scope");
        assert_eq!(container(&monitor).and_then(|found| found.id), None);
        for path in [
            format!("/docker/{ID}"),
            format!("/system.slice/docker-{ID}.scope"),
            format!("/machine.slice/libpod-{ID}.scope/container"),
        ] {
            assert_eq!(container(&path), Some(Container { pod: None, id: Some(ID) }), "{path}");
        }
    }

    #[test]
    fn what_a_container_calls_its_own_groups_changes_nothing() {
        let own = format!("/kubepods/burstable/pod{UID}/{ID}");
        for below in [
            format!("pod{}/{}", UID.replace('0', "9"), "e".repeat(64)),
            format!("docker-{}.scope", "e".repeat(64)),
        ] {
            assert_eq!(container(&format!("{own}/{below}")), container(&own));
        }
    }

    #[test]
    fn a_static_pod_is_known_by_its_manifest() {
        let path = format!("/kubepods/burstable/pod{DIGEST}/{ID}");
        assert_eq!(container(&path).and_then(|found| found.pod), Some(DIGEST.to_owned()));
    }

    #[test]
    fn what_only_looks_like_a_pod_is_none() {
        for path in [
            "/",
            "/kubepods",
            "/kubepods/podcast",
            "/user.slice/user-1000.slice/podman.service",
            "/system.slice/pod0a1b2c3d-1111-2222-3333.service",
            // Not an id that a runtime writes.
            "/docker/0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF",
        ] {
            assert_eq!(container(path), None, "{path}");
        }
    }
}
