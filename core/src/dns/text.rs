//! Words as zone files have them (RFC 1035 §5.1): text between blanks or between quotes, with escapes.

use super::name::unescape;
use crate::reason::{Malformed, Reason, shown};

/// What stands between two words.
pub(super) const BLANK: [char; 3] = [' ', '\t', '\r'];

/// One word, its escapes as they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<'a> {
    /// The text, without the quotes.
    pub text: &'a str,
    /// Whether it stood in quotes: it is then text, never a name or a number.
    pub quoted: bool,
}

impl Word<'_> {
    /// The bytes that the word stands for; `None` when an escape is none.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let (mut bytes, mut rest) = (Vec::with_capacity(self.text.len()), self.text.as_bytes());
        while let Some((byte, after)) = rest.split_first() {
            rest = after;
            bytes.push(if *byte == b'\\' { unescape(&mut rest)? } else { *byte });
        }
        Some(bytes)
    }
}

/// The words of one line that is nothing else: no comment, no parentheses.
///
/// # Errors
/// [`Reason::RecordMalformed`].
pub fn words(text: &str) -> Result<Vec<Word<'_>>, Malformed> {
    let mut words = Vec::new();
    let mut rest = text.trim_start_matches(BLANK);
    while !rest.is_empty() {
        words.push(take(&mut rest)?);
        rest = rest.trim_start_matches(BLANK);
    }
    Ok(words)
}

/// Takes the word at the start of `rest`, which does not begin with a blank.
///
/// # Errors
/// [`Reason::RecordMalformed`] when quotes are not closed on the line, or `rest` begins with what only separates words.
pub(super) fn take<'a>(rest: &mut &'a str) -> Result<Word<'a>, Malformed> {
    let (body, quoted) = rest.strip_prefix('"').map_or((*rest, false), |body| (body, true));
    let mut escaped = false;
    let length = body.bytes().position(|byte| {
        let ends = byte == b'\n' || (!escaped && ends(byte, quoted));
        escaped = !escaped && byte == b'\\';
        ends
    });
    let (text, after) = body.split_at(length.unwrap_or(body.len()));
    match after.strip_prefix('"').filter(|_| quoted) {
        Some(after) => *rest = after,
        None if quoted => return Err(bad(rest, "the quotes are not closed on the line")),
        None if text.is_empty() => return Err(bad(rest, "comments, parentheses and line ends have no place here; quote the text")),
        None => *rest = after,
    }
    Ok(Word { text, quoted })
}

const fn ends(byte: u8, quoted: bool) -> bool {
    match byte {
        b'"' => true,
        b' ' | b'\t' | b'\r' | b'(' | b')' | b';' => !quoted,
        _ => false,
    }
}

fn bad(text: &str, why: &str) -> Malformed {
    Malformed::new(Reason::RecordMalformed, format!("at `{}`: {why}", shown(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<(String, bool)>> {
        let words = words(text).ok()?;
        words.iter().map(|word| Some((String::from_utf8_lossy(&word.bytes()?).into_owned(), word.quoted))).collect()
    }

    #[test]
    fn words_are_cut_at_blanks_and_quotes() {
        let plain = |text: &str| (text.to_owned(), false);
        let quoted = |text: &str| (text.to_owned(), true);
        assert_eq!(read("  10 \t mail.example.  ").unwrap(), [plain("10"), plain("mail.example.")]);
        assert_eq!(read(r#""a b" "" c"d;(e)""#).unwrap(), [quoted("a b"), quoted(""), plain("c"), quoted("d;(e)")]);
        assert_eq!(read(r#"a\ b \"c "d\"e\\" \065"#).unwrap(), [plain("a b"), plain("\"c"), quoted("d\"e\\"), plain("A")]);
        assert_eq!(read("").unwrap(), []);
    }

    #[test]
    fn what_is_no_word_is_refused() {
        for bad in ["\"open", "\"a\nb\"", "; comment", "a (", ") b", "\n", "a\\", "\\25", "\\999"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
