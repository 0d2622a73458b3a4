//! The import of a zone file.

use polder_core::cluster::Cluster;
use polder_core::dns::master::{self, ZoneFile};
use polder_core::dns::zones::{self, Import, ZoneName};
use polder_core::reason::{Reason, Refusal, Violations};

use super::super::common::{Manner, parsed};
use super::zones::{Shown, impact};
use crate::dns::v1;

/// The field that has the file.
pub const TEXT: &str = "text";

/// A zone to be made what a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Importing {
    /// The zone.
    pub zone: ZoneName,
    /// What the file says.
    pub file: ZoneFile,
    /// The etag of the zone that the caller has seen; empty is no check.
    pub etag: String,
    /// Several transactions may be made of it.
    pub in_parts: bool,
    /// How.
    pub manner: Manner,
}

impl Importing {
    /// Reads a request.
    ///
    /// # Errors
    /// Every bad field, and every bad line of the file.
    pub fn read(request: &v1::ImportZoneRequest) -> Result<Self, Refusal> {
        let mut bad = Violations::new();
        let manner = Manner::read(&request.request_id, request.validate_only, &mut bad);
        if request.text.trim().is_empty() {
            bad.add(TEXT, Reason::FieldRequired, "a zone file is required");
        }
        let zone = if request.zone.is_empty() { about(request, &mut bad) } else { parsed(&request.zone, "zone", &mut bad) };
        let file = zone.as_ref().and_then(|zone| match master::read(&request.text, zone, TEXT) {
            Ok(file) => Some(file),
            Err(refusal) => {
                refusal.violations.iter().for_each(|line| bad.add(&line.field, line.reason, &line.description));
                None
            }
        });
        let (etag, in_parts) = (request.etag.clone(), request.in_parts);
        bad.finish(zone.zip(file)).map(|(zone, file)| Self { zone, file, etag, in_parts, manner })
    }
}

fn about(request: &v1::ImportZoneRequest, bad: &mut Violations) -> Option<ZoneName> {
    let zone = master::zone_of(&request.text);
    if zone.is_none() {
        let why = "the file has no SOA record at a whole name that would say which zone it is; give the zone";
        bad.add("zone", Reason::FieldRequired, why);
    }
    zone
}

/// The refusal of an import that takes more than one transaction.
#[must_use]
pub fn too_large(import: &Import) -> Refusal {
    let changed = import.created + import.updated + import.deleted;
    let (parts, most) = (import.parts, zones::MOST_IMPORTED);
    let message = format!(
        "The file changes {changed} record sets, which takes {parts} transactions of at most {most} record sets each. Nothing has \
         changed. Import it in parts (`in_parts`, `polder import zone --in-parts`), or split it by deleting or adding records first."
    );
    let refusal = Refusal::new(Reason::RequestTooLarge, message).with("record_sets", changed).with("parts", parts);
    refusal.with("most_record_sets", most)
}

/// What an import answers, in the state that its first part leads to.
#[must_use]
pub fn imported(cluster: &Cluster, import: &Import) -> v1::ImportZoneResponse {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let zone = import.decision.zone.as_ref().and_then(|zone| zone.after.as_deref());
    v1::ImportZoneResponse {
        zone: zone.map(|zone| v1::Zone::show(cluster, zone)),
        revision: 0,
        created: count(import.created),
        updated: count(import.updated),
        deleted: count(import.deleted),
        unchanged: count(import.unchanged),
        parts: count(import.parts),
        impact: impact(&import.decision),
    }
}
