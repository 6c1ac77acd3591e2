//! Hostile strings stay strings: process names, table cells and names are escaped once, at the edge of a
//! renderer (invariant 10).

use std::borrow::Cow;

/// For a terminal or a text file: control characters, those that change the direction of writing, and those at which a
/// reader may begin a new line (YAML 1.1, 4.2) become `\u{…}`.
pub fn text(words: &str) -> Cow<'_, str> {
    let is_hostile = |character: char| {
        character.is_control()
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    if !words.contains(is_hostile) {
        return Cow::Borrowed(words);
    }
    let escaped = words.chars().flat_map(|character| {
        let plain = (!is_hostile(character)).then_some(character);
        plain.into_iter().chain(plain.is_none().then(|| character.escape_unicode()).into_iter().flatten())
    });
    Cow::Owned(escaped.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_sequences_and_direction_marks_are_shown_not_obeyed() {
        assert_eq!(text("sh\u{1b}[2Jx\n"), "sh\\u{1b}[2Jx\\u{a}");
        assert_eq!(text("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(text("a\u{85}\u{2028}\u{2029}b"), "a\\u{85}\\u{2028}\\u{2029}b");
        assert!(matches!(text("käse 日本 curl"), Cow::Borrowed(_)));
    }
}
