//! Polder's API: protobuf messages, gRPC clients and servers, their descriptors, and the catalogue of reasons.
//!
//! The contract is in the `.proto` files under `proto/proto/polder`; everything in the `v1` modules is generated from them at
//! build time. [`state`] is no API: it is the form in which records are stored.
//!
//! * [`dynamic`]: messages and calls known by their descriptors only, for JSON.
//! * [`reason`]: the catalogue of reasons, read from the comments of the proto enum.

pub mod dynamic;
pub mod reason;

/// Types that all packages share.
pub mod types {
    /// `polder.type.v1`.
    #[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, rustdoc::all, reason = "generated")]
    pub mod v1 {
        tonic::include_proto!("polder.r#type.v1");
    }
}
// Generated code of the other packages refers to the package by its own name.
use types as r#type;

/// Addresses: namespaces, pools, allocations, nodes, the compute network.
pub mod ipam {
    /// `polder.ipam.v1`.
    #[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, rustdoc::all, reason = "generated")]
    pub mod v1 {
        tonic::include_proto!("polder.ipam.v1");
    }
}

/// Services: the catalogue, what nodes program, who announces what.
pub mod lb {
    /// `polder.lb.v1`.
    #[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, rustdoc::all, reason = "generated")]
    pub mod v1 {
        tonic::include_proto!("polder.lb.v1");
    }
}

/// Names: zones, records, the resolver.
pub mod dns {
    /// `polder.dns.v1`.
    #[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, rustdoc::all, reason = "generated")]
    pub mod v1 {
        tonic::include_proto!("polder.dns.v1");
    }
}

/// The node agent, as the CNI plugin sees it.
pub mod agent {
    /// `polder.agent.v1`.
    #[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, rustdoc::all, reason = "generated")]
    pub mod v1 {
        tonic::include_proto!("polder.agent.v1");
    }
}

/// The stored form of records: no API.
pub mod state {
    /// `polder.state.v1`.
    #[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, rustdoc::all, reason = "generated")]
    pub mod v1 {
        tonic::include_proto!("polder.state.v1");
    }
}

/// The descriptors of all packages, as an encoded `google.protobuf.FileDescriptorSet`, with comments and with the
/// `google.api.http` options: for reflection, the REST face, the OpenAPI document and the catalogue of reasons.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("polder_descriptors");
