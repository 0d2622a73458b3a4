//! Page tokens: what is read is written again as the same token, and every key comes back from its token.

use polder_core::reason::{Reason, Violations};
use polder_proto::convert::page;

use super::Target;
use crate::Shape;

/// The target.
pub const TARGET: Target = Target {
    name: "page_tokens",
    shape: Shape::Text(&["0a", "61", "ff", "c3", "c3a4", "7f", "F", "0", "+1", " ", "0a0a", "ä"]),
    run,
};

fn run(input: &[u8]) {
    let text = &*String::from_utf8_lossy(input);
    read::<1>(text);
    read::<2>(text);
    read::<3>(text);
    // A key has no line feed: it separates the parts.
    let parts: Vec<&str> = text.splitn(3, '\n').collect();
    if let [one, two, three] = parts[..]
        && !three.contains('\n')
    {
        let mut bad = Violations::new();
        let key = page::after::<3>(&page::token(&[one, two, three]), &mut bad);
        assert!(bad.is_empty());
        assert_eq!(key.map(|key| key.to_vec()), Some(vec![one.to_owned(), two.to_owned(), three.to_owned()]));
    }
}

fn read<const N: usize>(token: &str) {
    let mut bad = Violations::new();
    match page::after::<N>(token, &mut bad) {
        Some(key) => {
            assert!(bad.is_empty());
            let parts: Vec<&str> = key.iter().map(String::as_str).collect();
            assert_eq!(page::token(&parts), token.to_ascii_lowercase());
        }
        None if token.is_empty() => assert!(bad.is_empty()),
        None => assert_eq!(bad.finish(Some(())).unwrap_err().reason, Reason::PageTokenMalformed),
    }
}
