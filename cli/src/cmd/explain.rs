//! `polder explain REASON`: the catalogue entry of a reason code.

use polder_core::reason::Reason;

use crate::failure::Failure;

/// The catalogue entry.
///
/// # Errors
/// [`Failure::Usage`] for an unknown code, with the nearest known ones.
pub fn run(code: &str) -> Result<String, Failure> {
    let wanted = code.trim().to_uppercase().replace('-', "_");
    match wanted.parse::<Reason>().ok().and_then(polder_proto::reason::explain) {
        Some(entry) => Ok(format!("{entry}\n")),
        None => {
            let near = near(&wanted);
            let hint = if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(", ")) };
            Err(Failure::Usage(format!("`{}` is not a reason code{hint}", polder_core::reason::shown(code))))
        }
    }
}

/// Known codes that share a word with the text.
fn near(text: &str) -> Vec<&'static str> {
    let words: Vec<&str> = text.split('_').filter(|word| word.len() > 3).collect();
    let shares = |code: &&'static str| words.iter().any(|word| code.contains(word));
    Reason::ALL.iter().map(|reason| reason.as_str()).filter(shares).take(3).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_an_entry() {
        for reason in Reason::ALL {
            let text = run(reason.as_str()).unwrap();
            assert!(text.len() > reason.as_str().len() + 20, "{text}");
        }
    }

    #[test]
    fn a_slip_gets_a_hint() {
        let message = run("pool_overlapp").unwrap_err().text();
        assert!(message.contains("POOL_"), "{message}");
    }
}
