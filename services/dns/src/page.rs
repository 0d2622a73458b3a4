//! Pages of lists: their size, and tokens that say where the next one begins.

use polder_core::reason::{Reason, Refusal};

const USUAL: u32 = 100;
const MOST: u32 = 1000;

/// The number of items on a page.
///
/// # Errors
/// [`Reason::CountOutOfBounds`].
pub(crate) fn size(asked: u32) -> Result<usize, Refusal> {
    match asked {
        0 => Ok(USUAL as usize),
        1..=MOST => Ok(asked as usize),
        _ => {
            let message = format!("page_size: {asked} is too many; ask for at most {MOST} and follow next_page_token.");
            Err(Refusal::new(Reason::CountOutOfBounds, message).with("field", "page_size"))
        }
    }
}

/// A token for "after this key".
pub(crate) fn token(key: &[String]) -> String {
    let bytes = key.join("\n").into_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The key in a token; `None` for the first page.
///
/// # Errors
/// [`Reason::PageTokenMalformed`].
pub(crate) fn key<const N: usize>(token: &str) -> Result<Option<[String; N]>, Refusal> {
    if token.is_empty() {
        return Ok(None);
    }
    read(token).map(Some).ok_or_else(|| {
        let message = "page_token: not a token of this list; send next_page_token of the page before, unchanged.";
        Refusal::new(Reason::PageTokenMalformed, message).with("field", "page_token")
    })
}

fn read<const N: usize>(token: &str) -> Option<[String; N]> {
    let (pairs, rest) = token.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let text = String::from_utf8(pairs.iter().map(byte).collect::<Option<_>>()?).ok()?;
    let parts: Vec<String> = text.split('\n').map(str::to_owned).collect();
    parts.try_into().ok().filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_anything_else_is_refused() {
        let made = [String::from("cluster.local."), String::new(), "ü".to_owned()];
        assert_eq!(key::<3>(&token(&made)).unwrap(), Some(made.clone()));
        assert_eq!(key::<3>("").unwrap(), None);
        for bad in ["x", "0", "zz", "+1+1", &token(&made[..2]), "ff"] {
            assert_eq!(key::<3>(bad).unwrap_err().reason, Reason::PageTokenMalformed, "{bad}");
        }
    }

    #[test]
    fn sizes_are_bounded() {
        assert_eq!((size(0).unwrap(), size(1000).unwrap()), (100, 1000));
        assert_eq!(size(1001).unwrap_err().reason, Reason::CountOutOfBounds);
    }
}
