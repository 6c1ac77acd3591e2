//! What every `accept-…` programme does: arguments, the lines one after the other, their figures as JSON.

use std::{collections::BTreeMap, error::Error, process::ExitCode};

use super::Line;

/// `[--full] [--json PATH] [LINE…]`.
#[derive(Debug, Default)]
pub struct Arguments {
    /// At full counts; about a twentieth of them otherwise.
    pub full: bool,
    /// Where the figures go.
    pub json: Option<String>,
    /// Lines to run.
    pub lines: Vec<u8>,
}

/// Reads the arguments; all lines are run when none is named.
///
/// # Errors
///
/// What was found and what was expected.
pub fn arguments(lines: impl IntoIterator<Item = u8>) -> Result<Arguments, Box<dyn Error>> {
    let lines: Vec<u8> = lines.into_iter().collect();
    let mut parsed = Arguments::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--full" => parsed.full = true,
            "--json" => parsed.json = Some(words.next().ok_or("--json needs a path")?),
            line => match line.parse() {
                Ok(line) if lines.contains(&line) => parsed.lines.push(line),
                _ => return Err(format!("{line}: not one of the lines {lines:?}").into()),
            },
        }
    }
    if parsed.lines.is_empty() {
        parsed.lines = lines;
    }
    Ok(parsed)
}

/// Runs the lines and reports them; fails when one does.
///
/// # Errors
///
/// When the figures cannot be written.
pub fn report(arguments: &Arguments, run: impl Fn(u8) -> Line) -> Result<ExitCode, Box<dyn Error>> {
    let mut lines = BTreeMap::new();
    for number in &arguments.lines {
        println!("line {number}");
        lines.insert(number, run(*number));
    }
    let mut code = ExitCode::SUCCESS;
    for (number, line) in &lines {
        let result = match (&line.skipped, line.pass) {
            (Some(why), _) => format!("skipped: {why}"),
            (None, true) => "holds".to_owned(),
            (None, false) => "fails".to_owned(),
        };
        println!("line {number} ({}): {result}", line.what);
        if line.is_failure() {
            code = ExitCode::FAILURE;
        }
    }
    if let Some(path) = &arguments.json {
        let figures = serde_json::to_vec_pretty(&lines)?;
        std::fs::write(path, figures).map_err(|cause| format!("{path}: {cause}"))?;
    }
    Ok(code)
}
