//! Where things stand in a message.

/// Bytes of a message's header.
pub(in crate::dns) const HEADER: usize = 12;
/// The compression pointer to the name of the question, which stands right after the header.
pub(in crate::dns) const QUESTION: [u8; 2] = [0xc0, 12];
/// Bytes of a record whose owner is a pointer, before its data.
pub(in crate::dns) const FIXED: usize = 12;
/// Where the data's length stands in such a record.
const LENGTH: usize = 10;
/// The largest place in a message that a pointer can name (RFC 1035 §4.1.4).
pub(in crate::dns) const MOST_POINTER: usize = 0x3fff;

/// The class of all records here: the Internet's.
pub(in crate::dns) const CLASS_IN: u16 = 1;

/// A compression pointer to a place in the message (RFC 1035 §4.1.4), at most [`MOST_POINTER`].
pub(in crate::dns) fn pointer(place: usize) -> [u8; 2] {
    let [high, low] = u16::try_from(place & MOST_POINTER).unwrap_or_default().to_be_bytes();
    [high | 0xc0, low]
}

/// Cuts a run of records whose owners are pointers into single ones.
pub(in crate::dns) fn split_records(mut block: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = block.get(LENGTH..FIXED).and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes)?;
        let (record, rest) = block.split_at_checked(FIXED + usize::from(length))?;
        block = rest;
        Some(record)
    })
}
