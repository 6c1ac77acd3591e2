//! Tests that need a right or a kernel feature: skipped with one line where it is missing, and a failure in CI.

use nix::sys::utsname::uname;

/// Whether the privileged tests can run here. Where they cannot, says so in one line; with `CI=true` that is a
/// failure.
///
/// # Panics
///
/// With `CI=true`, when a need is not met.
#[must_use]
pub fn root(test: &str) -> bool {
    let missing = (!nix::unistd::geteuid().is_root()).then_some("it needs root").or((!std::path::Path::new(
        "/sys/kernel/btf/vmlinux",
    )
    .exists())
    .then_some("it needs kernel BTF"));
    met(test, missing)
}

/// Like [`root`], for a tool that Debian packages.
///
/// # Panics
///
/// With `CI=true`, when the tool is not installed.
#[must_use]
pub fn tool(test: &str, tool: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|paths| std::env::split_paths(&paths).any(|path| path.join(tool).exists()))
        || std::path::Path::new("/usr/sbin").join(tool).exists();
    met(test, (!found).then_some(tool))
}

/// Like [`root`], for a kernel feature that shows itself as a path.
///
/// # Panics
///
/// With `CI=true`, when the kernel lacks it.
#[must_use]
pub fn feature(test: &str, feature: &str, path: &str) -> bool {
    found(test, feature, std::path::Path::new(path).exists())
}

/// Like [`root`], for a kernel feature that the test has tried.
///
/// # Panics
///
/// With `CI=true`, when the kernel lacks it.
#[must_use]
pub fn found(test: &str, feature: &str, is_there: bool) -> bool {
    met(test, (!is_there).then_some(feature))
}

/// Whether this kernel runs a program ahead of others on a hook of the cgroup tree (6.17).
///
/// # Panics
///
/// When the kernel does not tell its release.
#[must_use]
pub fn first_place() -> bool {
    let release = uname().expect("it always tells").release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(6), Some(17))
}

pub(crate) fn met(test: &str, missing: Option<&str>) -> bool {
    let Some(why) = missing else { return true };
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{test} cannot be skipped in CI: {why}");
    eprintln!("skipped: {test}: {why}");
    false
}
