//! From text to an expression, or to the place where it is none.

use std::{collections::BTreeSet, fmt};

use super::{Comparison, Expression};

/// Deeper parentheses than this are nobody's: the stack is finite.
const DEEPEST: usize = 64;

/// The longest key (`LabelKeyMatcher` in Calico's tokenizer).
const LONGEST_KEY: usize = 512;

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unparsable {
    /// Place of the character, from 1.
    pub character: usize,
    /// What is there.
    pub found: String,
    /// What could be.
    pub expected: &'static str,
}

impl fmt::Display for Unparsable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { character, found, expected } = self;
        write!(formatter, "character {character}: found {found}, expected {expected}")
    }
}

impl std::error::Error for Unparsable {}

pub(super) fn parse(text: &str) -> Result<Expression, Unparsable> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    if parser.rest().is_empty() {
        return Ok(Expression::All);
    }
    let found = parser.alternatives()?;
    if parser.rest().is_empty() { Ok(found) } else { parser.fault("`&&`, `||` or the end") }
}

/// Whether a selector can name it.
pub(super) fn is_key(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_KEY && text.bytes().all(is_of_key)
}

fn is_of_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_./-".contains(&byte)
}

struct Parser<'t> {
    text: &'t str,
    /// Bytes that are read.
    at: usize,
    depth: usize,
}

impl<'t> Parser<'t> {
    /// What comes next; only blanks and tabs may stand between.
    fn rest(&mut self) -> &'t str {
        let rest = self.text[self.at..].trim_start_matches([' ', '\t']);
        self.at = self.text.len() - rest.len();
        rest
    }

    fn take(&mut self, word: &str) -> bool {
        let is_there = self.rest().starts_with(word);
        self.at += if is_there { word.len() } else { 0 };
        is_there
    }

    fn expect(&mut self, word: &str, expected: &'static str) -> Result<(), Unparsable> {
        if self.take(word) { Ok(()) } else { self.fault(expected) }
    }

    fn fault<T>(&mut self, expected: &'static str) -> Result<T, Unparsable> {
        let rest = self.rest();
        let word =
            rest.len() - rest.trim_start_matches(|one: char| one.is_ascii() && is_of_key(one as u8)).len();
        let found = match rest.chars().next() {
            None => "the end".to_owned(),
            Some(_) if word > 0 => format!("`{}`", &rest[..word]),
            Some(one) => format!("`{one}`"),
        };
        Err(Unparsable { character: self.text[..self.at].chars().count() + 1, found, expected })
    }

    fn alternatives(&mut self) -> Result<Expression, Unparsable> {
        let mut parts = vec![self.conjunction()?];
        while self.take("||") {
            parts.push(self.conjunction()?);
        }
        Ok(one_or(parts, Expression::Or))
    }

    fn conjunction(&mut self) -> Result<Expression, Unparsable> {
        let mut parts = vec![self.operation()?];
        while self.take("&&") {
            parts.push(self.operation()?);
        }
        Ok(one_or(parts, Expression::And))
    }

    fn operation(&mut self) -> Result<Expression, Unparsable> {
        let mut is_negated = false;
        while self.take("!") {
            is_negated = !is_negated;
        }
        let found = self.term()?;
        Ok(if is_negated { Expression::Not(Box::new(found)) } else { found })
    }

    fn term(&mut self) -> Result<Expression, Unparsable> {
        if self.take("(") {
            if self.depth == DEEPEST {
                return self.fault("no more than 64 parentheses within each other");
            }
            self.depth += 1;
            let found = self.alternatives()?;
            self.depth -= 1;
            self.expect(")", "`&&`, `||` or `)`")?;
            return Ok(found);
        }
        // A key may begin with these words, too: only with its parenthesis it is the function.
        for (word, found) in [("all(", Expression::All), ("global(", Expression::Global)] {
            if self.take(word) {
                self.expect(")", "`)`")?;
                return Ok(found);
            }
        }
        if self.take("has(") {
            let key = self.key("the key of a label")?;
            self.expect(")", "`)`")?;
            return Ok(Expression::Has(key));
        }
        let key = self.key("the key of a label, has(…), all(), global(), `!` or `(`")?;
        self.comparison(key)
    }

    fn key(&mut self, expected: &'static str) -> Result<String, Unparsable> {
        let rest = self.rest();
        let length = rest.bytes().take_while(|byte| is_of_key(*byte)).count();
        if length == 0 || length > LONGEST_KEY {
            return self.fault(expected);
        }
        self.at += length;
        Ok(rest[..length].to_owned())
    }

    fn comparison(&mut self, key: String) -> Result<Expression, Unparsable> {
        for (word, comparison) in
            [("==", Comparison::Equals), ("!=", Comparison::Differs), ("contains", Comparison::Contains)]
        {
            if self.take(word) {
                return Ok(Expression::Compare(key, comparison, self.string()?));
            }
        }
        for (word, comparison) in [("starts", Comparison::StartsWith), ("ends", Comparison::EndsWith)] {
            if self.take(word) {
                self.expect("with", "`with`")?;
                return Ok(Expression::Compare(key, comparison, self.string()?));
            }
        }
        let is_negated = self.take("not");
        let expected = if is_negated { "`in`" } else { OPERATORS };
        self.expect("in", expected)?;
        let found = Expression::In(key, self.set()?);
        Ok(if is_negated { Expression::Not(Box::new(found)) } else { found })
    }

    fn string(&mut self) -> Result<String, Unparsable> {
        let rest = self.rest();
        let Some(quote) = rest.chars().next().filter(|one| ['\'', '"'].contains(one)) else {
            return self.fault("a string in quotation marks");
        };
        let Some(length) = rest[1..].find(quote) else {
            self.at = self.text.len();
            return self.fault("the quotation mark that ends the string");
        };
        self.at += length + 2;
        Ok(rest[1..=length].to_owned())
    }

    /// It may be empty, and end with a comma.
    fn set(&mut self) -> Result<BTreeSet<String>, Unparsable> {
        self.expect("{", "`{`")?;
        let mut values = BTreeSet::new();
        while !self.take("}") {
            values.insert(self.string()?);
            if !self.take(",") {
                self.expect("}", "`,` or `}`")?;
                break;
            }
        }
        Ok(values)
    }
}

const OPERATORS: &str = "`==`, `!=`, `in`, `not in`, `contains`, `starts with` or `ends with`";

fn one_or(mut parts: Vec<Expression>, all: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => all(parts.into_iter().chain(last).collect()),
    }
}
