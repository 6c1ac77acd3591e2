//! What a ports' cell is made of.

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Number(String),
    Word(String),
    /// Text in brackets.
    Remark(String),
    /// A range's sign.
    Dash,
    Slash,
    Colon,
    /// `>`, `<` and their like: whether it is above, and whether the port itself is among them.
    Compare(bool, bool),
    Plus,
    Star,
    Comma,
    Line,
    /// A sign that means nothing here.
    Odd(char),
}

pub(super) fn tokens(cell: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = cell;
    while let Some(letter) = rest.chars().next() {
        let word = |is: fn(char) -> bool| rest.find(|letter: char| !is(letter)).unwrap_or(rest.len());
        let length = match letter {
            _ if letter.is_ascii_digit() => word(|letter| letter.is_ascii_digit()),
            _ if letter.is_alphabetic() => word(|letter| letter.is_alphanumeric() || letter == '_'),
            '(' | '[' => rest.find([')', ']']).map_or(rest.len(), |end| end + 1),
            '.' if rest.starts_with("..") => word(|letter| letter == '.'),
            '>' | '<' if rest[1..].starts_with('=') => 2,
            _ => letter.len_utf8(),
        };
        let (text, after) = rest.split_at(length);
        rest = after;
        tokens.push(match letter {
            _ if letter.is_ascii_digit() => Token::Number(text.to_owned()),
            _ if letter.is_alphabetic() => named(text),
            '(' | '[' => Token::Remark(text.trim_matches(['(', ')', '[', ']']).trim().to_owned()),
            '-' | '–' | '—' | '−' | '‐' | '‑' => Token::Dash,
            '.' if length == 2 => Token::Dash,
            '/' => Token::Slash,
            ':' => Token::Colon,
            '>' => Token::Compare(true, length == 2),
            '<' => Token::Compare(false, length == 2),
            '≥' => Token::Compare(true, true),
            '≤' => Token::Compare(false, true),
            '+' => Token::Plus,
            '*' => Token::Star,
            ',' | ';' | '&' | '|' => Token::Comma,
            '\n' => Token::Line,
            _ if letter.is_whitespace() => continue,
            _ => Token::Odd(letter),
        });
    }
    tokens
}

fn named(text: &str) -> Token {
    match text.to_lowercase().as_str() {
        "to" | "through" | "thru" | "bis" | "until" => Token::Dash,
        "and" | "or" => Token::Comma,
        word => Token::Word(word.to_owned()),
    }
}

/// A cell as it is meant where programmes and habits write otherwise: `tcp_443`, a full stop at the end, `443.0`, as a
/// spreadsheet's numbers come out of some programmes, and `10,000`, which can be no list.
pub(super) fn tidied(cell: &str) -> String {
    let cell = cell.trim().trim_end_matches('.');
    let cell = ["tcp_", "udp_", "TCP_", "UDP_"]
        .iter()
        .fold(cell.to_owned(), |cell, prefix| cell.replace(prefix, &prefix.replace('_', "/")));
    let part = |part: &str| {
        let trimmed = part.trim();
        let whole =
            trimmed.strip_suffix(".0").filter(|whole| whole.bytes().all(|byte| byte.is_ascii_digit()));
        whole.filter(|whole| !whole.is_empty()).map_or_else(|| part.to_owned(), str::to_owned)
    };
    let is_one = |before: &str, after: &str| {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number(before)
            && before.len() <= 2
            && after.len() == 3
            && is_number(after)
            && after.starts_with('0')
    };
    match cell.split_once(',') {
        Some((before, after)) if is_one(before, after) => format!("{before}{after}"),
        _ => cell.split(',').map(part).collect::<Vec<_>>().join(","),
    }
}
