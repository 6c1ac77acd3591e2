//! Footnotes: marks at the end of cells, and the lines below a table that begin with them.

use super::table::Note;

/// The marks that typographers use, in their order; numbers stand in superscript or in brackets.
const MARKS: [char; 14] = ['*', '†', '‡', '§', '¶', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];

/// Splits a cell's text from the mark at its end, if there is one.
pub(super) fn split(text: &str) -> (&str, Option<&str>) {
    let text = text.trim_end();
    let bracket = text.rfind('[').filter(|place| *place > 0 && text.ends_with(']'));
    if let Some(place) = bracket.filter(|place| is_reference(&text[place + 1..text.len() - 1])) {
        return (text[..place].trim_end(), Some(&text[place..]));
    }
    // Pandoc's superscript.
    let raised = text.strip_suffix('^').and_then(|text| text.rfind('^'));
    if let Some(place) = raised.filter(|place| *place > 0) {
        return (text[..place].trim_end(), Some(&text[place..]));
    }
    let bare = text.trim_end_matches(MARKS);
    // A cell that is nothing but a star means "all", and so does one behind a dot or a slash.
    if bare.is_empty() || bare.len() == text.len() || bare.ends_with(['.', '/', ':']) {
        return (text, None);
    }
    (bare.trim_end(), Some(&text[bare.len()..]))
}

/// `[^note]` of Markdown, `[1]` of everybody; `[::1]` is none.
fn is_reference(inside: &str) -> bool {
    let is_number =
        !inside.is_empty() && inside.len() <= 2 && inside.bytes().all(|byte| byte.is_ascii_digit());
    is_number || (inside.starts_with('^') && inside.len() > 1)
}

/// A footnote that begins on this line.
pub(super) fn begins(line: &str) -> Option<Note> {
    let line = line.trim().trim_start_matches('\\');
    let referred = line.split_once(']').filter(|(mark, _)| mark.starts_with('[') && is_reference(&mark[1..]));
    if let Some((mark, text)) = referred {
        let text = text.trim_start_matches(':').trim().to_owned();
        return Some(Note { mark: format!("{mark}]"), text });
    }
    let text = line.trim_start_matches(MARKS);
    let mark = &line[..line.len() - text.len()];
    // `***` and the like are rules, and `**word**` is emphasis.
    let is_note = !mark.is_empty() && !text.trim().is_empty() && !text.contains(mark);
    is_note.then(|| Note { mark: mark.to_owned(), text: text.trim().to_owned() })
}

/// Whether a line goes on with the footnote above it: wrapped text, and neither a heading nor something new.
pub(super) fn goes_on(line: &str) -> bool {
    line.trim_start().starts_with(|letter: char| letter.is_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_taken_off_the_end() {
        assert_eq!(split("mysql_proxy*"), ("mysql_proxy", Some("*")));
        assert_eq!(split("MySQL authentication**"), ("MySQL authentication", Some("**")));
        assert_eq!(split("1024-65535† "), ("1024-65535", Some("†")));
        assert_eq!(split("443[^2]"), ("443", Some("[^2]")));
        assert_eq!(split("443 [1]"), ("443", Some("[1]")));
        assert_eq!(split("30^1^"), ("30", Some("^1^")));
        assert_eq!(split("[::1]"), ("[::1]", None));
        assert_eq!(split("*"), ("*", None));
        assert_eq!(split("192.0.2.*"), ("192.0.2.*", None));
        assert_eq!(split("443"), ("443", None));
    }

    #[test]
    fn notes_begin_with_their_mark() {
        let note = |line| begins(line).map(|note| (note.mark, note.text));
        assert_eq!(note("*Applies only here."), Some(("*".into(), "Applies only here.".into())));
        assert_eq!(note("** Native password."), Some(("**".into(), "Native password.".into())));
        assert_eq!(note("[^2]: by default"), Some(("[^2]".into(), "by default".into())));
        assert_eq!(note("**bold** text"), None);
        assert_eq!(note("* * *"), None);
        assert_eq!(note("text"), None);
    }
}
