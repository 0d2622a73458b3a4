//! From words to an expression, by recursive descent with a bound on depth.

use super::Expression;
use super::lexer::{Token, Word, malformed, tokens};
use crate::reason::{Malformed, shown};

/// The deepest nesting of parentheses and negations.
const MOST_DEPTH: usize = 20;

pub(super) fn parse(text: &str, known: &[&str]) -> Result<Option<Expression>, Malformed> {
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Ok(None);
    }
    let mut parser = Parser { text, known, tokens: &tokens, at: 0 };
    let expression = parser.sequence(0)?;
    match parser.peek() {
        None => Ok(Some(expression)),
        Some(_) => Err(parser.fail("a condition is expected")),
    }
}

struct Parser<'a> {
    text: &'a str,
    known: &'a [&'a str],
    tokens: &'a [Token],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Word> {
        self.tokens.get(self.at).map(|token| &token.word)
    }

    fn fail(&self, why: &str) -> Malformed {
        malformed(self.text, self.tokens.get(self.at).map_or(self.text.len(), |token| token.at), why)
    }

    /// Takes the next word if it is this keyword.
    fn keyword(&mut self, keyword: &str) -> bool {
        let found = matches!(self.peek(), Some(Word::Bare(word)) if word == keyword);
        self.at += usize::from(found);
        found
    }

    fn sequence(&mut self, depth: usize) -> Result<Expression, Malformed> {
        let mut parts = vec![self.factor(depth)?];
        while self.keyword("AND") || !matches!(self.peek(), None | Some(Word::Close)) {
            parts.push(self.factor(depth)?);
        }
        Ok(one_or(parts, Expression::All))
    }

    fn factor(&mut self, depth: usize) -> Result<Expression, Malformed> {
        let mut parts = vec![self.term(depth)?];
        while self.keyword("OR") {
            parts.push(self.term(depth)?);
        }
        Ok(one_or(parts, Expression::Any))
    }

    fn term(&mut self, depth: usize) -> Result<Expression, Malformed> {
        if depth > MOST_DEPTH {
            return Err(self.fail("it is nested too deeply"));
        }
        if self.keyword("NOT") || self.word(&Word::Minus) {
            return self.term(depth + 1).map(|term| Expression::Not(Box::new(term)));
        }
        if !self.word(&Word::Open) {
            return self.condition();
        }
        let inner = self.sequence(depth + 1)?;
        if self.word(&Word::Close) { Ok(inner) } else { Err(self.fail("a parenthesis is not closed")) }
    }

    fn word(&mut self, word: &Word) -> bool {
        let found = self.peek() == Some(word);
        self.at += usize::from(found);
        found
    }

    fn condition(&mut self) -> Result<Expression, Malformed> {
        let field = self.field()?;
        let Some(Word::Operator(operator)) = self.peek().cloned() else {
            return Err(self.fail("one of = != < <= > >= : is expected after a field"));
        };
        self.at += 1;
        let value = match self.peek() {
            Some(Word::Bare(value) | Word::Quoted(value)) => value.clone(),
            _ => return Err(self.fail("a value is expected")),
        };
        self.at += 1;
        Ok(Expression::Condition { field, operator, value })
    }

    /// A field's whole name, the quoted parts joined to it.
    fn field(&mut self) -> Result<String, Malformed> {
        let Some(Word::Bare(first)) = self.peek() else {
            return Err(self.fail("a field is expected"));
        };
        let mut field = first.clone();
        let begin = self.at;
        self.at += 1;
        while field.ends_with('.') || self.peek() == Some(&Word::Dot) {
            if self.word(&Word::Dot) {
                field.push('.');
            }
            match self.peek() {
                Some(Word::Bare(part) | Word::Quoted(part)) => field.push_str(part),
                _ => return Err(self.fail("a field is expected after a dot")),
            }
            self.at += 1;
        }
        let below =
            |known: &str| known.strip_suffix('*').is_some_and(|above| field.len() > above.len() && field.starts_with(above));
        if self.known.iter().any(|known| *known == field || below(known)) {
            return Ok(field);
        }
        self.at = begin;
        Err(self.fail(&format!("there is no field `{}`; there are {}", shown(&field), self.known.join(", "))))
    }
}

fn one_or(mut parts: Vec<Expression>, many: impl FnOnce(Vec<Expression>) -> Expression) -> Expression {
    match (parts.len(), parts.pop()) {
        (1, Some(one)) => one,
        (_, Some(last)) => {
            parts.push(last);
            many(parts)
        }
        (_, None) => many(parts),
    }
}
