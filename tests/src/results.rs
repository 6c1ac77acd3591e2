//! The figures of line rate's acceptance, of the counts of instructions and of the curves, as Markdown and as a page.
//!
//! What was not measured is a dash: a page is made of whatever is there.

use std::{fmt::Write, fs, path::Path};

use indicatif::HumanCount;
use serde_json::Value;

/// What there is to show.
#[derive(Debug, Default)]
pub struct Results {
    /// What `accept-rate --json` wrote.
    pub acceptance: Value,
    /// What `cargo xtask bench` counted, by benchmark.
    pub instructions: Value,
    /// Criterion's medians.
    pub curves: Vec<Curve>,
}

/// One point of a curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What grows.
    pub group: String,
    /// How much there is of it.
    pub size: u64,
    /// Nanoseconds for each.
    pub each: f64,
}

impl Results {
    /// Of what, where, and whether at full counts.
    #[must_use]
    pub fn measured(&self) -> String {
        let word = |name: &str| self.acceptance[name].as_str().unwrap_or("nothing was measured");
        let scale = if self.acceptance["full"] == true { "full counts" } else { "reduced counts" };
        let build = if self.acceptance["optimised"] == true { "" } else { ", without optimisation" };
        format!("{} at {}, {scale}{build}.", word("machine"), word("commit"))
    }

    /// Why its figures may not be published.
    ///
    /// # Errors
    ///
    /// That they are reduced, of a debug build, or not all there.
    pub fn publishable(&self) -> Result<(), String> {
        if self.acceptance["full"] != true || self.acceptance["optimised"] != true {
            return Err(format!("{} `cargo xtask accept rate` measures in full", self.measured()));
        }
        let missing: Vec<&str> = ["1", "2", "3", "5", "6"]
            .into_iter()
            .filter(|line| self.figures(line)["error"].is_string() || self.figures(line).is_null())
            .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(format!("there are no figures of line {}", missing.join(", ")))
        }
    }

    /// Beside whom, by turns in one run: the table for those who only want to know that.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = "| | flowdrift | beside | times |\n|---|---:|---|---:|\n".to_owned();
        let mut row = |what: &str, ours: &str, beside: &str, times: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "| {what} | {ours} | {beside} | {times} |");
        };
        for seen in self.list("1") {
            let family = family(seen);
            let (rows, pairs) = (count(&seen["rows"]), count(&seen["pairs"]));
            let (beside, times) = peer(seen);
            row(
                &format!("tuples matched that were asked before, {family}, {rows} rows, {pairs} tuples"),
                &millions(&seen["warm"]),
                &beside,
                &times,
            );
        }
        for seen in self.list("3") {
            let what =
                format!("addresses looked up, {}, {} prefixes", family(seen), count(&seen["prefixes"]));
            let others: Vec<String> = others(&seen["per_second"]).collect();
            let times = factor(median(&seen["ratios"]));
            row(&what, &millions(&seen["per_second"]["flowdrift"]), &others.join(", "), &times);
        }
        let drain = self.figures("5");
        let ways = [
            ("epoll_for_each_record", "the kernel's ring buffer, one `epoll_wait` a record"),
            ("epoll_and_then_all", "the same, all that is there per wake-up, without verdicts"),
        ];
        for (beside, words) in ways.into_iter().filter(|_| drain.is_object()) {
            let beside = &drain[beside];
            row(
                "records drained and judged on one core, 0 lost",
                &millions(&drain["flowdrift"]["best"]),
                &format!("{}: {}", words, millions(&beside["best"])),
                &factor(beside["ratio"].as_f64()),
            );
        }
        let real = self.figures("6");
        if real.is_object() {
            row(
                "connections a second",
                &thousands(&real["with"]),
                &format!("without a watcher: {}", thousands(&real["without"])),
                &factor(quotient(&real["with"], &real["without"])),
            );
        }
        for tool in real["tools"].as_array().into_iter().flatten() {
            row(
                "connections a second",
                &thousands(&real["with"]),
                &format!("{}: {}", tool[0].as_str().unwrap_or_default(), thousands(&tool[1])),
                &factor(quotient(&real["with"], &tool[1])),
            );
        }
        text
    }

    /// All of it.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!("# flowdrift: line rate\n\n{}\n\n", self.measured());
        text += "Ratios were taken by turns in one run, and are the median of their rounds, as rates of records and connections \
            are; other speeds are those of the best round.\n\n";
        text += &self.table();
        self.add_look_ups(&mut text);
        self.add_filter_sets(&mut text);
        self.add_drain(&mut text);
        self.add_single_figures(&mut text);
        self.add_counts(&mut text);
        self.add_curves(&mut text);
        text
    }

    /// The page.
    #[must_use]
    pub fn page(&self) -> String {
        const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}\
            table{border-collapse:collapse;margin:1rem 0}th,td{border:1px solid #ccc;padding:.2rem .6rem}";
        let mut options = comrak::Options::default();
        options.extension.table = true;
        let body = comrak::markdown_to_html(&self.markdown(), &options);
        format!(
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>flowdrift: line rate</title>\n\
             <style>{STYLE}</style>\n{body}</html>\n"
        )
    }

    fn add_look_ups(&self, text: &mut String) {
        *text += "\n## Look-ups\n\nWarm: all were asked before, and what that needs is in the caches. Cold: in none. At first: \
            nothing is remembered, the rules are asked. Built: without what is worked out at first.\n\n\
            | family | rows | tuples | warm | cold | at first | built |\n|---|---:|---:|---:|---:|---:|---:|\n";
        for seen in self.list("1") {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} ms |",
                family(seen),
                count(&seen["rows"]),
                count(&seen["pairs"]),
                millions(&seen["warm"]),
                millions(&seen["cold"]),
                millions(&seen["first"]),
                seen["build"].as_f64().map_or(NONE.to_owned(), |seconds| format!("{:.1}", seconds * 1e3)),
            );
        }
    }

    fn add_filter_sets(&self, text: &mut String) {
        *text += "\n## ClassBench's filter sets\n\n\
            | set | filters | pairs | flowdrift | rte_acl | times | nftables' sets |\n|---|---:|---:|---:|---|---:|---|\n";
        for seen in self.list("2") {
            let (beside, times) = peer(seen);
            let sets = &seen["nftables"];
            let nftables = match sets["sets"].as_u64() {
                Some(number) => format!("{} ({number} sets)", millions(&sets["per_second"])),
                None => "too many sets".to_owned(),
            };
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {beside} | {times} | {nftables} |",
                seen["set"].as_str().unwrap_or(NONE),
                count(&seen["filters"]),
                count(&seen["pairs"]),
                millions(&seen["warm"]),
            );
        }
    }

    fn add_drain(&self, text: &mut String) {
        *text += "\n## From the rings to a verdict\n\n\
            | records a second | flowdrift | `epoll_wait` for each | aya as documented |\n|---:|---|---|---|\n";
        let drain = self.figures("5");
        let ways = ["flowdrift", "epoll_for_each_record", "epoll_and_then_all"];
        // Of the last round.
        let rounds = |way: &str| drain[way]["rounds"].as_array().and_then(|rounds| rounds.last()?.as_array());
        let steps = |way: &str| rounds(way).map_or(&[][..], |steps| steps);
        let longest = ways.iter().map(|way| steps(way)).max_by_key(|steps| steps.len()).unwrap_or_default();
        for step in longest {
            let cells = ways.map(|way| {
                let same = steps(way).iter().find(|other| other["rate"] == step["rate"]);
                same.map_or(NONE.to_owned(), |step| {
                    let cpu = step["cpu"]
                        .as_f64()
                        .map_or(NONE.to_owned(), |cpu| format!("{:.0} % of a core", cpu * 100.0));
                    let folded = step["folded"].as_u64().unwrap_or_default();
                    match step["lost"].as_u64() {
                        Some(0) if folded > 0 => format!("{cpu}, {} processes lost", count(&step["folded"])),
                        Some(0) if step["paced"] == false => format!("{cpu}, written slower than that"),
                        Some(0) => cpu,
                        _ => format!("{cpu}, {} lost", count(&step["lost"])),
                    }
                })
            });
            let _ = writeln!(text, "| {} | {} |", count(&step["rate"]), cells.join(" | "));
        }
    }

    fn add_single_figures(&self, text: &mut String) {
        *text += "\n## Further figures\n\n| | |\n|---|---|\n";
        let mut row = |what: &str, figure: String| {
            let _ = writeln!(text, "| {what} | {figure} |");
        };
        let (drain, real, recorded) = (self.figures("5"), self.figures("6"), self.figures("7"));
        let (memory, changes) = (self.figures("8"), self.figures("9"));
        let steady = &drain["steady"];
        row(
            "a million records a second",
            format!("{} of a core, {} lost", percent(&steady["cpu"]), count(&steady["lost"])),
        );
        row("the hooks' part of a connection's CPU time", percent(&real["share"]));
        row(
            "recorded connections judged from disk",
            format!(
                "{} in {} s, {}",
                count(&recorded["facts"]),
                number(&recorded["seconds"], 1),
                mebibytes(&recorded["memory"])
            ),
        );
        row("the matcher, 10,000 rows, IPv4", mebibytes(&memory["matcher"][0]));
        row("the matcher, 10,000 rows, IPv4 and IPv6", mebibytes(&memory["matcher"][1]));
        row("the audit with 100,000 live flows, 100 rows", mebibytes(&memory["audit"]["100"]));
        row("the audit with 100,000 live flows, 10,000 rows", mebibytes(&memory["audit"]["10000"]));
        let flood = &memory["flood"];
        row(
            "a flood of distinct flows",
            format!(
                "{}: {} lost, {}",
                count(&flood["flows"]),
                count(&flood["lost"]),
                mebibytes(&flood["memory"][1])
            ),
        );
        row(
            "speed that is left while 10,000 rows are exchanged ten times a second",
            percent(&changes["left"]),
        );
    }

    fn add_counts(&self, text: &mut String) {
        *text += "\n## Instructions\n\nOf 16,000 look-ups, or records.\n\n| | |\n|---|---:|\n";
        for (name, counted) in self.instructions.as_object().into_iter().flatten() {
            let _ = writeln!(text, "| {name} | {} |", count(counted));
        }
    }

    fn add_curves(&self, text: &mut String) {
        *text += "\n## Curves\n\nNanoseconds for one, by rows or by live flows; \
            [criterion's plots](../criterion/report/index.html).\n\n| | | |\n|---|---:|---:|\n";
        for Curve { group, size, each } in &self.curves {
            let _ = writeln!(text, "| {group} | {size} | {each:.1} |");
        }
    }

    fn figures(&self, line: &str) -> &Value {
        &self.acceptance["lines"][line]["figures"]
    }

    fn list(&self, line: &str) -> impl Iterator<Item = &Value> {
        self.figures(line).as_array().into_iter().flatten()
    }
}

/// What criterion left: the median of each benchmark that tells how many one pass works on, by group and size.
///
/// # Errors
///
/// When a folder cannot be read.
pub fn curves(criterion: &Path) -> std::io::Result<Vec<Curve>> {
    let read = |path: &Path| -> Option<Value> { serde_json::from_slice(&fs::read(path).ok()?).ok() };
    let mut curves = Vec::new();
    for group in fs::read_dir(criterion)? {
        for point in fs::read_dir(group?.path()).into_iter().flatten() {
            let newest = point?.path().join("new");
            let point = || {
                let (benchmark, estimates) =
                    (read(&newest.join("benchmark.json"))?, read(&newest.join("estimates.json"))?);
                let elements = benchmark["throughput"]["Elements"].as_f64()?;
                Some(Curve {
                    group: benchmark["group_id"].as_str()?.to_owned(),
                    size: benchmark["value_str"].as_str()?.parse().ok()?,
                    each: estimates["median"]["point_estimate"].as_f64()? / elements,
                })
            };
            curves.extend(point());
        }
    }
    curves.sort_by(|one, other| (&one.group, one.size).cmp(&(&other.group, other.size)));
    Ok(curves)
}

/// What was not measured.
const NONE: &str = "–";

fn family(seen: &Value) -> &'static str {
    if seen["v6"] == true { "IPv6" } else { "IPv4" }
}

/// rte_acl's best, and ours to it.
fn peer(seen: &Value) -> (String, String) {
    let peer = &seen["peer"];
    match peer["algorithm"].as_str() {
        Some(algorithm) => {
            let beside = format!("rte_acl ({algorithm}) {}", millions(&peer["per_second"]));
            (beside, factor(median(&peer["ratios"])))
        }
        None => (NONE.to_owned(), NONE.to_owned()),
    }
}

/// The other tables, the fastest first.
fn others(per_second: &Value) -> impl Iterator<Item = String> {
    let others = per_second.as_object().into_iter().flatten().filter(|(name, _)| *name != "flowdrift");
    let mut others: Vec<(&String, &Value)> = others.collect();
    others.sort_by(|(_, one), (_, other)| {
        other.as_f64().unwrap_or_default().total_cmp(&one.as_f64().unwrap_or_default())
    });
    others.into_iter().map(|(name, speed)| format!("{name} {}", millions(speed)))
}

/// Of ratios in their order.
fn median(ratios: &Value) -> Option<f64> {
    let ratios = ratios.as_array()?;
    ratios.get(ratios.len() / 2)?.as_f64()
}

fn quotient(one: &Value, other: &Value) -> Option<f64> {
    Some(one.as_f64()? / other.as_f64()?)
}

fn factor(factor: Option<f64>) -> String {
    factor.map_or(NONE.to_owned(), |factor| format!("{factor:.2}"))
}

fn number(value: &Value, digits: usize) -> String {
    value.as_f64().map_or(NONE.to_owned(), |number| format!("{number:.digits$}"))
}

fn millions(per_second: &Value) -> String {
    per_second.as_f64().map_or(NONE.to_owned(), |speed| match speed / 1e6 {
        few if few < 1.0 => format!("{few:.2} M/s"),
        many => format!("{many:.1} M/s"),
    })
}

fn thousands(value: &Value) -> String {
    value.as_f64().map_or(NONE.to_owned(), |number| HumanCount(number.round() as u64).to_string())
}

fn count(value: &Value) -> String {
    value.as_u64().map_or(NONE.to_owned(), |number| HumanCount(number).to_string())
}

fn percent(share: &Value) -> String {
    share.as_f64().map_or(NONE.to_owned(), |share| format!("{:.1} %", share * 100.0))
}

fn mebibytes(bytes: &Value) -> String {
    bytes.as_f64().map_or(NONE.to_owned(), |bytes| format!("{:.1} MiB", bytes / f64::from(1 << 20)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_measured_stands_beside_its_peer() {
        let lines = json!({
            "1": { "figures": [{
                "rows": 1000, "v6": false, "pairs": 1000000, "warm": 64.23e6,
                "peer": { "algorithm": "avx2", "per_second": 16e6, "ratios": [3.9, 4.0, 4.2] },
            }] },
            "5": { "figures": {
                "flowdrift": { "best": 1e7, "rounds": [[{ "rate": 1000000, "cpu": 0.12, "lost": 0, "paced": true }]] },
                "epoll_for_each_record": { "best": 1.5e6, "ratio": 6.67, "rounds": [[]] },
            } },
        });
        let acceptance = json!({ "full": true, "optimised": true, "machine": "a machine", "commit": "c0ffee", "lines": lines });
        let results = Results { acceptance, ..Results::default() };
        assert_eq!(results.measured(), "a machine at c0ffee, full counts.");
        assert_eq!(results.publishable(), Err("there are no figures of line 2, 3, 6".to_owned()));
        let table = results.table();
        assert!(table.contains(
            "| tuples matched that were asked before, IPv4, 1,000 rows, 1,000,000 tuples | 64.2 M/s | rte_acl (avx2) 16.0 M/s | 4.00 |"
        ), "{table}");
        assert!(table.contains("one `epoll_wait` a record: 1.5 M/s | 6.67 |"), "{table}");
        let all = results.markdown();
        assert!(all.contains("| 1,000,000 | 12 % of a core | – | – |"), "{all}");
        assert!(all.contains("| the matcher, 10,000 rows, IPv4 | – |"), "{all}");
        assert!(results.page().contains("<td align=\"right\">6.67</td>"), "{}", results.page());
    }
}
