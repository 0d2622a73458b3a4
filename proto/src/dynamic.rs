//! Calls and messages that are known only by their descriptors: for clients that speak JSON.

use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

static DESCRIPTORS: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(crate::FILE_DESCRIPTOR_SET).unwrap_or_default());

/// The descriptors of every package.
#[must_use]
pub fn descriptors() -> &'static DescriptorPool {
    &DESCRIPTORS
}

/// The method of a service: `method("polder.ipam.v1.PoolService", "ListPools")`.
#[must_use]
pub fn method(service: &str, name: &str) -> Option<MethodDescriptor> {
    DESCRIPTORS.get_service_by_name(service)?.methods().find(|method| method.name() == name)
}

/// A gRPC codec that encodes any message and decodes messages of one type.
#[derive(Debug, Clone)]
pub struct DynamicCodec {
    /// The type of the answers.
    pub answer: MessageDescriptor,
}

impl Codec for DynamicCodec {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self::Encoder {
        self.clone()
    }

    fn decoder(&mut self) -> Self::Decoder {
        self.clone()
    }
}

impl Encoder for DynamicCodec {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, item: Self::Item, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(buffer).map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for DynamicCodec {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        DynamicMessage::decode(self.answer.clone(), buffer).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_found_by_name() {
        let found = method("polder.ipam.v1.PoolService", "ListPools").unwrap();
        assert_eq!(found.input().full_name(), "polder.ipam.v1.ListPoolsRequest");
        assert!(method("polder.ipam.v1.PoolService", "Nope").is_none());
    }
}
