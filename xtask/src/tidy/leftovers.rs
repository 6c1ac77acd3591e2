//! Nothing half-done: no bare `#[allow]`, and no marks of work put off.

use super::Fault;
use super::source::{Source, find};

pub(super) fn check(source: &Source) -> Vec<Fault> {
    let marks = find(&source.code, &["todo!", "unimplemented!"]).into_iter();
    let mut faults: Vec<_> =
        marks.map(|(line, mark)| Fault::new(&source.path, line, format!("{mark} is left over"))).collect();
    for (index, line) in source.code.lines().enumerate() {
        if line.contains("#[allow(") || line.contains("#![allow(") {
            let what = "use #[expect(…, reason = …)] for #[allow]";
            faults.push(Fault::new(&source.path, index + 1, what));
        }
    }
    faults
}

/// Marks in comments of any tracked text; spelt apart so that this file is not its own fault.
pub(super) fn check_comments(path: &str, text: &str) -> Vec<Fault> {
    let marks = [concat!("FIX", "ME"), concat!("XX", "X")];
    let found = find(text, &marks).into_iter();
    found.map(|(line, mark)| Fault::new(path, line, format!("{mark} is left over"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_put_off_is_a_fault() {
        let text = "#[allow(dead_code)]\nfn f() { todo!() }\n";
        assert_eq!(check(&Source::new("a.rs", text)).len(), 2);
        assert_eq!(check(&Source::new("a.rs", "#[expect(dead_code, reason = \"x\")]")), []);
    }

    #[test]
    fn a_mark_in_a_comment_is_a_fault() {
        assert_eq!(check_comments("a.rs", concat!("\n// FIX", "ME later")).len(), 1);
    }
}
