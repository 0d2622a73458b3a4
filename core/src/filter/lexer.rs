//! The words of a filter.

use super::{MOST_BYTES, Operator};
use crate::reason::{Malformed, Reason, shown};

/// One word, and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) word: Word,
    pub(super) at: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    Open,
    Close,
    Dot,
    Minus,
    Operator(Operator),
    /// A bare word.
    Bare(String),
    /// Text in quotes.
    Quoted(String),
}

pub(super) fn malformed(text: &str, at: usize, why: &str) -> Malformed {
    let description = format!("`{}` is not a filter: at byte {at}, {why}", shown(text));
    Malformed::new(Reason::FilterMalformed, description)
}

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Malformed> {
    if text.len() > MOST_BYTES {
        return Err(malformed(text, MOST_BYTES, "it is too long"));
    }
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len();
        let (word, used) = word(text, rest, first)?;
        tokens.push(Token { word, at });
        rest = rest[used..].trim_start();
    }
    Ok(tokens)
}

fn word(text: &str, rest: &str, first: char) -> Result<(Word, usize), Malformed> {
    const OPERATORS: [(&str, Operator); 7] = [
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("=", Operator::Equal),
        ("<", Operator::Less),
        (">", Operator::Greater),
        (":", Operator::Has),
    ];
    if let Some((sign, operator)) = OPERATORS.iter().find(|(sign, _)| rest.starts_with(sign)) {
        return Ok((Word::Operator(*operator), sign.len()));
    }
    match first {
        '(' => Ok((Word::Open, 1)),
        ')' => Ok((Word::Close, 1)),
        '-' if !rest[1..].starts_with(|next: char| next.is_ascii_digit()) => Ok((Word::Minus, 1)),
        '.' => Ok((Word::Dot, 1)),
        '"' | '\'' => quoted(text, rest, first),
        _ => {
            let used = rest.find(|letter: char| letter.is_whitespace() || "()=!<>:\"'".contains(letter)).unwrap_or(rest.len());
            match used {
                0 => Err(malformed(text, text.len() - rest.len(), "there is a sign that means nothing here")),
                _ => Ok((Word::Bare(rest[..used].to_owned()), used)),
            }
        }
    }
}

fn quoted(text: &str, rest: &str, quote: char) -> Result<(Word, usize), Malformed> {
    let mut value = String::new();
    let mut letters = rest.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
            letter if letter == quote => return Ok((Word::Quoted(value), at + 1)),
            letter => value.push(letter),
        }
    }
    Err(malformed(text, text.len() - rest.len(), "a quote is not closed"))
}
