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

/// Cuts a run of records whose owners are pointers into single ones.
pub(in crate::dns) fn split_records(mut block: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = block.get(LENGTH..FIXED).and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes)?;
        let (record, rest) = block.split_at_checked(FIXED + usize::from(length))?;
        block = rest;
        Some(record)
    })
}
