//! BGP: the routers that nodes speak to, what is advertised to them, and the routes that follow.
//!
//! Peers and advertisements are stored. What is [`advertised`], and the sessions and routes of each [`Speaker`], are computed from
//! them, from services, pools and nodes, and are never stored.
//!
//! * [`BgpPeer`], [`BgpAdvertisement`]: the records, and the types of their fields.
//! * [`check`]: what a value must be, whatever the state.
//! * [`plan`]: create, update, delete.
//! * [`conditions`]: what is true of a record in the state as it is now.

mod audit;
pub mod check;
mod community;
pub mod conditions;
mod explain;
pub mod plan;
mod prefix;
mod record;
mod rivals;
mod routes;
mod rules;
mod secret;
mod session;
mod view;

pub use community::Community;
pub use plan::{AdvertisementDraft, Decision, PeerDraft, Record, Secret};
pub use record::{AdvertisementSpec, Asn, Bfd, BgpAdvertisement, BgpPeer, PeerSpec, Router};
pub use routes::{Advertised, BgpRoute, Speaker, advertised};
pub use secret::Password;
pub use session::{SessionReport, SessionState};

pub(super) use audit::audit;
pub(super) use explain::steps;
pub(super) use view::Book;
