//! Verdicts in words.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use crate::{
    flow::Outcomes,
    judge::{Claim, Evidence, FarEnd, Gap, Verdict},
    matching::{Leg, Matcher, Rows},
    wording::plural,
};

fn fit(count: u64) -> &'static str {
    if count == 1 { "fits" } else { "fit" }
}

/// Attempts that came to nothing, by cause. Errnos of asm-generic/errno.h, as `sk_err` has them.
pub(super) fn failures(outcomes: &Outcomes) -> BTreeMap<String, u64> {
    let mut causes = BTreeMap::new();
    for (error, count) in &outcomes.failed {
        *causes.entry(cause(*error)).or_default() += count;
    }
    let kinds = [
        ("unanswered", outcomes.unanswered),
        ("no route here", outcomes.unrouted),
        ("sent without an answer", outcomes.unreplied),
    ];
    for (cause, count) in kinds {
        if count > 0 {
            causes.insert(cause.to_owned(), count);
        }
    }
    causes
}

fn cause(error: u16) -> String {
    match error {
        0 => "given up by the caller".to_owned(),
        101 => "network unreachable".to_owned(),
        104 => "reset".to_owned(),
        110 => "timed out".to_owned(),
        111 => "refused".to_owned(),
        113 => "host unreachable".to_owned(),
        other => format!("errno {other}"),
    }
}

/// `3 refused, 1 timed out`.
pub(super) fn failure_list(outcomes: &Outcomes) -> String {
    let causes = failures(outcomes);
    causes.iter().map(|(cause, count)| format!("{count} {cause}")).collect::<Vec<_>>().join(", ")
}

/// A hop.
pub(super) fn leg(leg: Leg) -> &'static str {
    match leg {
        Leg::Direct => "direct",
        Leg::ClientToFront => "client → load balancer",
        Leg::FrontToListener => "load balancer → ingress listener",
        Leg::IngressToPod => "ingress → pod",
    }
}

fn legs(evidence: &Evidence) -> String {
    let legs = evidence.legs.iter().map(|one| leg(*one).to_owned());
    legs.chain(translations(&evidence.translations)).collect::<Vec<_>>().join("; ")
}

/// `10.96.0.1:443 is translated to 10.2.0.9:6443`; a few of many.
pub(super) fn translations(all: &BTreeSet<[(IpAddr, u16); 2]>) -> Vec<String> {
    const MOST: usize = 4;
    let shown = all.iter().take(MOST).map(|[told, behind]| {
        let [told, behind] = [told, behind].map(|(address, port)| SocketAddr::new(*address, *port));
        format!("{told} is translated to {behind}")
    });
    let more = (all.len() > MOST).then(|| format!("and {} more translations", all.len() - MOST));
    shown.chain(more).collect()
}

/// Why a cell has its verdict.
pub(super) fn reason(rows: &Rows, verdict: &Verdict, evidence: &Evidence) -> String {
    match verdict {
        Verdict::Observed => observed(evidence),
        Verdict::Shared(group) if evidence.shared.count() > 0 => {
            let shared = plural(evidence.shared.count(), noun(evidence.is_udp()));
            match group.len() {
                1 => format!("{shared} of {} cannot be told apart", among(rows, &evidence.among)),
                _ => format!("{shared} {} equally: {}", fit(evidence.shared.count()), names(rows, group)),
            }
        }
        Verdict::Shared(group) => ceded(rows, group, evidence),
        Verdict::Degraded => {
            let stood = plural(evidence.succeeded(), noun(evidence.is_udp()));
            format!("{stood} stood, {}{}", failure_list(&evidence.client), failing_nodes(evidence))
        }
        Verdict::Failing(far) => format!("{}; {}", failure_list(&evidence.client), stops(*far, evidence)),
        Verdict::Missing(Claim::Ceded(group)) | Verdict::Unused(Claim::Ceded(group)) => {
            ceded(rows, group, evidence)
        }
        Verdict::Missing(what) | Verdict::Unused(what) => what.to_string(),
        Verdict::Inconclusive(gaps) => gap_list(gaps),
        Verdict::Unobservable { reason, acknowledged: None } => reason.clone(),
        Verdict::Unobservable { reason, acknowledged: Some(words) } => {
            format!("{reason} (acknowledged: {words})")
        }
    }
}

/// What was counted: UDP connects nothing.
pub(super) fn noun(is_udp: bool) -> &'static str {
    if is_udp { "exchange" } else { "connection" }
}

/// Cells that the same evidence fits: `a → b 443/tcp and c → b 443/tcp`.
pub(super) fn among(rows: &Rows, cells: &BTreeSet<usize>) -> String {
    let cells = cells.iter().map(|cell| &rows.cells()[*cell]);
    let words = cells.map(|cell| format!("{} → {} {}", cell.source, cell.destination, cell.port));
    words.collect::<Vec<_>>().join(" and ")
}

/// Rows by their ids; only the baseline takes without one.
pub(super) fn names(rows: &Rows, group: &BTreeSet<usize>) -> String {
    if group.is_empty() {
        return "the baseline".to_owned();
    }
    group.iter().map(|row| rows.row(*row).id.as_str()).collect::<Vec<_>>().join(", ")
}

fn ceded(rows: &Rows, group: &BTreeSet<usize>, evidence: &Evidence) -> String {
    let what = match (evidence.ceded, evidence.ceded_failed) {
        (0, failed) => plural(failed, "failed attempt"),
        (stood, 0) => plural(stood, "connection"),
        (stood, failed) => {
            format!("{} and {}", plural(stood, "connection"), plural(failed, "failed attempt"))
        }
    };
    let fit = fit(evidence.ceded + evidence.ceded_failed);
    format!("{what} {fit} more narrowly: {}", names(rows, group))
}

fn observed(evidence: &Evidence) -> String {
    let ends = match (evidence.both_ends, evidence.client.succeeded() > 0) {
        (true, _) => "seen at both ends",
        (false, true) => "seen at the connecting end",
        (false, false) => "seen at the listening end",
    };
    format!("{}, {ends} ({})", plural(evidence.proven.count(), noun(evidence.is_udp())), legs(evidence))
}

fn failing_nodes(evidence: &Evidence) -> String {
    let only_failing = evidence.nodes.iter().filter(|(_, seen)| seen.succeeded == 0 && seen.failed > 0);
    let names: Vec<String> = only_failing.map(|((cluster, node), _)| format!("{cluster}/{node}")).collect();
    if names.is_empty() { String::new() } else { format!("; only failures on {}", names.join(", ")) }
}

/// Where the claim about a failure stops. What never left the node, or was given up there, says nothing of an
/// end that nobody watched.
fn stops(far: FarEnd, evidence: &Evidence) -> String {
    let client = &evidence.client;
    let given_up = client.failed.get(&0).copied().unwrap_or_default();
    if client.unrouted > 0 && client.unrouted == client.unsuccessful() {
        return "never left this node".to_owned();
    }
    let of_here = given_up + client.unrouted;
    if far == FarEnd::Unwatched && of_here > 0 && of_here == client.unsuccessful() {
        return "given up before an answer".to_owned();
    }
    far_end(far, evidence)
}

fn far_end(far: FarEnd, evidence: &Evidence) -> String {
    /// `ECONNREFUSED` (asm-generic/errno.h).
    const REFUSED: u16 = 111;
    match far {
        FarEnd::Unwatched => "far end unwatched: server or firewall, cannot tell".to_owned(),
        FarEnd::NothingArrived if evidence.client.failed.contains_key(&REFUSED) => {
            "far end watched: it took nothing, so nobody listens there or something on the way refuses"
                .to_owned()
        }
        FarEnd::NothingArrived => {
            "far end watched: nothing arrived, so it is dropped on the way or by the far end's own firewall"
                .to_owned()
        }
        FarEnd::CannotTell(count) => {
            format!("far end watched: it took {} whose source cannot be told", plural(count, "connection"))
        }
        FarEnd::Arrived(count) => format!("the far end took {}", plural(count, "connection")),
    }
}

fn gap_list(gaps: &[Gap]) -> String {
    const SHOWN: usize = 3;
    let mut words: Vec<String> = gaps.iter().take(SHOWN).map(ToString::to_string).collect();
    if gaps.len() > SHOWN {
        words.push(format!("and {} more", gaps.len() - SHOWN));
    }
    words.join("; ")
}
