//! Calico's selectors in Kubernetes' grammar.
//!
//! Calico joins comparisons by `&&` and `||` with brackets; Kubernetes knows only "and". So a selector becomes a list of
//! alternatives of which one has to match, each a text as `kubectl -l` takes it. What has no equal there is refused by name.

/// The most alternatives that a selector may come to; brackets multiply them.
const MOST: usize = 64;

/// The most brackets inside each other.
const DEEPEST: usize = 16;

/// Alternatives; each is a list of requirements that must all hold.
type Alternatives = Vec<Vec<String>>;

/// The alternatives of a selector as texts; none for one that matches everything.
///
/// # Errors
/// What cannot be read or has no equal.
pub(super) fn translate(text: &str) -> Result<Vec<String>, String> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut reader = Reader { rest: text, depth: 0 };
    let alternatives = reader.any()?;
    if !reader.rest.trim().is_empty() {
        return Err(format!("`{}` is left over", reader.rest.trim()));
    }
    if alternatives.iter().any(Vec::is_empty) {
        return Ok(Vec::new());
    }
    Ok(alternatives.into_iter().map(|all| all.join(",")).collect())
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// Takes a mark if it comes next.
    fn take(&mut self, mark: &str) -> bool {
        let Some(rest) = self.rest.trim_start().strip_prefix(mark) else { return false };
        self.rest = rest;
        true
    }

    fn expect(&mut self, mark: &str) -> Result<(), String> {
        if self.take(mark) { Ok(()) } else { Err(format!("`{mark}` is missing before `{}`", self.rest.trim())) }
    }

    fn any(&mut self) -> Result<Alternatives, String> {
        let mut found = self.all()?;
        while self.take("||") {
            found.extend(self.all()?);
            few(&found)?;
        }
        Ok(found)
    }

    fn all(&mut self) -> Result<Alternatives, String> {
        let mut found = self.one()?;
        while self.take("&&") {
            let more = self.one()?;
            let pairs = found.iter().flat_map(|left| more.iter().map(move |right| [left.as_slice(), right.as_slice()].concat()));
            found = pairs.collect();
            few(&found)?;
        }
        Ok(found)
    }

    fn one(&mut self) -> Result<Alternatives, String> {
        if self.take("(") {
            self.depth += 1;
            if self.depth > DEEPEST {
                return Err(format!("more than {DEEPEST} brackets inside each other; write it more simply"));
            }
            let inner = self.any()?;
            self.depth -= 1;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.take("all()") {
            return Ok(vec![Vec::new()]);
        }
        if self.take("!") {
            self.expect("has(")?;
            return Ok(vec![vec![format!("!{}", self.has()?)]]);
        }
        if self.take("has(") {
            return Ok(vec![vec![self.has()?]]);
        }
        self.comparison().map(|requirement| vec![vec![requirement]])
    }

    /// The key of `has(key)`, up to its closing bracket.
    fn has(&mut self) -> Result<String, String> {
        let key = self.key()?.to_owned();
        self.expect(")")?;
        Ok(key)
    }

    fn comparison(&mut self) -> Result<String, String> {
        let key = self.key()?;
        if self.take("==") || self.take("=") {
            return Ok(format!("{key}={}", self.value()?));
        }
        if self.take("!=") {
            return Ok(format!("{key}!={}", self.value()?));
        }
        if self.take("not in") {
            return Ok(format!("{key} notin ({})", self.values()?));
        }
        if self.take("in") {
            return Ok(format!("{key} in ({})", self.values()?));
        }
        let operator = ["contains", "starts with", "ends with"].into_iter().find(|word| self.take(word));
        Err(match operator {
            Some(word) => format!("`{word}` has no equal in the selectors of Kubernetes; name the values"),
            None => format!("after `{key}` comes ==, !=, in or not in"),
        })
    }

    fn key(&mut self) -> Result<&'a str, String> {
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '-' | '_'))).unwrap_or(rest.len());
        let (key, rest) = rest.split_at(end);
        self.rest = rest;
        if key.is_empty() { Err(format!("a label is missing before `{}`", rest.trim())) } else { Ok(key) }
    }

    fn value(&mut self) -> Result<&'a str, String> {
        let rest = self.rest.trim_start();
        let quote = rest.chars().next().filter(|mark| matches!(mark, '\'' | '"'));
        let quote = quote.ok_or_else(|| format!("a value in quotes is missing before `{}`", rest.trim()))?;
        let (value, rest) = rest[1..].split_once(quote).ok_or_else(|| "a quote does not end".to_owned())?;
        self.rest = rest;
        Ok(value)
    }

    fn values(&mut self) -> Result<String, String> {
        self.expect("{")?;
        let mut values = vec![self.value()?];
        while self.take(",") {
            values.push(self.value()?);
        }
        self.expect("}")?;
        Ok(values.join(","))
    }
}

fn few(alternatives: &Alternatives) -> Result<(), String> {
    if alternatives.len() <= MOST {
        Ok(())
    } else {
        Err(format!("it comes to more than {MOST} alternatives; write it more simply"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_can_say_is_said_in_kubernetes_way() {
        for (calico, kubernetes) in [
            ("", &[][..]),
            ("all()", &[]),
            ("rack == 'a'", &["rack=a"]),
            ("rack != \"a\" && has(gpu)", &["rack!=a,gpu"]),
            ("!has(gpu)", &["!gpu"]),
            ("rack in {'a', 'b'} && zone not in { 'z1' }", &["rack in (a,b),zone notin (z1)"]),
            ("rack == 'a' || rack == 'b'", &["rack=a", "rack=b"]),
            ("(rack == 'a' || rack == 'b') && (x == '1' || has(y))", &["rack=a,x=1", "rack=a,y", "rack=b,x=1", "rack=b,y"]),
            ("all() && kubernetes.io/os == 'linux'", &["kubernetes.io/os=linux"]),
            ("rack == 'a' || all()", &[]),
        ] {
            let translated = translate(calico).unwrap();
            assert_eq!(translated, kubernetes, "{calico}");
            assert!(translated.iter().all(|text| text.parse::<polder_core::net::Selector>().is_ok()), "{translated:?}");
        }
    }

    #[test]
    fn what_has_no_equal_or_is_broken_is_refused() {
        for (text, word) in [
            ("name contains 'x'", "contains"),
            ("name starts with 'x'", "starts with"),
            ("rack == a", "quotes"),
            ("rack == 'a", "does not end"),
            ("rack", "comes =="),
            ("(rack == 'a'", "`)`"),
            ("rack == 'a' rack == 'b'", "left over"),
            ("!rack == 'a'", "has("),
            ("== 'a'", "label is missing"),
        ] {
            let why = translate(text).unwrap_err();
            assert!(why.contains(word), "{text}: {why}");
        }
        let deep = format!("{}has(a){}", "(".repeat(100_000), ")".repeat(100_000));
        assert!(translate(&deep).unwrap_err().contains("brackets"));
        let wide = ["(a == '1' || a == '2')"; 8].join(" && ");
        assert!(translate(&wide).unwrap_err().contains("alternatives"));
    }
}
