//! An ordinary user with the three capabilities that the probe needs, and nothing else.

use std::process::{Command, Stdio};

use crate::{namespace::TestNamespace, needs};

/// `nobody`, Debian's user without any right.
pub const NOBODY: &str = "65534";

const CAPABILITIES: &str = "-all,+bpf,+perfmon,+net_admin";

/// Whether a test can be such a user here.
///
/// # Panics
///
/// With `CI=true`, when it cannot.
#[must_use]
pub fn can_be(test: &str) -> bool {
    needs::root(test) && needs::tool(test, "setpriv") && needs::tool(test, "nsenter")
}

/// Runs a program as this user, in a namespace.
#[must_use]
pub fn command(namespace: &TestNamespace, program: &str) -> Command {
    let [inheritable, ambient, bounding] =
        ["inh-caps", "ambient-caps", "bounding-set"].map(|set| format!("--{set}={CAPABILITIES}"));
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--net={}", namespace.path().display()))
        .args(["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"])
        .args([&inheritable, &ambient, &bounding])
        .arg(program)
        .stdin(Stdio::null());
    command
}
