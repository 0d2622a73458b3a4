//! Pages of lists: their size, and tokens that say where the next one begins.

use std::str::FromStr;

use polder_core::reason::{Reason, Violations};

const NO_TOKEN: &str = "this is no token of this list; send next_page_token of the page before, unchanged";

/// Items on a page when the caller does not say.
const USUAL: u32 = 100;
/// The most items on a page.
const MOST: u32 = 1000;

/// The number of items on a page.
pub fn size(asked: u32, bad: &mut Violations) -> usize {
    limit(asked, "page_size", "ask for at most 1000 and follow next_page_token", bad)
}

/// The number of items in an answer, and what to do about one that is too large.
pub fn limit(asked: u32, field: &str, advice: &str, bad: &mut Violations) -> usize {
    if asked > MOST {
        bad.add(field, Reason::CountOutOfBounds, format!("{asked} is too many; {advice}"));
    }
    (if asked == 0 { USUAL } else { asked }) as usize
}

/// A token for the page after the item with this key.
#[must_use]
pub fn token(key: &[&str]) -> String {
    key.join("\n").bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The key in a token, in `N` parts; `None` for the first page.
pub fn after<const N: usize>(token: &str, bad: &mut Violations) -> Option<[String; N]> {
    if token.is_empty() {
        return None;
    }
    let key = read(token);
    if key.is_none() {
        bad.add("page_token", Reason::PageTokenMalformed, NO_TOKEN);
    }
    key
}

/// A part of a token's key as what the list's keys are made of; anything else is a token of another list.
pub fn part<T: FromStr>(text: &str, bad: &mut Violations) -> Option<T> {
    let part = text.parse().ok();
    if part.is_none() {
        bad.add("page_token", Reason::PageTokenMalformed, NO_TOKEN);
    }
    part
}

fn read<const N: usize>(token: &str) -> Option<[String; N]> {
    let (pairs, rest) = token.as_bytes().as_chunks::<2>();
    let digits = |pair: &&[u8; 2]| pair.iter().all(u8::is_ascii_hexdigit);
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if !rest.is_empty() || !pairs.iter().all(|pair| digits(&pair)) {
        return None;
    }
    let text = String::from_utf8(pairs.iter().map(byte).collect::<Option<_>>()?).ok()?;
    text.split('\n').map(str::to_owned).collect::<Vec<_>>().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_another_list_is_no_part() {
        let mut bad = Violations::new();
        assert_eq!(part::<std::net::IpAddr>("10.0.0.13", &mut bad), Some([10, 0, 0, 13].into()));
        assert_eq!(part::<std::net::IpAddr>("shop", &mut bad), None);
        assert_eq!(bad.finish(Some(())).unwrap_err().reason, Reason::PageTokenMalformed);
    }

    fn read_back<const N: usize>(token: &str) -> Result<Option<[String; N]>, Reason> {
        let mut bad = Violations::new();
        let key = after(token, &mut bad);
        bad.finish(Some(key)).map_err(|refusal| refusal.reason)
    }

    #[test]
    fn a_token_is_read_back_and_anything_else_is_refused() {
        let made = token(&["shop", "", "ü"]);
        assert_eq!(read_back(&made), Ok(Some(["shop".to_owned(), String::new(), "ü".to_owned()])));
        assert_eq!(read_back::<3>(""), Ok(None));
        for bad in ["x", "0", "zz", "+1+1", "ff", &token(&["a", "b"])] {
            assert_eq!(read_back::<3>(bad), Err(Reason::PageTokenMalformed), "{bad}");
        }
    }

    #[test]
    fn sizes_are_bounded() {
        let mut bad = Violations::new();
        assert_eq!((size(0, &mut bad), size(1000, &mut bad)), (100, 1000));
        assert!(bad.is_empty());
        size(1001, &mut bad);
        assert_eq!(bad.finish(Some(())).unwrap_err().reason, Reason::CountOutOfBounds);
    }
}
