//! Bad input, as a table: every field of every request of a service wrong in every way that it can be, each with the code, the
//! reason and the name of the field that the refusal must carry, and with nothing changed behind it.
//!
//! A row takes a whole request that is good and makes one field of it wrong. [`judge()`] sends the rows to a [`World`]. In a stream
//! of requests the wrong one comes first, or after good ones ([`Table::after`]). The descriptors of the API say which fields there
//! are: one without a row, and without a reason why it needs none, fails [`Complete::assert`].

mod client;
mod complete;
mod judge;
mod request;
pub mod rows;
mod table;

pub use client::Client;
pub use complete::{Complete, Why};
pub use judge::{World, judge, revision, says};
pub use request::{To, list, many, map, number, pairs, text};
pub use table::{Expect, Row, Table, bad, good, refused, table};
