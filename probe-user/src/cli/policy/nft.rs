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

/// A shell's status where there is no such command (POSIX.1-2024, Shell Command Language, 2.8.2).
const NOT_FOUND: i32 = 127;

/// What `nft -j list ruleset` says where `text` is loaded. `name` is told in errors.
///
/// # Errors
/// It asks for other files, `nft` or `unshare` is not there, there is no right to a network namespace, or nft refuses the text.
pub(super) fn listed(text: &str, name: &str) -> Result<String> {
    if let Some(line) = includes(text) {
        bail!(
            "{name}:{line}: found `include`, expected a whole ruleset: no other file of this machine is read for it"
        );
    }
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
    ensure!(output.status.code() != Some(NOT_FOUND), "nft (nftables), which reads rulesets, is not there");
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).replace("/dev/stdin", name);
        bail!("{name}: nft refuses it, or may not read it here: {}", said.trim());
    }
    let listed = String::from_utf8(output.stdout).context("what nft lists")?;
    ensure!(!listed.trim().is_empty(), "{name}: nft lists nothing");
    Ok(listed)
}

/// The line on which a ruleset has another file read, which nft would do with our rights, and tell what it finds there. Comments
/// and quotations are as in nft's grammar (nftables, src/scanner.l): neither knows an escape.
fn includes(text: &str) -> Option<usize> {
    let (mut rest, mut line) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let token = match first {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '"' => rest[1..].find('"').map_or(rest.len(), |end| end + 2),
            _ if first.is_ascii_alphabetic() || "_.".contains(first) => {
                rest.find(|letter| !is_of_word(letter)).unwrap_or(rest.len())
            }
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(token);
        if token == "include" {
            return Some(line);
        }
        line += token.matches('\n').count();
        rest = after;
    }
    None
}

fn is_of_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "_.-/".contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ruleset_has_no_other_file_read() {
        for (text, line) in [
            ("include \"/etc/shadow\"\n", Some(1)),
            ("table inet t {\n\tchain c {\n\t\tinclude\t\"x\"\n\t}\n}\n", Some(3)),
            ("table inet t { comment \"a\n# b\"; include \"x\"; }", Some(2)),
            ("table inet t { comment \"a # b\"; include \"x\"; }", Some(1)),
            (";include\"x\"", Some(1)),
            ("# include \"x\"\ntable inet t { comment \"include\"; }", None),
            ("# \"\ninclude \"x\"", Some(2)),
            ("table inet includes { chain include-this { } }", None),
        ] {
            assert_eq!(includes(text), line, "{text}");
        }
    }
}
