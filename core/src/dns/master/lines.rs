//! The lines of a zone file: comments are gone, and what stands in parentheses is one line.

use super::super::text::{BLANK, Word, take};
use super::malformed;
use crate::reason::Malformed;

/// One line with something on it.
pub(super) struct Line<'t> {
    /// The number of its first line in the file, from 1.
    pub(super) number: usize,
    /// Whether it begins with a blank: it goes on with the name before.
    pub(super) indented: bool,
    /// Its words; a line that cannot be read is the last one.
    pub(super) words: Result<Vec<Word<'t>>, Malformed>,
}

/// What has not been read yet.
pub(super) struct Lines<'t> {
    rest: &'t str,
    number: usize,
}

impl<'t> Lines<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { rest: text, number: 1 }
    }

    /// The words up to the end of the line, of several lines where there are parentheses.
    fn words(&mut self) -> Result<Vec<Word<'t>>, Malformed> {
        let (mut words, mut open) = (Vec::new(), false);
        loop {
            self.rest = self.rest.trim_start_matches(BLANK);
            let Some(first) = self.rest.chars().next() else {
                return if open { Err(malformed("a parenthesis is not closed")) } else { Ok(words) };
            };
            match first {
                '\n' => {
                    self.step();
                    self.number += 1;
                    if !open {
                        return Ok(words);
                    }
                }
                ';' => self.rest = self.rest.find('\n').and_then(|end| self.rest.get(end..)).unwrap_or_default(),
                '(' | ')' if open == (first == '(') => {
                    let why = if open { "a parenthesis stands in parentheses" } else { "a parenthesis is closed that is not open" };
                    return Err(malformed(why));
                }
                '(' | ')' => {
                    open = first == '(';
                    self.step();
                }
                _ => words.push(take(&mut self.rest)?),
            }
        }
    }

    /// Passes over one character of one byte.
    fn step(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }
}

impl<'t> Iterator for Lines<'t> {
    type Item = Line<'t>;

    fn next(&mut self) -> Option<Line<'t>> {
        while !self.rest.is_empty() {
            let (number, indented) = (self.number, self.rest.starts_with([' ', '\t']));
            let words = self.words();
            if words.is_err() {
                self.rest = "";
            }
            if words.as_ref().map_or(true, |words| !words.is_empty()) {
                return Some(Line { number, indented, words });
            }
        }
        None
    }
}
