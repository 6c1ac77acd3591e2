//! Who a cgroup is, as far as its path tells.

/// This many hexadecimal digits in a row are an id that a runtime made up: a container's (64, or its first 12),
/// a pod's UID (32 with four separators).
const ID_DIGITS: usize = 12;

/// A name for the workload in a cgroup that is the same after a restart: ids of containers and pods give way to
/// `*`, whichever driver wrote the path (cgroupfs: `/kubepods/burstable/pod<uid>/<id>`, systemd:
/// `/kubepods.slice/…-pod<uid with underscores>.slice/cri-containerd-<id>.scope`), and so do the numbers of
/// systemd's sessions (`session-12.scope`) and transient units (`run-r<hex>.scope`, `run-u12.scope`).
#[must_use]
pub fn stable_name(cgroup: &str) -> String {
    let mut name = String::with_capacity(cgroup.len());
    let mut rest = cgroup;
    while let Some(character) = rest.chars().next() {
        let after = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.ends_with(prefix));
        let is_numbered = after(&["/session-", "/run-u", "/run-p"]);
        let begins_word = !name.ends_with(char::is_alphanumeric) || is_numbered || after(&["pod", "/run-r"]);
        let run = if begins_word { id_run(rest) } else { "" };
        let digits = run.bytes().filter(u8::is_ascii_hexdigit).count();
        if digits >= ID_DIGITS || (is_numbered && digits > 0) {
            name.push('*');
            rest = &rest[run.len()..];
        } else {
            name.push(character);
            rest = &rest[character.len_utf8()..];
        }
    }
    name
}

/// The hexadecimal digits at the beginning, with separators between them.
fn id_run(text: &str) -> &str {
    let is_part = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'-' | b'_');
    let length = text.bytes().take_while(|byte| is_part(byte)).count();
    let run = &text[..length];
    if run.starts_with(['-', '_']) { &text[..0] } else { run.trim_end_matches(['-', '_']) }
}

#[cfg(test)]
mod tests {
    use super::stable_name;

    #[test]
    fn ids_of_pods_and_containers_give_way_in_every_drivers_paths() {
        let container = "0123456789abcdef".repeat(4);
        for (path, name) in [
            (format!("/docker/{container}"), "/docker/*"),
            (
                "/user.slice/user-1000.slice/session-12.scope".to_owned(),
                "/user.slice/user-1000.slice/session-*.scope",
            ),
            (format!("/system.slice/run-r{}.scope", &container[..32]), "/system.slice/run-r*.scope"),
            ("/system.slice/run-u27.service".to_owned(), "/system.slice/run-u*.service"),
            (format!("/system.slice/docker-{container}.scope"), "/system.slice/docker-*.scope"),
            (
                format!("/kubepods/burstable/pod0a1b2c3d-1111-2222-3333-444455556666/{container}"),
                "/kubepods/burstable/pod*/*",
            ),
            (
                format!(
                    "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod0a1b2c3d_1111_2222_3333_444455556666.slice/cri-containerd-{container}.scope"
                ),
                "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod*.slice/cri-containerd-*.scope",
            ),
        ] {
            assert_eq!(stable_name(&path), name);
        }
    }

    #[test]
    fn names_that_people_gave_stay() {
        for name in
            ["/", "/system.slice/kubelet.service", "/user.slice/user-1000.slice", "/käse/dead-beef", "/pod"]
        {
            assert_eq!(stable_name(name), name);
        }
    }
}
