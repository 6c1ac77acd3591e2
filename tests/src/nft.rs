//! Rulesets as the kernel understands them.

use std::process::{Command, Stdio};

use flowdrift::policy::language::Document;

use crate::{folder::Folder, needs};

/// Each file of the folder in turn, in one network namespace.
const SCRIPT: &str = "for file in \"$1\"/*.nft; do nft -c -f $file && nft -f $file && nft -j list ruleset > $file.json && nft flush ruleset || exit 1; done";

/// Whether there is nft, and a right to a network namespace.
#[must_use]
pub fn is_there(test: &str) -> bool {
    needs::root(test) && needs::tool(test, "nft")
}

/// Puts what nft lists, where a ruleset is loaded, in the place of each ruleset.
///
/// # Panics
///
/// When nft refuses one.
pub fn list(documents: &mut [Document]) {
    let mut rulesets: Vec<&mut Document> =
        documents.iter_mut().filter(|document| document.is_ruleset()).collect();
    if rulesets.is_empty() {
        return;
    }
    let folder = Folder::new("nft");
    for (index, document) in rulesets.iter().enumerate() {
        folder.write(&format!("{index}.nft"), &document.text);
    }
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", SCRIPT, "sh"]).arg(folder.path()).stdin(Stdio::null());
    let output = command.output().expect("unshare is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "nft refuses a ruleset: {said}\n{:#?}", rulesets);
    for (index, document) in rulesets.iter_mut().enumerate() {
        document.text =
            std::fs::read_to_string(folder.at(&format!("{index}.nft.json"))).expect("nft has listed it");
    }
}
