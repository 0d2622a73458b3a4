//! What operators store: zones, and in them sets of records; and the decisions about both.
//!
//! * [`name`], [`record`]: names of zones and of what is in them, and the stored records.
//! * [`view`]: the records in memory.
//! * [`check`]: what fields must be, whatever there is beside them.
//! * [`plan`]: what a request does; `rules`: what may not stand beside what there is.
//! * [`import()`]: a zone as a zone file has it.
//! * [`audit()`]: what must be true in any state.
//!
//! A zone says for itself who serves it (SOA and NS at its apex follow from it), so that no record set is of type SOA, and none at
//! the apex of type NS. The serial number follows from what the zone is made from. A zone may lie in another one: the inner one answers
//! for its names, and the outer one has nothing there that would never be seen.

mod audit;
pub mod check;
mod import;
pub mod name;
pub mod plan;
pub mod record;
mod rules;
pub mod view;

pub use audit::audit;
pub use import::{Import, MOST_RECORDS as MOST_IMPORTED, import};
pub use name::{Owner, RecordSetKey, ZoneName};
pub use plan::{Decision, Move, SetDraft, ZoneDraft};
pub use record::{Change, RecordSet, Zone, ZoneSpec};
pub(super) use rules::keeps_views;
pub use view::View;

#[cfg(test)]
mod tests;
