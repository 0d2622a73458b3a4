//! Polder's API: protobuf messages, gRPC clients and servers, their descriptors, and the catalogue of reasons.
//!
//! The contract is in the `.proto` files under `proto/proto/polder`; everything in the `v1` modules is generated from them at
//! build time. [`state`] is no API: it is the form in which records are stored.
//!
//! * [`dynamic`]: messages and calls known by their descriptors only, for JSON.
//! * [`reason`]: the catalogue of reasons, read from the comments of the proto enum.

pub mod convert;
pub mod dynamic;
pub mod reason;
mod secret;
pub mod stored;

/// Makes the module of one package. Lints are for code that people write.
macro_rules! package {
    ($area:ident, $file:literal, $about:literal) => {
        #[doc = $about]
        pub mod $area {
            /// Version 1 of the package.
            #[allow(missing_docs, unreachable_pub, unused_qualifications, rustdoc::all, reason = "generated")]
            #[allow(clippy::all, clippy::pedantic, clippy::nursery, reason = "generated")]
            pub mod v1 {
                tonic::include_proto!($file);
            }
        }
    };
}

package!(types, "polder.r#type.v1", "Types that all packages share: `polder.type`.");
package!(ipam, "polder.ipam.v1", "Addresses: namespaces, pools, allocations, nodes, the compute network.");
package!(lb, "polder.lb.v1", "Services: the catalogue, what nodes program, who announces what.");
package!(dns, "polder.dns.v1", "Names: zones, records, the resolver.");
package!(agent, "polder.agent.v1", "The node agent, as the CNI plugin sees it.");
package!(state, "polder.state.v1", "The stored form of records. No API.");

// Generated code refers to the package by its name in the protos, which is a keyword here.
use types as r#type;

/// The descriptors of all packages, as an encoded `google.protobuf.FileDescriptorSet`, with comments and with the
/// `google.api.http` options: for reflection, the REST face, the OpenAPI document and the catalogue of reasons.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("polder_descriptors");
