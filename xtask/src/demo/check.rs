//! Holds a report's findings against the planted faults: exactly these, none missed and none invented.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::script::{PLANTED, Planted};

const SCHEMA: &str = "flowdrift.report/1";

/// The part of a report that the demo reads.
#[derive(Deserialize)]
struct Report {
    schema: String,
    findings: Vec<Finding>,
}

/// A finding, by what identifies it among the planted ones.
#[derive(Deserialize)]
struct Finding {
    kind: String,
    row: Option<Row>,
    /// The source's.
    cluster: Option<String>,
    /// The server's, with its transport.
    port: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    id: String,
}

/// Kind, row, the source's cluster, the server's port.
type Identity = (String, String, String, String);

/// An error that names every difference between `report` and the planted faults.
pub(super) fn check(report: &Path) -> Result<()> {
    let text = fs::read_to_string(report).with_context(|| format!("cannot read {}", report.display()))?;
    let report: Report = serde_json::from_str(&text).context("the report is not what the audit writes")?;
    ensure!(report.schema == SCHEMA, "the report has schema {}, not {SCHEMA}", report.schema);
    let differences = compare(&report, PLANTED);
    if !differences.is_empty() {
        bail!("the findings are not the planted ones:\n  {}", differences.join("\n  "));
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

fn identify(finding: &Finding) -> Identity {
    (
        finding.kind.clone(),
        finding.row.as_ref().map_or_else(|| "-".to_owned(), |row| row.id.clone()),
        finding.cluster.clone().unwrap_or_default(),
        finding.port.clone().unwrap_or_default(),
    )
}

fn identity_of_planted(planted: &Planted) -> Identity {
    let Planted { kind, row, cluster, port } = planted;
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
            row: (planted.row != "-").then(|| Row { id: planted.row.to_owned() }),
            cluster: Some(planted.cluster.to_owned()),
            port: Some(format!("{}/tcp", planted.port)),
        });
        Report { schema: SCHEMA.to_owned(), findings: findings.collect() }
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
}
