//! The RPCs that a process knows, from its descriptors: the closed set behind metric labels and span names.

use std::collections::HashMap;
use std::sync::Arc;

use prost::Message;
use prost_types::FileDescriptorSet;

/// One RPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Method {
    /// The service with its package: `polder.ipam.v1.PoolService`.
    pub(crate) service: Arc<str>,
    /// The method's name: `CreatePool`.
    pub(crate) name: Arc<str>,
    /// Whether the call is about the process itself, so that it is answered under overload too.
    pub(crate) is_probe: bool,
    /// Whether the caller may send for as long as it likes, so that the handler may run as long.
    pub(crate) is_long: bool,
}

/// Every RPC by its path.
#[derive(Debug)]
pub(crate) struct Methods {
    by_path: HashMap<String, Method>,
    unknown: Method,
}

impl Methods {
    /// The RPCs of encoded `google.protobuf.FileDescriptorSet`s.
    pub(crate) fn of(descriptors: &[&[u8]]) -> Result<Self, prost::DecodeError> {
        let mut by_path = HashMap::new();
        for encoded in descriptors {
            for file in FileDescriptorSet::decode(*encoded)?.file {
                for service in &file.service {
                    let name: Arc<str> = format!("{}.{}", file.package(), service.name()).into();
                    for method in &service.method {
                        let path = format!("/{name}/{}", method.name());
                        by_path.insert(path, Method::new(Arc::clone(&name), method.name().into(), method.client_streaming()));
                    }
                }
            }
        }
        Ok(Self { by_path, unknown: Method::new("unknown".into(), "unknown".into(), false) })
    }

    /// The RPC of a path; one and the same for all paths that are none.
    pub(crate) fn get(&self, path: &str) -> &Method {
        self.by_path.get(path).unwrap_or(&self.unknown)
    }
}

impl Method {
    fn new(service: Arc<str>, name: Arc<str>, is_long: bool) -> Self {
        let is_probe = service.starts_with("grpc.health.");
        Self { service, name, is_probe, is_long }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_the_descriptors_are_known() {
        let methods = Methods::of(&[tonic_health::pb::FILE_DESCRIPTOR_SET]).unwrap();
        let check = methods.get("/grpc.health.v1.Health/Check");
        assert_eq!((&*check.service, &*check.name, check.is_probe), ("grpc.health.v1.Health", "Check", true));
        assert_eq!(&*methods.get("/grpc.health.v1.Health/Nonsense-4711").name, "unknown");
    }

    #[test]
    fn damaged_descriptors_are_refused() {
        assert!(Methods::of(&[b"\xff\xff"]).is_err());
    }
}
