//! Links that somebody else has taken away while a window was open.
//!
//! A link to a cgroup can be detached from outside (`bpftool link detach`); the descriptor that we hold stays, and tells
//! from then on that there is no cgroup behind it. One to a tracepoint cannot.

use std::{collections::HashSet, fs, io};

use super::fdinfo::number;

/// Ids of the programs whose links to the cgroup tree are detached, by what the kernel says of our descriptors
/// (kernel/bpf/cgroup.c, `bpf_cgroup_link_show_fdinfo`, Linux 5.7).
///
/// # Errors
///
/// When /proc is not readable.
pub(super) fn detached() -> io::Result<HashSet<u64>> {
    let texts = fs::read_dir("/proc/self/fdinfo")?.flatten();
    let texts = texts.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    Ok(texts.filter_map(|text| detached_program(&text)).collect())
}

fn detached_program(text: &str) -> Option<u64> {
    let is_link = text.lines().any(|line| line.starts_with("link_type:"));
    (is_link && number(text, "cgroup_id") == Some(0)).then(|| number(text, "prog_id")).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_without_its_cgroup_is_detached() {
        let text = |cgroup| {
            format!(
                "pos:\t0\nlink_type:\tcgroup\nlink_id:\t7\nprog_id:\t12\ncgroup_id:\t{cgroup}\nattach_type:\t10\n"
            )
        };
        assert_eq!(detached_program(&text(0)), Some(12));
        assert_eq!(detached_program(&text(1)), None);
        assert_eq!(detached_program("pos:\t0\nprog_id:\t12\n"), None, "a program");
        assert_eq!(detached_program("link_type:\ttracing\nprog_id:\t12\n"), None);
    }
}
