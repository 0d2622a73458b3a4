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

/// The known codes most like the text, the likeliest first: spelled nearly so, or having it as a part.
fn near(text: &str) -> Vec<&'static str> {
    const ALIKE: f64 = 0.6;
    const MOST: usize = 3;
    let likeness = |code: &str| match text.len() > 3 && code.contains(text) {
        true => 1.0,
        false => strsim::normalized_damerau_levenshtein(text, code),
    };
    let codes = Reason::ALL.iter().map(|reason| (likeness(reason.as_str()), reason.as_str()));
    let mut found: Vec<_> = codes.filter(|(alike, _)| *alike >= ALIKE).collect();
    found.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    found.into_iter().take(MOST).map(|(_, code)| code).collect()
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
        for (slip, meant) in [("pool_overlapp", "POOL_OVERLAP"), ("POOL-OVERLAP-", "POOL_OVERLAP"), ("exhausted", "POOL_EXHAUSTED")]
        {
            let message = run(slip).unwrap_err().text();
            assert!(message.contains(&format!("did you mean {meant}")) || message.contains(&format!(", {meant}")), "{message}");
        }
        let message = run("banana").unwrap_err().text();
        assert!(!message.contains("did you mean"), "{message}");
    }
}
