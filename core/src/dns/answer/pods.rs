//! Names of pods that say their address themselves: `172-27-0-5.shop.pod.cluster.local`. No table has them.

use std::net::IpAddr;

use super::super::name::suffixes;
use super::super::settings::PodRecords;
use super::super::snapshot::Snapshot;

/// The longest address with dashes: an IPv6 address whose last part is written as IPv4 is none.
const MOST_TEXT: usize = 39;

/// The address that a name of a pod says, where every address has one. Its namespace has to exist.
pub(super) fn address_in(snapshot: &Snapshot, name: &[u8]) -> Option<IpAddr> {
    let settings = snapshot.settings();
    if settings.pods != PodRecords::Insecure {
        return None;
    }
    let place = suffixes(name).nth(2)?;
    let is_place = place.strip_prefix(b"\x03pod") == Some(settings.zone().as_wire());
    let space = suffixes(name).nth(1).filter(|space| is_place && snapshot.contains(space))?;
    read(name.get(1..name.len() - space.len())?)
}

/// Dashes stand for dots where there are three of them and none beside another, else for colons.
fn read(label: &[u8]) -> Option<IpAddr> {
    let mut text = [0; MOST_TEXT];
    let text = text.get_mut(..label.len())?;
    text.copy_from_slice(label);
    let dashes = text.iter().filter(|byte| **byte == b'-').count();
    let separator = if dashes == 3 && !text.windows(2).any(|pair| pair == b"--") { b'.' } else { b':' };
    text.iter_mut().filter(|byte| **byte == b'-').for_each(|byte| *byte = separator);
    let is_plain = text.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == separator);
    std::str::from_utf8(text).ok().filter(|_| is_plain)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_are_read_as_the_family_wants() {
        let read = |text: &str| read(text.as_bytes()).map(|address| address.to_string());
        assert_eq!(read("172-27-0-5").as_deref(), Some("172.27.0.5"));
        assert_eq!(read("fd00--5").as_deref(), Some("fd00::5"));
        assert_eq!(read("2001-db8--0").as_deref(), Some("2001:db8::"));
        assert_eq!(read("1-2-3-4-5-6-7-8").as_deref(), Some("1:2:3:4:5:6:7:8"));
        assert_eq!(read("1--3-4").as_deref(), Some("1::3:4"));
        for bad in ["", "-", "web", "172-27-0", "172-27-0-256", "172.27.0.5", "01-2-3-4", "1-2-3-4-5", &"1-".repeat(32)] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
