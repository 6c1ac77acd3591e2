//! A node's ruleset as the kernel understands it: loaded into a network namespace of its own, and listed there.

use std::{
    io::Write,
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::geteuid;

/// Loads what comes on its input, and lists what came of it.
const SCRIPT: &str = "nft -f /dev/stdin && nft -j list ruleset";

/// What `nft -j list ruleset` says where `text` is loaded. `name` is told in errors.
///
/// # Errors
/// `nft` or `unshare` is not there, there is no right to a network namespace, or nft refuses the text.
pub(super) fn listed(text: &str, name: &str) -> Result<String> {
    let mut command = Command::new("unshare");
    if !geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--net", "sh", "-c", SCRIPT]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("unshare (util-linux), which reads rulesets of nftables")?;
    let mut input = child.stdin.take().context("unshare has no input")?;
    let output = thread::scope(|scope| {
        // nft may refuse it before its end.
        scope.spawn(move || drop(input.write_all(text.as_bytes())));
        child.wait_with_output()
    });
    let output = output.context("reading a ruleset of nftables")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).replace("/dev/stdin", name);
        bail!("{name}: nft refuses it, or may not read it here: {}", said.trim());
    }
    let listed = String::from_utf8(output.stdout).context("what nft lists")?;
    ensure!(!listed.trim().is_empty(), "{name}: nft lists nothing");
    Ok(listed)
}
