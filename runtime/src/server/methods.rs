//! The RPCs that a process knows, from its descriptors: the closed set behind metric labels and span names.

use std::collections::HashMap;
use std::sync::Arc;

use prost::Message;
use prost_types::FileDescriptorSet;

use crate::metrics::{Durations, Metrics};

/// One RPC.
#[derive(Debug)]
pub(crate) struct Method {
    /// The service with its package: `polder.ipam.v1.PoolService`.
    pub(crate) service: Arc<str>,
    /// The method's name: `CreatePool`.
    pub(crate) name: Arc<str>,
    /// Both: `polder.ipam.v1.PoolService/CreatePool`.
    pub(crate) full_name: String,
    /// Whether the call is about the process itself, so that it is answered under overload too.
    pub(crate) is_probe: bool,
    /// Whether the caller may send for as long as it likes, so that the handler may run as long.
    pub(crate) is_long: bool,
    /// How long its calls take.
    pub(crate) durations: Durations,
}

/// Every RPC by its path.
pub(crate) struct Methods {
    by_path: HashMap<String, Arc<Method>>,
    unknown: Arc<Method>,
}

impl Methods {
    /// The RPCs of encoded `google.protobuf.FileDescriptorSet`s.
    pub(crate) fn of(descriptors: &[&[u8]], metrics: &Metrics) -> Result<Self, prost::DecodeError> {
        let mut by_path = HashMap::new();
        let known =
            |service: &Arc<str>, name: &str, is_long| Arc::new(Method::new(Arc::clone(service), name.into(), is_long, metrics));
        for encoded in descriptors {
            for file in FileDescriptorSet::decode(*encoded)?.file {
                for service in &file.service {
                    let name: Arc<str> = format!("{}.{}", file.package(), service.name()).into();
                    for method in &service.method {
                        let method = known(&name, method.name(), method.client_streaming());
                        by_path.insert(format!("/{}", method.full_name), method);
                    }
                }
            }
        }
        Ok(Self { by_path, unknown: known(&"unknown".into(), "unknown", false) })
    }

    /// The RPC of a path; one and the same for all paths that are none.
    pub(crate) fn get(&self, path: &str) -> &Arc<Method> {
        self.by_path.get(path).unwrap_or(&self.unknown)
    }
}

impl Method {
    fn new(service: Arc<str>, name: Arc<str>, is_long: bool, metrics: &Metrics) -> Self {
        let is_probe = service.starts_with("grpc.health.");
        let full_name = format!("{service}/{name}");
        let durations = metrics.durations(&service, &name);
        Self { service, name, full_name, is_probe, is_long, durations }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> Metrics {
        Metrics::new("polder-test", "0.0.1")
    }

    #[test]
    fn only_paths_of_the_descriptors_are_known() {
        let methods = Methods::of(&[tonic_health::pb::FILE_DESCRIPTOR_SET], &metrics()).unwrap();
        let check = methods.get("/grpc.health.v1.Health/Check");
        assert_eq!((&*check.service, &*check.name, check.is_probe), ("grpc.health.v1.Health", "Check", true));
        assert_eq!(&*methods.get("/grpc.health.v1.Health/Nonsense-4711").name, "unknown");
    }

    #[test]
    fn damaged_descriptors_are_refused() {
        assert!(Methods::of(&[b"\xff\xff"], &metrics()).is_err());
    }
}
