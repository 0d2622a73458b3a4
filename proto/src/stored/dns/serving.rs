//! The stored form of what name servers say of themselves. It is no record of the view: each key lies on a lease of its server, in no
//! domain, and goes when the server does.

use polder_core::id::Revision;
use polder_core::schema::Corrupt;
use polder_core::time::Timestamp;
use prost::Message as _;

use crate::state::v1 as pb;

/// Where name servers say how far they are: `/polder/dns/serving/<server>`.
pub const SERVING: &str = "/polder/dns/serving/";
/// The form that this build writes and reads.
const VERSION: u32 = 1;

/// How far a name server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// The server's name.
    pub server: String,
    /// Everything up to this revision is served.
    pub revision: Revision,
    /// Since when.
    pub since: Timestamp,
}

/// The key of a server, and its value.
#[must_use]
pub fn encode(serving: &Serving) -> (Vec<u8>, Vec<u8>) {
    let value = pb::DnsServing { version: VERSION, revision: serving.revision.0, since: serving.since.0 };
    (format!("{SERVING}{}", serving.server).into_bytes(), value.encode_to_vec())
}

/// Reads one key below [`SERVING`].
///
/// # Errors
/// [`Corrupt`] when the key names no server, or the value cannot be read.
pub fn decode(key: &[u8], value: &[u8]) -> Result<Serving, Corrupt> {
    read(key, value).map_err(|why| Corrupt { key: String::from_utf8_lossy(key).into_owned(), why })
}

fn read(key: &[u8], value: &[u8]) -> Result<Serving, String> {
    let key = std::str::from_utf8(key).map_err(|_| "it is not text")?;
    let server = key.strip_prefix(SERVING).filter(|server| !server.is_empty()).ok_or("it does not name a server")?;
    let pb::DnsServing { version, revision, since } = pb::DnsServing::decode(value).map_err(|error| error.to_string())?;
    if version != VERSION {
        return Err(format!("its form is version {version}, this build reads {VERSION}"));
    }
    Ok(Serving { server: server.to_owned(), revision: Revision(revision), since: Timestamp(since) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_is_pinned() {
        let serving = Serving { server: "dns-1".to_owned(), revision: Revision(300), since: Timestamp(2) };
        let (key, value) = encode(&serving);
        assert_eq!((&key[..], &value[..]), (&b"/polder/dns/serving/dns-1"[..], &[8, 1, 16, 0xac, 2, 24, 2][..]));
        assert_eq!(decode(&key, &value), Ok(serving));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let why = |key: &[u8], value: &[u8]| decode(key, value).unwrap_err().why;
        assert_eq!(why(b"/polder/dns/serving/dns-1", &[8, 2]), "its form is version 2, this build reads 1");
        assert!(!why(b"/polder/dns/serving/dns-1", b"\xff").is_empty());
        assert_eq!(why(b"/polder/dns/serving/", &[8, 1]), "it does not name a server");
        assert_eq!(why(b"/polder/dns/serving/\xff", &[8, 1]), "it is not text");
    }
}
