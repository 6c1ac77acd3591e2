//! Findings, in words and in data.

use std::collections::BTreeSet;

use super::{cell_evidence, moments, place, severity};
use crate::{
    flow::Outcomes,
    judge::{self, Case, CellResult, FindingKind, Judgement, UndeclaredFlow, Verdict},
    matching::{self, Field, Matcher, Placed, Rows},
    report::{
        model::{End, Evidence, Finding, FlowDetail, NearMiss, RowPlace},
        words,
    },
    wording,
};

/// One finding in words, with what it rests on.
pub(super) fn finding(case: &Case<'_>, judgement: &Judgement<'_>, found: judge::Finding) -> Finding {
    let mut finding = unsaid(&found);
    match found.kind {
        FindingKind::Missing(at) | FindingKind::Failing(at) | FindingKind::Degraded(at) => {
            of_cell(case.rows(), &judgement.rows[at.row].cells[at.cell], &mut finding);
        }
        FindingKind::Undeclared(flow) => of_flow(case.rows(), *flow, &mut finding),
        FindingKind::ExpiredException(index) | FindingKind::UnusedException(index) => {
            of_exception(case, index, &mut finding);
        }
        FindingKind::Overbroad { row, connections } => {
            finding.row = Some(Box::new(place(case.rows(), row)));
            let count = wording::plural(connections, "connection");
            let id = &case.rows().row(row).id;
            finding.message = format!("{id} is so wide that it alone excuses {count}");
        }
    }
    finding
}

/// A finding about a flow that has just appeared, in words; `None` of any other.
pub(in crate::report) fn undeclared(rows: &Rows, found: judge::Finding) -> Option<Finding> {
    let mut finding = unsaid(&found);
    let FindingKind::Undeclared(flow) = found.kind else { return None };
    of_flow(rows, *flow, &mut finding);
    Some(finding)
}

/// One of which nothing is said yet.
fn unsaid(found: &judge::Finding) -> Finding {
    Finding {
        id: found.id.clone(),
        kind: found.kind.word().to_owned(),
        severity: severity(found.severity).to_owned(),
        drift: found.kind.is_drift(),
        message: String::new(),
        remarks: Vec::new(),
        row: None,
        source: None,
        destination: None,
        port: None,
        cluster: None,
        flow: None,
        near_miss: None,
        evidence: None,
    }
}

fn of_cell(rows: &Rows, result: &CellResult, finding: &mut Finding) {
    let declared = &rows.cells()[result.cell];
    let (source, destination) = (declared.source.to_string(), declared.destination.to_string());
    let port = declared.port.to_string();
    let is_summed = matches!(result.verdict, Verdict::Missing(_)) && !rows.row(declared.row).each_port;
    let ports = if is_summed { row_ports(rows, declared.row) } else { port.clone() };
    let said = words::reason(rows, &result.verdict, &result.evidence);
    let (said, remark) =
        said.split_once("; ").map_or((said.as_str(), None), |(said, rest)| (said, Some(rest)));
    finding.message = format!("{source} → {destination} {ports}: {said}");
    finding.remarks.extend(remark.map(str::to_owned));
    let others: BTreeSet<usize> =
        result.evidence.among.iter().copied().filter(|cell| *cell != result.cell).collect();
    if !others.is_empty() && !matches!(result.verdict, Verdict::Missing(_)) {
        let of_rows = others.iter().map(|cell| rows.cells()[*cell].row).filter(|row| *row != declared.row);
        let of_rows: BTreeSet<usize> = of_rows.collect();
        let cells = words::among(rows, &others);
        finding.remarks.push(match of_rows.is_empty() {
            true => format!("cannot be told apart from {cells}"),
            false => format!("fits equally: {}", words::names(rows, &of_rows)),
        });
    }
    finding.cluster = declared.source.cluster().map(str::to_owned);
    finding.row = Some(Box::new(place(rows, declared.row)));
    finding.evidence = Some(Box::new(cell_evidence(&result.evidence)));
    (finding.source, finding.destination, finding.port) = (Some(source), Some(destination), Some(port));
}

fn row_ports(rows: &Rows, row: usize) -> String {
    rows.row(row).ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

fn of_flow(rows: &Rows, flow: UndeclaredFlow, finding: &mut Finding) {
    let (client, server) = (end(&flow.placement.client), end(&flow.placement.server));
    let port = format!("{}/{}", flow.port, flow.protocol);
    finding.message = format!("{} → {} {port}: {}", client.label, server.label, flow_words(&flow));
    let missing_end = match (flow.client == Outcomes::default(), flow.server == Outcomes::default()) {
        (true, _) => Some("seen at the listening end only: process unknown"),
        (_, true) => Some("seen at the connecting end only"),
        _ => None,
    };
    finding.remarks.extend(missing_end.map(str::to_owned));
    finding.remarks.extend(words::translations(&flow.translations));
    if flow.direction_unknown {
        finding.remarks.push("older than the audit: which end connected is not known".to_owned());
    }
    if flow.folded > 0 {
        let folded = wording::plural(flow.folded, words::noun(flow.is_udp()));
        finding.remarks.push(format!("{folded} folded while the rings were full: process not known"));
    }
    finding.cluster = client.cluster.clone();
    finding.source = Some(client.label.clone());
    finding.destination = Some(server.label.clone());
    finding.port = Some(port.clone());
    finding.flow = Some(Box::new(FlowDetail { client, server, port, workload: flow.workload.clone() }));
    finding.near_miss = flow.near_miss.as_ref().map(|near| Box::new(near_miss(rows, near)));
    finding.evidence = Some(Box::new(flow_evidence(flow)));
}

fn flow_words(flow: &UndeclaredFlow) -> String {
    let stood = wording::plural(flow.connections, words::noun(flow.is_udp()));
    match (flow.connections, flow.client.passed(), flow.client.unsuccessful()) {
        // Nobody here can say that unanswered datagrams were stopped.
        (0, 0, _) => format!("blocked: {}", words::failure_list(&flow.client)),
        (0, ..) => words::failure_list(&flow.client),
        (_, _, 0) if flow.client.unreplied == 0 => stood,
        _ => format!("{stood}, {}", words::failure_list(&flow.client)),
    }
}

fn flow_evidence(flow: UndeclaredFlow) -> Evidence {
    let (connected, accepted) = (flow.client.succeeded(), flow.server.succeeded());
    let (first_seen, last_seen) = moments(Some(flow.seen));
    Evidence {
        connections: flow.connections,
        connected,
        accepted,
        failures: words::failures(&flow.client),
        both_ends: flow.both_ends,
        behind_proxy: 0,
        legs: Vec::new(),
        translations: words::translations(&flow.translations),
        processes: flow.processes,
        nodes: flow.nodes,
        first_seen,
        last_seen,
    }
}

fn end(placed: &Placed) -> End {
    End {
        address: placed.address.to_string(),
        label: placed.label(),
        cluster: placed.cluster.clone(),
        node: placed.node.clone(),
    }
}

fn near_miss(rows: &Rows, near: &matching::NearMiss) -> NearMiss {
    let differs = match near.differs {
        Field::Port => "port",
        Field::Source => "source",
        Field::Destination => "destination",
        Field::Protocol => "protocol",
    };
    NearMiss {
        row: place(rows, rows.cells()[near.cell].row),
        differs: differs.to_owned(),
        declared: near.declared.clone(),
        found: near.found.clone(),
    }
}

fn of_exception(case: &Case<'_>, index: usize, finding: &mut Finding) {
    let Some(exceptions) = case.exceptions else { return };
    let exception = &exceptions.exceptions[index];
    let state = if finding.drift { "expired on" } else { "covers nothing that was seen; it expires on" };
    finding.message = format!(
        "exception {} of {} {state} {}: {}",
        exception.id, exception.owner, exception.expires, exception.reason
    );
    finding.row = Some(Box::new(RowPlace {
        id: exception.id.clone(),
        file: exceptions.file.clone(),
        line: exception.line,
        document: None,
    }));
}
