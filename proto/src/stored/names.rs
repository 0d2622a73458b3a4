//! What the name server reads of the stored records.

use polder_core::cluster::{Change, Cluster};
use polder_core::lb::Brief;
use polder_core::schema::{Corrupt, Domain, Schema, StoredWrite};
use polder_core::{ipam, lb};

use super::Stored;

/// The schema of everything that names follow from: the whole cluster without the records that they do not follow from, and with
/// services in brief. There may be very many of them.
#[derive(Debug, Clone, Copy)]
pub struct ForNames;

impl Schema for ForNames {
    type View = Cluster;
    type Change = Change;

    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Change>, Corrupt> {
        Ok(Stored::decode(key, value)?.and_then(for_names))
    }

    fn encode(change: &Change) -> StoredWrite {
        Stored::encode(change)
    }

    fn domain(change: &Change) -> Domain {
        Stored::domain(change)
    }

    fn apply(view: &mut Cluster, change: &Change) {
        Stored::apply(view, change);
    }

    fn before(view: &Cluster, change: &Change) -> Option<Vec<u8>> {
        Stored::before(view, change)
    }

    fn journaled(key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        Stored::journaled(key, value)
    }
}

fn for_names(change: Change) -> Option<Change> {
    match change {
        Change::Lb(lb::Change::Service(key, service)) => Some(lb::Change::Brief(key, service.as_deref().map(Brief::of)).into()),
        Change::Lb(_) => None,
        Change::Ipam(ipam::Change::Pool(..) | ipam::Change::Namespace(..) | ipam::Change::Allocation(..)) | Change::Dns(_) => {
            Some(change)
        }
        Change::Ipam(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use polder_core::id::Uid;
    use polder_core::lb::{Service, ServiceKey, ServiceSpec, Vip};
    use polder_core::meta::Meta;
    use polder_core::net::Labels;
    use polder_core::time::Timestamp;

    use super::*;

    #[test]
    fn services_are_read_in_brief_and_written_as_services() {
        let key = "/polder/lb/services/shop/web";
        let meta = Meta { uid: Uid(7), version: 1, created: Timestamp(1), updated: Timestamp(2) };
        let mut service = Service {
            key: ServiceKey { namespace: "shop".parse().unwrap(), name: "web".parse().unwrap() },
            meta,
            labels: Labels::default(),
            annotations: [("for".to_owned(), "others".to_owned())].into(),
            spec: ServiceSpec { selector: "app=web".parse().unwrap(), ..ServiceSpec::default() },
            cluster: Vec::new(),
            external: Vec::new(),
            conditions: Vec::new(),
        };
        service.cluster = vec![Vip { address: "172.28.0.2".parse().unwrap(), pool: "service".parse().unwrap() }];
        let stored = Stored::encode(&lb::Change::Service(service.key.clone(), Some(Arc::new(service.clone()))).into());
        assert_eq!(stored.key, key.as_bytes());
        let read = ForNames::decode(&stored.key, stored.value.as_deref()).unwrap().unwrap();
        assert_eq!(read, lb::Change::Brief(service.key.clone(), Some(Brief::of(&service))).into());
        let again = ForNames::encode(&read);
        assert_eq!(ForNames::decode(&again.key, again.value.as_deref()), Ok(Some(read.clone())));
        let mut view = Cluster::default();
        ForNames::apply(&mut view, &read);
        assert_eq!(ForNames::before(&view, &read), again.value);
        let gone = ForNames::decode(&stored.key, None).unwrap().unwrap();
        ForNames::apply(&mut view, &gone);
        assert_eq!(view.lb, lb::View::default());
    }

    #[test]
    fn what_names_do_not_follow_from_is_not_kept() {
        let epoch = Stored::encode(&lb::Change::Epoch(7).into());
        assert!(Stored::decode(&epoch.key, epoch.value.as_deref()).unwrap().is_some());
        assert_eq!(ForNames::decode(&epoch.key, epoch.value.as_deref()), Ok(None));
        assert!(ForNames::decode(b"/polder/ipam/pools/x", Some(b"\xff")).is_err());
    }
}
