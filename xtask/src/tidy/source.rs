//! The tracked files, and Rust code as text without its comments, strings and tests.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::process;

/// Every file that the repository keeps or is about to.
pub(super) struct Tree {
    pub(super) paths: Vec<String>,
    /// Paths and contents of those that are UTF-8.
    pub(super) texts: Vec<(String, String)>,
    pub(super) sources: Vec<Source>,
}

impl Tree {
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut list = Command::new("git");
        list.current_dir(root).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
        let mut paths: Vec<_> = process::read(&mut list)?.lines().map(str::to_owned).collect();
        // A file that was deleted and not committed yet is still listed.
        paths.retain(|path| root.join(path).is_file());
        let text = |path: &String| Some((path.clone(), fs::read_to_string(root.join(path)).ok()?));
        let texts: Vec<_> = paths.iter().filter_map(text).collect();
        let rust = texts.iter().filter(|(path, _)| path.ends_with(".rs"));
        let sources = rust.map(|(path, text)| Source::new(path, text)).collect();
        Ok(Self { paths, texts, sources })
    }
}

/// One Rust file. Lines keep their numbers: what is taken out leaves blanks.
pub(super) struct Source {
    pub(super) path: String,
    /// Code and test code, without comments and strings.
    pub(super) code: String,
    /// The same without test modules.
    pub(super) shipped: String,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let code = code_of(text);
        let is_test = path.split('/').any(|part| part == "tests" || part == "tests.rs");
        let shipped = if is_test { String::new() } else { without_tests(&code) };
        Self { path: path.to_owned(), code, shipped }
    }

    /// The room of probe-user/src that the file belongs to; `None` for the crate's root files and elsewhere.
    pub(super) fn room(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("probe-user/src/")?;
        let room = inside.split('/').next()?;
        let room = room.strip_suffix(".rs").unwrap_or(room);
        (room != "lib" && room != "main").then_some(room)
    }
}

/// Each line that holds one of `needles` as a whole word, with its number and the needle.
pub(super) fn find<'needle>(code: &str, needles: &[&'needle str]) -> Vec<(usize, &'needle str)> {
    let numbered = code.lines().enumerate();
    numbered
        .flat_map(|(index, line)| {
            let present = needles.iter().filter(move |needle| has_word(line, needle));
            present.map(move |needle| (index + 1, *needle))
        })
        .collect()
}

/// Whether `needle` stands in `line` and is not the end of a longer name, nor (if it ends in a letter) the
/// beginning of one.
fn has_word(line: &str, needle: &str) -> bool {
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    line.match_indices(needle).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + needle.len()..].chars().next();
        let open_end = needle.ends_with(is_name) && after.is_some_and(is_name);
        !before.is_some_and(is_name) && !open_end
    })
}

/// Blanks comments, strings and character literals.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let skipped = opaque_length(rest, code.chars().next_back());
        let length = if skipped == 0 { letter.len_utf8() } else { skipped };
        let (piece, next) = rest.split_at(length);
        if skipped == 0 {
            code.push_str(piece);
        } else {
            code.extend(piece.chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }));
        }
        rest = next;
    }
    code
}

/// Length of the comment or literal that `rest` begins with, 0 if it begins with code.
fn opaque_length(rest: &str, before: Option<char>) -> usize {
    let to = |end: Option<usize>| end.unwrap_or(rest.len());
    if rest.starts_with("//") {
        return to(rest.find('\n'));
    }
    if rest.starts_with("/*") {
        return to(rest.find("*/").map(|end| end + 2));
    }
    let in_name = before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    if rest.starts_with('r') && !in_name {
        return raw_length(rest);
    }
    match rest.as_bytes()[0] {
        b'"' => quoted_length(rest, b'"'),
        // A lifetime has no closing quote after one character.
        b'\'' if rest[1..].starts_with('\\') || rest.chars().nth(2) == Some('\'') => {
            quoted_length(rest, b'\'')
        }
        _ => 0,
    }
}

fn quoted_length(rest: &str, quote: u8) -> usize {
    let mut escaped = false;
    for (index, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            _ if byte == quote => return index + 1,
            _ => {}
        }
    }
    rest.len()
}

fn raw_length(rest: &str) -> usize {
    let hashes = rest[1..].bytes().take_while(|byte| *byte == b'#').count();
    if rest.as_bytes().get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let start = 2 + hashes;
    rest[start..].find(&end).map_or(rest.len(), |found| start + found + end.len())
}

/// Blanks the items under `#[cfg(test)]`, to the brace that closes them.
fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(start) = rest.find("#[cfg(test)]") {
        let (before, item) = rest.split_at(start);
        let (item, after) = item.split_at(item_length(item));
        kept.push_str(before);
        kept.extend(item.chars().filter(|letter| *letter == '\n'));
        rest = after;
    }
    kept + rest
}

fn item_length(item: &str) -> usize {
    let mut depth = 0_usize;
    for (index, byte) in item.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth <= 1 => return index + 1,
            b'}' => depth -= 1,
            b';' if depth == 0 => return index + 1,
            _ => {}
        }
    }
    item.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_no_code() {
        let text =
            "let a = \"unsafe \\\" x\"; // unsafe\nlet b = r#\"unsafe\"#; /* unsafe */ let c = '\"';\nend";
        assert!(!code_of(text).contains("unsafe"));
        assert_eq!(find(&code_of(text), &["end"]), [(3, "end")]);
    }

    #[test]
    fn lifetimes_do_not_begin_a_literal() {
        assert!(code_of("fn f<'a>(x: &'a str) { unsafe_call(x) }").contains("unsafe_call"));
    }

    #[test]
    fn test_modules_are_not_shipped() {
        let source =
            Source::new("x.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() { {} }\n}\nfn c() {}");
        assert!(!source.shipped.contains("fn b"));
        assert_eq!(find(&source.shipped, &["c"]), [(6, "c")]);
    }

    #[test]
    fn a_word_is_not_found_inside_a_name() {
        assert_eq!(find("my_unsafe unsafe_code", &["unsafe"]), []);
    }
}
