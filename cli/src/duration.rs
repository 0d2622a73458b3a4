//! Lengths of time as people write them: `90s`, `1m30s`, `500ms`.

use std::time::Duration;

/// The longest length of time that is read: far above anything that is asked for anywhere.
const LONGEST: Duration = Duration::from_secs(1 << 32);

const UNITS: [(&str, f64); 7] = [("ms", 1e-3), ("us", 1e-6), ("µs", 1e-6), ("ns", 1e-9), ("h", 3600.0), ("m", 60.0), ("s", 1.0)];

/// The length that a text says, in Go's grammar; `None` when it says none.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    let (mut rest, mut total) = (text.trim(), Duration::ZERO);
    if rest == "0" {
        return Some(total);
    }
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at(end);
        let (unit, seconds) = UNITS.iter().find(|(unit, _)| behind.starts_with(unit))?;
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = total.checked_add(part).filter(|total| *total < LONGEST)?;
        rest = behind.strip_prefix(unit)?;
    }
    Some(total)
}

/// The same as proto3 JSON: `90s`, `0.5s`.
#[must_use]
pub fn json(length: Duration) -> String {
    match length.subsec_nanos() {
        0 => format!("{}s", length.as_secs()),
        nanos => format!("{}.{}s", length.as_secs(), format!("{nanos:09}").trim_end_matches('0')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_gos() {
        let said = |text| parse(text).map(json);
        for (text, shown) in
            [("90s", "90s"), ("1m30s", "90s"), ("1h", "3600s"), ("0", "0s"), ("1.5s", "1.5s"), ("500ms", "0.5s"), (" 3s ", "3s")]
        {
            assert_eq!(said(text).as_deref(), Some(shown), "{text}");
        }
        for wrong in ["", "90", "s", "-1s", "1 s", "1d", "1.2.3s", "1e9s", "99999999999999h", "5s5"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
