//! Messages that are encoded before a stream asks for them.

use bytes::{BufMut, Bytes};
use polder_core::id::Revision;
use polder_core::lb::dataplane::{Key, Object};
use polder_proto::convert::lb::dataplane as convert;
use polder_proto::lb::v1 as pb;
use polder_proto::lb::v1::watch_dataplane_response::Object as Told;
use polder_proto::types::v1::WatchEventType;
use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};
use tonic_prost::{ProstCodec, ProstDecoder};

/// A whole [`pb::WatchDataplaneResponse`] in its wire form. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Encoded(Bytes);

impl Encoded {
    /// A message that carries no object.
    pub(super) fn mark(event: WatchEventType, revision: Revision) -> Self {
        Self(head(event, revision).into())
    }

    /// A message that carries an object. Two messages one after the other are the wire form of one with the fields of both.
    pub(super) fn of(event: WatchEventType, revision: Revision, body: &Body) -> Self {
        let mut bytes = head(event, revision);
        bytes.extend_from_slice(&body.0);
        Self(bytes.into())
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }
}

fn head(event: WatchEventType, revision: Revision) -> Vec<u8> {
    pb::WatchDataplaneResponse { r#type: event.into(), revision: revision.0, object: None }.encode_to_vec()
}

/// An object in its wire form, as it stands in a message. Equal objects have equal bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body(Bytes);

impl Body {
    pub(super) fn of(object: Object, domain: &str) -> Self {
        Self::encode(convert::object(object, domain))
    }

    /// An object of which only the key is known.
    pub(super) fn bare(key: &Key) -> Self {
        Self::encode(convert::bare(key))
    }

    fn encode(object: Told) -> Self {
        let message = pb::WatchDataplaneResponse { r#type: 0, revision: 0, object: Some(object) };
        Self(message.encode_to_vec().into())
    }
}

/// Sends what is encoded already; reads requests as ever.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct EncodedCodec;

impl Codec for EncodedCodec {
    type Encode = Encoded;
    type Decode = pb::WatchDataplaneRequest;
    type Encoder = Self;
    type Decoder = ProstDecoder<pb::WatchDataplaneRequest>;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<pb::WatchDataplaneResponse, _>::raw_decoder(BufferSettings::default())
    }
}

impl Encoder for EncodedCodec {
    type Item = Encoded;
    type Error = Status;

    fn encode(&mut self, message: Encoded, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_make_the_message_that_they_are_parts_of() {
        let key = Key::Node("node-a".parse().unwrap());
        let whole =
            pb::WatchDataplaneResponse { r#type: WatchEventType::Put.into(), revision: 300, object: Some(convert::bare(&key)) };
        let Encoded(bytes) = Encoded::of(WatchEventType::Put, Revision(300), &Body::bare(&key));
        assert_eq!(bytes, whole.encode_to_vec());
    }
}
