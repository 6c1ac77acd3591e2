//! One boot: the machine, and what its first process says over the serial line.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::kernel::Kernel;

/// No test is silent for so long, however slow the emulation.
const SILENCE: Duration = Duration::from_secs(300);

/// What `fdt-init` puts before what is for this task.
const MARK: &str = "::vm ";

/// What became of the tests.
#[derive(Default)]
pub(super) struct Outcome {
    /// With the status that each ended with.
    tests: Vec<(String, String)>,
    /// The baseline's file as the tests have left it.
    pub(super) baseline: Option<String>,
}

impl Outcome {
    pub(super) fn failed(&self) -> impl Iterator<Item = &str> {
        self.tests.iter().filter(|(_, status)| status != "0").map(|(test, _)| test.as_str())
    }

    pub(super) fn in_words(&self) -> String {
        let failed = self.failed().count();
        format!("{} test files passed, {failed} failed", self.tests.len() - failed)
    }
}

/// Emulation in one thread, whatever number of processors the machine sees. With a thread for each, QEMU before 8.1 may
/// run a translation of code that another processor has just patched ("accel/tcg: Always lock pages before
/// translation"): the kernel then dies of its own breakpoint (`Oops: int3`) wherever a tracepoint is attached while
/// another processor passes it, which is what these tests do all the time.
const EMULATION: &str = "tcg,thread=single";

/// Boots a kernel from an image and follows it to its end.
pub(super) fn boot(kernel: &Kernel, image: &Path, bless: bool) -> Result<Outcome> {
    let bless = if bless { " FLOWDRIFT_BLESS=1" } else { "" };
    let child = Command::new("qemu-system-x86_64")
        .args(["-accel", EMULATION, "-cpu", "max", "-smp", "2", "-m", "3G", "-nographic", "-no-reboot"])
        .args(["-nic", "none", "-kernel"])
        .arg(kernel.image())
        .arg("-initrd")
        .arg(image)
        // Unknown words with a value become the first process's environment (init/main.c).
        .args(["-append", &format!("console=ttyS0 panic=-1 quiet CI=true{bless}")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start qemu-system-x86_64")?;
    let mut machine = Machine(child);
    let lines = machine.lines()?;
    let outcome = follow(&lines, kernel.series())?;
    machine.0.wait()?;
    Ok(outcome)
}

struct Machine(Child);

impl Machine {
    fn lines(&mut self) -> Result<mpsc::Receiver<String>> {
        let output = self.0.stdout.take().context("it is piped")?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = Vec::new();
            while output.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                if sender.send(text).is_err() {
                    return;
                }
            }
        });
        Ok(lines)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It has ended by itself, unless something went wrong.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Another machine may speak at the same time: each line says whose it is.
fn follow(lines: &mpsc::Receiver<String>, series: &str) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    // Of the test file that is running.
    let mut passed = 0;
    let mut shown: Option<Vec<String>> = None;
    loop {
        let line = match lines.recv_timeout(SILENCE) {
            Ok(line) => line,
            Err(mpsc::RecvTimeoutError::Timeout) => bail!("the machine was silent for {SILENCE:?}"),
            Err(mpsc::RecvTimeoutError::Disconnected) => bail!("the machine ended before its tests did"),
        };
        passed = passed_by(&line).unwrap_or(passed);
        let Some(said) = line.split_once(MARK).map(|(_, said)| said) else {
            match &mut shown {
                Some(shown) => shown.push(line),
                None => println!("{series}: {line}"),
            }
            continue;
        };
        let words: Vec<&str> = said.split_whitespace().collect();
        match words.as_slice() {
            ["ended", test, status] => {
                // A filter that nothing matches is no success.
                let status = if *status == "0" && passed == 0 { "no test was run" } else { *status };
                outcome.tests.push(((*test).to_owned(), status.to_owned()));
                passed = 0;
            }
            ["show"] => shown = Some(Vec::new()),
            ["shown"] => outcome.baseline = shown.take().map(|lines| lines.join("\n") + "\n"),
            ["fault", ..] => bail!("the machine could not go on: {said}"),
            ["done"] => {
                ensure!(!outcome.tests.is_empty(), "the machine ran no test");
                return Ok(outcome);
            }
            _ => println!("{series}: {said}"),
        }
    }
}

/// How many tests passed, by libtest's last line.
fn passed_by(line: &str) -> Option<u64> {
    line.strip_prefix("test result: ")?.split_once(". ")?.1.split_once(" passed")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(lines: &[&str]) -> Result<Outcome> {
        let (sender, receiver) = mpsc::channel();
        lines.iter().for_each(|line| sender.send((*line).to_owned()).expect("it is open"));
        drop(sender);
        follow(&receiver, "6.1")
    }

    #[test]
    fn a_file_without_a_test_and_a_fault_are_no_success() {
        let ok = "test result: ok. 3 passed; 0 failed; 0 ignored";
        let none = "test result: ok. 0 passed; 0 failed; 0 ignored";
        let both = outcome(&[ok, "::vm ended first 0", none, "::vm ended second 0", "::vm done"]);
        assert_eq!(both.expect("it ended").failed().collect::<Vec<_>>(), ["second"]);
        let bad = outcome(&[ok, "::vm ended first 101", "::vm done"]).expect("it ended");
        assert_eq!(bad.failed().count(), 1);
        assert!(
            outcome(&[ok, "::vm ended first 0", "::vm fault /script: no such file", "::vm done"]).is_err()
        );
        assert!(outcome(&["::vm done"]).is_err());
        assert!(outcome(&[ok, "::vm ended first 0"]).is_err(), "it ended before it was done");
    }
}
