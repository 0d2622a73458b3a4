//! Announcements in their stored form.

use std::net::IpAddr;

use polder_core::lb::announce::{Announcement, Drain};
use polder_core::net::Name;
use polder_core::time::Timestamp;

use crate::state::v1 as pb;
use crate::stored::fields::{read_meta, read_optional, read_text, write_meta, write_optional};

pub(super) fn write(record: &Announcement, version: u32) -> pb::Announcement {
    pb::Announcement {
        version,
        meta: Some(write_meta(&record.meta)),
        node: record.node.to_string(),
        epoch: record.epoch,
        previous: write_optional(record.previous.as_ref()),
        pinned: record.pinned,
        since: record.since.0,
    }
}

pub(super) fn read(address: IpAddr, stored: pb::Announcement) -> Result<Announcement, String> {
    Ok(Announcement {
        address,
        meta: read_meta(stored.meta)?,
        node: read_text(&stored.node)?,
        epoch: stored.epoch,
        previous: read_optional(&stored.previous)?,
        pinned: stored.pinned,
        since: Timestamp(stored.since),
    })
}

pub(super) const fn write_drain(record: &Drain, version: u32) -> pb::AnnouncementDrain {
    pb::AnnouncementDrain { version, since: record.since.0 }
}

pub(super) const fn read_drain(node: Name, stored: &pb::AnnouncementDrain) -> Drain {
    Drain { node, since: Timestamp(stored.since) }
}
