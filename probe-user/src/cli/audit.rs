//! `flowdrift audit`: what was seen, held against what was declared.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::ValueEnum;

use super::{
    Exit,
    declared::{Declared, DeclaredFiles, Stamps},
    follow::{Files, Follower},
    live::{self, LiveArguments},
    output::Output,
    recordings,
    would_deny::{self, would_deny},
};
use crate::{
    flow::Window,
    judge::{self, Case, Judgement},
    matrix::Inventory,
    observe::Settings,
    report::{self, Report, Sources, model::Document},
};

/// Hold what the kernels saw against the declared flow matrix
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    declared: DeclaredFiles,
    /// Judge these recordings instead of this node
    #[arg(long, value_name = "RECORDING", num_args = 1..)]
    from: Vec<PathBuf>,
    /// A required row that is only shared leaves the audit inconclusive
    #[arg(long)]
    strict: bool,
    /// How the report is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Where the report goes; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// This node's cluster in the inventory, found by the node's name when not given; also that of policies which lie in no
    /// folder of a cluster
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// This node's name in the inventory; the host name when not given
    #[arg(long, value_name = "NAME", conflicts_with = "from")]
    node: Option<String>,
    /// Keep what was seen as a recording, too
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    record: Option<PathBuf>,
    /// Say of each flow that nothing declares so as soon as it appears, on standard error, and read the declaration again
    /// when its files change. Exchanges of datagrams, and attempts that nobody answers, are flows only when they have ended: at
    /// the latest with the window. The report comes at the end and is of the declaration as it is then
    #[arg(long, conflicts_with = "from")]
    follow: bool,
    /// With --record, keep every connection by itself and not only the flows that they are folded into; with --follow, ask
    /// for every connection and not only for each flow
    #[arg(long)]
    every_connection: bool,
    /// Also tell what these policies would have cut of what was seen: files, and folders that hold one for each cluster
    #[arg(long, value_name = "POLICY", num_args = 1..)]
    policy: Vec<PathBuf>,
    #[command(flatten)]
    live: LiveArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Reads, watches or reads recordings, judges and reports.
pub(super) fn run(arguments: &Arguments) -> Result<Exit> {
    if arguments.every_connection && arguments.record.is_none() && !arguments.follow {
        bail!("--every-connection is for --record or --follow");
    }
    if arguments.cluster.is_some() && !arguments.from.is_empty() && arguments.policy.is_empty() {
        bail!("with --from, --cluster is for --policy: a recording names its own cluster");
    }
    let stamps = arguments.declared.stamps();
    let mut declared = arguments.declared.read()?;
    let output = Output::open(&arguments.output)?;
    let here = arguments.from.is_empty().then(|| here(arguments, &declared)).transpose()?;
    let cluster = here.as_ref().map(|here| here.cluster.as_str()).or(arguments.cluster.as_deref());
    // A window must not be lost to a mistyped policy, and once rights are given up no program lists a ruleset.
    let policies = would_deny::load(&arguments.policy, cluster, &declared)?;
    let (windows, recordings) = match here {
        Some(here) => {
            let (window, document) = watch(arguments, here, (&mut declared, stamps))?;
            (vec![window], vec![document])
        }
        None => recordings::read_all(&arguments.from, declared.rows.rows().inventory())?,
    };
    let case = Case {
        declared: &declared.rows,
        baseline: &declared.baseline,
        exceptions: declared.exceptions.as_deref(),
        windows: &windows,
        strict: arguments.strict,
    };
    let judgement = judge::judge(&case);
    let exit = exit(&judgement);
    let denied = (!policies.is_empty()).then(|| would_deny(&policies, &declared, &judgement));
    let (would_deny, unreadable) = match denied.transpose() {
        Ok(denied) => (denied, Ok(())),
        // The declaration may have changed meanwhile. The report is worth more, and still comes.
        Err(unreadable) => (None, Err(unreadable)),
    };
    let report = Report { would_deny, ..report::build(&case, judgement, Sources { recordings }) };
    // All is in the report.
    drop((declared, windows));
    write(arguments.format, &report, output)?;
    unreadable.map(|()| exit)
}

/// Where a live audit is.
struct Here {
    cluster: String,
    node: String,
}

fn here(arguments: &Arguments, declared: &Declared) -> Result<Here> {
    let inventory = declared.rows.rows().inventory();
    let node = arguments.node.clone().map_or_else(live::host_name, Ok)?;
    let cluster = match &arguments.cluster {
        Some(cluster) => cluster.clone(),
        None => cluster_of(&node, inventory)?,
    };
    recordings::known(&cluster, &node, inventory)?;
    Ok(Here { cluster, node })
}

fn exit(judgement: &Judgement<'_>) -> Exit {
    match (judgement.is_drift(), judgement.inconclusive.is_empty()) {
        (true, _) => Exit::Drift,
        (false, true) => Exit::Conforms,
        (false, false) => Exit::Inconclusive,
    }
}

fn watch(
    arguments: &Arguments,
    Here { cluster, node }: Here,
    (declared, stamps): (&mut Declared, Stamps),
) -> Result<(Window, Document)> {
    let settings = Settings {
        cluster: cluster.clone(),
        node: node.clone(),
        probe: arguments.live.options()?,
        flows: arguments.live.flows,
        every_connection: arguments.every_connection && arguments.record.is_some(),
    };
    let record = arguments.record.as_deref().map(Output::open).transpose()?;
    let mut follower = arguments.follow.then(|| {
        let (declared_in, cluster, node) = (arguments.declared.clone(), cluster.clone(), node.clone());
        let files = Files { declared: declared_in, stamps, cluster, node };
        Follower::new(files, declared, arguments.every_connection)
    });
    let (window, recorded) = live::watch(settings, &arguments.live, record, follower.as_mut())?;
    if let Some(latest) = follower.map(Follower::end) {
        *declared = latest;
    }
    if let Err(error) = recorded {
        // The report is worth more than the recording, and still comes.
        eprintln!("flowdrift: warning: {error:#}");
    }
    let document = Document { name: None, file: format!("live: {cluster}/{node}"), sha256: String::new() };
    Ok((window, document))
}

fn cluster_of(node: &str, inventory: &Inventory) -> Result<String> {
    let holds =
        |(_, cluster): &(&String, &crate::matrix::inventory::Cluster)| cluster.nodes.contains_key(node);
    let clusters: Vec<&String> = inventory.clusters.iter().filter(holds).map(|(name, _)| name).collect();
    match clusters.as_slice() {
        [one] => Ok((*one).clone()),
        [] => bail!("node `{node}` is in no roster of {}: name it with --node", inventory.file),
        _ => bail!(
            "node `{node}` is in several rosters of {}: name its cluster with --cluster",
            inventory.file
        ),
    }
}

fn write(format: Format, report: &Report, output: Output) -> Result<()> {
    output.write(|sink| match format {
        Format::Text => sink.write_all(report::text(report).as_bytes()),
        Format::Json => report::json(report, sink),
    })
}
