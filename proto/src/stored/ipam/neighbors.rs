//! Reports of neighbors in their stored form.

use polder_core::ipam::{Answer, Neighbors};
use polder_core::net::{Mac, Name};
use polder_core::time::Timestamp;

use crate::state::v1 as pb;
use crate::stored::fields::{read_address, read_each, read_uid, write_address};

pub(super) fn write(report: &Neighbors, version: u32) -> pb::Neighbors {
    let answer = |answer: &Answer| pb::Answer { address: write_address(answer.address), mac: answer.mac.0.to_vec() };
    pb::Neighbors {
        version,
        uid: report.uid.0.to_be_bytes().to_vec(),
        reported: report.reported.0,
        answers: report.answers.iter().map(answer).collect(),
    }
}

pub(super) fn read(node: Name, stored: pb::Neighbors) -> Result<Neighbors, String> {
    let answers = read_each(&stored.answers, |answer| {
        let mac = <[u8; 6]>::try_from(answer.mac.as_slice()).map_err(|_| "a hardware address has six bytes".to_owned())?;
        Ok(Answer { address: read_address(&answer.address)?, mac: Mac(mac) })
    })?;
    Ok(Neighbors { node, uid: read_uid(&stored.uid)?, reported: Timestamp(stored.reported), answers })
}
