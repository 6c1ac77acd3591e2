//! Bytes → text, and text without what the eye does not see.

use std::borrow::Cow;

/// The text of a document: UTF-8, or UTF-16 that says so by its mark or by its zeros. Where lines end with a CR alone, as
/// on old Macs, they end with LF here.
///
/// # Errors
///
/// What was found instead, and on which line.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, (u32, String)> {
    let text = match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [first, 0, ..] if *first != 0 => utf16(bytes, u16::from_le_bytes),
        [0, second, ..] if *second != 0 => utf16(bytes, u16::from_be_bytes),
        _ => utf8(bytes),
    }?;
    let is_old = text.contains('\r') && !text.contains('\n');
    Ok(if is_old { Cow::Owned(text.replace('\r', "\n")) } else { text })
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, (u32, String)> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = &bytes[..error.valid_up_to()];
        let found = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        let message = format!("found the byte 0x{found:02x}, expected text in UTF-8 or UTF-16");
        (line_after(valid), message)
    })?;
    match text.bytes().position(|byte| byte == 0) {
        Some(place) => Err((line_after(&bytes[..place]), "found a zero byte, expected text".to_owned())),
        None => Ok(Cow::Borrowed(text)),
    }
}

fn utf16(bytes: &[u8], read: fn([u8; 2]) -> u16) -> Result<Cow<'static, str>, (u32, String)> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(bytes.len() / 2);
    for unit in char::decode_utf16(pairs.iter().map(|pair| read(*pair))) {
        match unit {
            Ok('\0') | Err(_) => {
                let found = "found what is no text, expected text in UTF-16, as the document begins";
                return Err((line_after(text.as_bytes()), found.to_owned()));
            }
            Ok(letter) => text.push(letter),
        }
    }
    if rest.is_empty() {
        return Ok(Cow::Owned(text));
    }
    Err((line_after(text.as_bytes()), "ends within a letter of UTF-16".to_owned()))
}

fn line_after(bytes: &[u8]) -> u32 {
    let ends = bytes.iter().filter(|byte| **byte == b'\n').count();
    u32::try_from(ends + 1).unwrap_or(u32::MAX)
}

/// Lines with their numbers, from 1; a line ends with LF or CRLF.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (u32, &str)> {
    (1..).zip(text.lines())
}

/// A cell as a reader sees it: no marks of direction or of width, one space where there are several, no blank lines.
pub(super) fn clean(cell: &str) -> String {
    let mut cleaned = String::with_capacity(cell.len());
    for line in cell.split(['\n', '\r', '\u{2028}', '\u{2029}']) {
        let begins_at = cleaned.len();
        for word in line.split(|letter: char| letter.is_whitespace() || letter.is_control()) {
            let word = word.trim_matches(is_invisible);
            if word.is_empty() {
                continue;
            }
            if cleaned.len() > begins_at {
                cleaned.push(' ');
            } else if begins_at > 0 {
                cleaned.push('\n');
            }
            cleaned.extend(word.chars().filter(|letter| !is_invisible(*letter)));
        }
    }
    cleaned
}

/// The words of a text, in lower case.
pub(super) fn words(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// Whether a word stands in a list of words parted by spaces.
pub(super) fn is_one_of(word: &str, list: &str) -> bool {
    list.split(' ').any(|one| one == word)
}

/// Whether a cell says that there is nothing.
pub(super) fn is_blank(cell: &str) -> bool {
    matches!(
        cell.trim().to_lowercase().as_str(),
        "" | "-" | "–" | "—" | "n/a" | "na" | "none" | "not applicable"
    )
}

/// Marks of direction (Unicode UAX 9), joiners and the like, which make two names out of one.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{FE0F}' | '\u{AD}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_encodings_are_read() {
        let text = "Source,Destination\n";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let marked = |mark: &[u8], bytes: &[u8]| [mark, bytes].concat();
        for bytes in [
            text.as_bytes().to_vec(),
            marked(&[0xEF, 0xBB, 0xBF], text.as_bytes()),
            marked(&[0xFF, 0xFE], &little),
            marked(&[0xFE, 0xFF], &big),
            little,
            big,
        ] {
            assert_eq!(decode(&bytes).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_is_no_text_is_told_with_its_line() {
        let fault = |bytes: &[u8]| decode(bytes).expect_err("no text").0;
        assert_eq!(fault(b"one\ntwo \xFF"), 2);
        assert_eq!(fault(b"one\ntwo\nthree \0"), 3);
        assert_eq!(fault(&[0xFF, 0xFE, b'a', 0, b'\n', 0, b'b']), 2);
    }

    #[test]
    fn lines_end_in_three_ways() {
        for text in ["a\nb", "a\r\nb", "a\rb"] {
            let text = decode(text.as_bytes()).expect("text");
            assert_eq!(lines(&text).collect::<Vec<_>>(), [(1, "a"), (2, "b")], "{text:?}");
        }
    }

    #[test]
    fn what_the_eye_does_not_see_is_left_out() {
        assert_eq!(clean(" \u{202E}run\u{202C}\u{A0}\u{A0} cluster\u{200B} \n\n x "), "run cluster\nx");
        assert_eq!(clean(" \n "), "");
    }
}
