//! Holds a report's findings against the planted faults: exactly these, none missed and none invented.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::script::{FORESEEN, Foreseen, PLANTED, Planted};

const SCHEMA: &str = "flowdrift.report/1";

/// The part of a report that the demo reads.
#[derive(Deserialize)]
struct Report {
    schema: String,
    findings: Vec<Finding>,
    rows: Vec<Row>,
}

/// A finding, by what identifies it among the planted ones.
#[derive(Deserialize)]
struct Finding {
    kind: String,
    row: Option<Place>,
    /// The source's.
    cluster: Option<String>,
    /// The server's, with its transport.
    port: Option<String>,
    near_miss: Option<NearMiss>,
}

#[derive(Deserialize)]
struct Place {
    id: String,
}

#[derive(Deserialize)]
struct NearMiss {
    differs: String,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    cells: Vec<Cell>,
}

#[derive(Deserialize)]
struct Cell {
    source: String,
    port: String,
    verdict: String,
}

/// Kind, row, the source's cluster, the server's port.
type Identity = (String, String, String, String);

/// An error that names every difference between `report` and the planted faults.
pub(super) fn check(report: &Path) -> Result<()> {
    let text = fs::read_to_string(report).with_context(|| format!("cannot read {}", report.display()))?;
    let report: Report = serde_json::from_str(&text).context("the report is not what the audit writes")?;
    ensure!(report.schema == SCHEMA, "the report has schema {}, not {SCHEMA}", report.schema);
    let mut differences = compare(&report, PLANTED);
    differences.extend(PLANTED.iter().filter_map(|planted| wrong_neighbour(&report, planted)));
    differences.extend(FORESEEN.iter().filter_map(|foreseen| wrong_verdict(&report, foreseen)));
    if !differences.is_empty() {
        bail!("the report is not the foreseen one:\n  {}", differences.join("\n  "));
    }
    println!("the {} findings are exactly the planted ones", report.findings.len());
    Ok(())
}

fn compare(report: &Report, planted: &[Planted]) -> Vec<String> {
    let found: Vec<_> = report.findings.iter().map(identify).collect();
    let expected: BTreeSet<_> = planted.iter().map(identity_of_planted).collect();
    let distinct: BTreeSet<_> = found.iter().cloned().collect();
    let mut differences = Vec::new();
    differences.extend(expected.difference(&distinct).map(|identity| describe("not found", identity)));
    differences.extend(distinct.difference(&expected).map(|identity| describe("not planted", identity)));
    if found.len() != distinct.len() {
        differences.push(format!("{} findings, {} distinct", found.len(), distinct.len()));
    }
    differences
}

/// The nearest row must be named, and the field in which it differs.
fn wrong_neighbour(report: &Report, planted: &Planted) -> Option<String> {
    let wanted = planted.near_miss?;
    let identity = identity_of_planted(planted);
    let finding = report.findings.iter().find(|finding| identify(finding) == identity)?;
    let found = finding.near_miss.as_ref().map_or("nothing", |near_miss| &near_miss.differs);
    (found != wanted).then(|| describe(&format!("nearest row differs in {found}, not {wanted}"), &identity))
}

fn wrong_verdict(report: &Report, foreseen: &Foreseen) -> Option<String> {
    let Foreseen { row, source, port, verdict } = foreseen;
    let cells = report.rows.iter().filter(|candidate| candidate.id == *row).flat_map(|row| &row.cells);
    let cell = cells.into_iter().find(|cell| cell.source == *source && cell.port == *port);
    let found = cell.map_or("absent", |cell| &cell.verdict);
    (found != *verdict).then(|| format!("row {row}, from {source}, port {port} is {found}, not {verdict}"))
}

fn identify(finding: &Finding) -> Identity {
    (
        finding.kind.clone(),
        finding.row.as_ref().map_or_else(|| "-".to_owned(), |row| row.id.clone()),
        finding.cluster.clone().unwrap_or_default(),
        finding.port.clone().unwrap_or_default(),
    )
}

fn identity_of_planted(planted: &Planted) -> Identity {
    let Planted { kind, row, cluster, port, near_miss: _ } = planted;
    ((*kind).to_owned(), (*row).to_owned(), (*cluster).to_owned(), format!("{port}/tcp"))
}

fn describe(what: &str, (kind, row, cluster, port): &Identity) -> String {
    format!("{what}: {kind}, row {row}, from {cluster}, port {port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report_of(planted: &[Planted]) -> Report {
        let findings = planted.iter().map(|planted| Finding {
            kind: planted.kind.to_owned(),
            row: (planted.row != "-").then(|| Place { id: planted.row.to_owned() }),
            cluster: Some(planted.cluster.to_owned()),
            port: Some(format!("{}/tcp", planted.port)),
            near_miss: planted.near_miss.map(|differs| NearMiss { differs: differs.to_owned() }),
        });
        Report { schema: SCHEMA.to_owned(), findings: findings.collect(), rows: Vec::new() }
    }

    #[test]
    fn the_planted_findings_pass() {
        assert_eq!(compare(&report_of(PLANTED), PLANTED), Vec::<String>::new());
    }

    #[test]
    fn a_finding_that_is_absent_is_named() {
        let differences = compare(&report_of(&PLANTED[1..]), PLANTED);
        assert_eq!(differences, ["not found: undeclared, row -, from run, port 4444/tcp"]);
    }

    #[test]
    fn a_finding_that_nobody_planted_is_named() {
        let differences = compare(&report_of(PLANTED), &PLANTED[..PLANTED.len() - 1]);
        assert_eq!(
            differences,
            ["not planted: missing, row pinniped-concierge-to-supervisor, from view, port 443/tcp"]
        );
    }

    #[test]
    fn a_finding_told_twice_is_a_difference() {
        let twice = [PLANTED, &PLANTED[..1]].concat();
        assert_eq!(compare(&report_of(&twice), PLANTED).len(), 1);
    }

    #[test]
    fn the_wrong_nearest_row_is_named() {
        let mut report = report_of(PLANTED);
        report.findings[1].near_miss = None;
        let wrong: Vec<_> = PLANTED.iter().filter_map(|planted| wrong_neighbour(&report, planted)).collect();
        assert_eq!(
            wrong,
            ["nearest row differs in nothing, not source: undeclared, row -, from build, port 5432/tcp"]
        );
    }

    #[test]
    fn a_cell_with_another_verdict_is_named() {
        let mut report = report_of(PLANTED);
        let [source, port, verdict] = ["run", "443/tcp", "observed"].map(str::to_owned);
        report.rows.push(Row {
            id: "api-auto-registration".to_owned(),
            cells: vec![Cell { source, port, verdict }],
        });
        let wrong = FORESEEN.iter().find_map(|foreseen| {
            (foreseen.row == "api-auto-registration").then(|| wrong_verdict(&report, foreseen)).flatten()
        });
        assert_eq!(
            wrong.as_deref(),
            Some("row api-auto-registration, from run, port 443/tcp is observed, not shared")
        );
    }
}
