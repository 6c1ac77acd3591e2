//! Policies of the lab's recordings, enforced in the lab's nodes: what was declared and observed still works, and what nobody
//! answers for is cut, exactly as was predicted.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::json;

use super::client::{Call, End};
use super::play::Lab;
use super::script::{DECLARED, FAULTS, NOISE};
use super::topology::{self, RECORDED, Recorded, SITES};
use crate::apt;

/// Where policies and figures go.
const OUTPUT: &str = "target/demo";

/// What an audit says with `--policy`.
#[derive(Deserialize)]
struct Report {
    would_deny: WouldDeny,
}

#[derive(Deserialize)]
struct WouldDeny {
    allowed: usize,
    denied: Vec<Denied>,
}

/// An end of a flow that policies would cut.
#[derive(Deserialize)]
struct Denied {
    subject: String,
    direction: String,
    address: Ipv4Addr,
    port: String,
}

/// What one run with enforced policies showed.
struct Enforced {
    /// Whether rows that nobody used have rules, too.
    with_unseen: bool,
    predicted: usize,
    allowed: usize,
    works: usize,
    cut: usize,
}

/// Makes policies of the recordings, enforces them, plays again, and holds every end against the prediction.
pub(super) fn enforce(root: &Path, flowdrift: &Path, recordings: &[PathBuf]) -> Result<()> {
    apt::ensure_programs(&[("nft", "nftables")], "enforcing policies in the lab")?;
    let runs = [false, true].map(|with_unseen| {
        let policies = policies(root, flowdrift, recordings, with_unseen)?;
        let prediction = Prediction::of(root, flowdrift, recordings, &policies)?;
        prediction.hold(&policies, with_unseen)
    });
    let mut figures = Vec::new();
    for run in runs {
        let Enforced { with_unseen, predicted, allowed, works, cut } = run?;
        let kind = if with_unseen { "with rows that nobody used" } else { "declared and observed" };
        println!("enforced ({kind}): {works} connections work, {cut} are cut, exactly as predicted");
        figures.push(json!({
            "with_unseen": with_unseen,
            "flow_ends_predicted_cut": predicted,
            "flow_ends_predicted_to_pass": allowed,
            "connections_that_work": works,
            "connections_cut": cut,
        }));
    }
    let path = root.join(OUTPUT).join("enforced.json");
    fs::write(&path, serde_json::to_vec_pretty(&figures)?).with_context(|| path.display().to_string())
}

fn asking(root: &Path, flowdrift: &Path, what: &str, recordings: &[PathBuf]) -> Command {
    let mut command = Command::new(flowdrift);
    command.current_dir(root).args([what, "--matrix", "policies/tap-multi-cluster.yaml"]);
    command.args(["--inventory", "policies/lab-inventory.yaml", "--from"]).args(recordings);
    command
}

/// A folder with the ruleset of each node.
fn policies(root: &Path, flowdrift: &Path, recordings: &[PathBuf], with_unseen: bool) -> Result<PathBuf> {
    let folder = root.join(OUTPUT).join(if with_unseen { "policies-declared" } else { "policies" });
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let mut command = asking(root, flowdrift, "policy", recordings);
    command.args(["--format", "nftables", "-o"]).arg(&folder);
    if with_unseen {
        command.args(["--include", "declared"]);
    }
    let status = command.stdout(Stdio::null()).status().context("cannot start flowdrift policy")?;
    ensure!(status.success(), "flowdrift policy ended with {status}");
    Ok(folder)
}

/// What an audit says that the policies would cut.
struct Prediction(WouldDeny);

impl Prediction {
    fn of(root: &Path, flowdrift: &Path, recordings: &[PathBuf], policies: &Path) -> Result<Self> {
        let mut command = asking(root, flowdrift, "audit", recordings);
        let output = command.args(["--format", "json", "--policy"]).arg(policies).output();
        let output = output.context("cannot start flowdrift audit")?;
        let report: Report =
            serde_json::from_slice(&output.stdout).context("the report has no prediction")?;
        Ok(Self(report.would_deny))
    }

    /// Whether a connection is among what would be cut, at either of its ends.
    fn cuts(&self, call: &Call) -> bool {
        let port = format!("{}/tcp", call.to.port());
        self.0.denied.iter().filter(|denied| denied.port == port).any(|denied| {
            let Denied { subject, direction, address, .. } = denied;
            match direction.as_str() {
                "egress" => is_node(subject, call.site) && address == call.to.ip(),
                _ => {
                    owner(*call.to.ip()).is_some_and(|site| is_node(subject, site))
                        && *address == source(call)
                }
            }
        })
    }

    /// Loads the policies into the lab's nodes and plays everything.
    fn hold(&self, policies: &Path, with_unseen: bool) -> Result<Enforced> {
        let missed = FAULTS.iter().filter(|call| call.end == End::Answered && !self.cuts(call));
        let missed: Vec<String> = missed.map(ToString::to_string).collect();
        ensure!(missed.is_empty(), "nothing would cut what was planted: {}", missed.join(", "));
        let wrong = DECLARED.iter().filter(|call| self.cuts(call)).map(ToString::to_string);
        let wrong: Vec<String> = wrong.collect();
        ensure!(wrong.is_empty(), "what is declared would be cut: {}", wrong.join(", "));
        let lab = Lab::make()?;
        RECORDED.iter().try_for_each(|node| load(policies, node))?;
        let expected = |call: &Call| match call.end {
            End::Answered if self.cuts(call) => End::Unanswered,
            // An attempt that failed is no reason for a rule; where its row has one, it fails as it did.
            end if end != End::Answered && !with_unseen => End::Unanswered,
            end => end,
        };
        lab.play_as(expected)?;
        let calls = [DECLARED, NOISE, FAULTS].concat();
        let count =
            |end| calls.iter().filter(|call| expected(call) == end).map(|call| call.times as usize).sum();
        Ok(Enforced {
            with_unseen,
            predicted: self.0.denied.len(),
            allowed: self.0.allowed,
            works: count(End::Answered),
            cut: count(End::Unanswered),
        })
    }
}

/// Whether a policy is for a site, which has its node's name: `run/run-1`.
fn is_node(subject: &str, site: &str) -> bool {
    subject.rsplit_once('/').is_some_and(|(_, node)| node == site)
}

fn owner(address: Ipv4Addr) -> Option<&'static str> {
    SITES.iter().find(|site| site.address == address).map(|site| site.name)
}

/// From where a call comes, unless it says so itself.
fn source(call: &Call) -> Ipv4Addr {
    let site = SITES.iter().find(|site| site.name == call.site);
    call.from.or(site.map(|site| site.address)).unwrap_or(Ipv4Addr::UNSPECIFIED)
}

/// Enforces a node's ruleset in its namespace.
fn load(policies: &Path, Recorded { cluster, node }: &Recorded) -> Result<()> {
    let file = policies.join(cluster).join(format!("{node}.nft"));
    let output = Command::new("ip")
        .args(["netns", "exec", &topology::namespace(node), "nft", "-f"])
        .arg(&file)
        .output()
        .context("cannot start ip")?;
    if !output.status.success() {
        bail!("{node} does not take {}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
