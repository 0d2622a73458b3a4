//! What one client sees.

use super::super::name::{is_under, suffixes};
use super::super::record::RecordType;
use super::super::snapshot::{At, Implied, Set, Snapshot};
use super::super::wire::{FIXED, split_records};
use super::clients::Seen;
use crate::net::Label;

/// A snapshot as one client sees it.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'a> {
    names: &'a Snapshot,
    view: Option<&'a Seen>,
    /// The zones of the view, where it has any.
    layer: Option<&'a Snapshot>,
}

impl<'a> Sight<'a> {
    pub(in crate::dns) fn new(names: &'a Snapshot, view: Option<&'a Seen>) -> Self {
        Self { names, view, layer: view.and_then(|view| names.layer(&view.name)) }
    }

    /// The view.
    #[must_use]
    pub fn view(&self) -> Option<&'a Label> {
        self.view.map(|view| &view.name)
    }

    /// Where the name is looked for: the innermost of all zones that have it and are seen; the view's own stands for another one with the
    /// same apex.
    #[must_use]
    pub fn tables(&self, name: &[u8]) -> &'a Snapshot {
        let own = self.layer.and_then(|layer| Some((layer, layer.stored_zone_of(name)?)));
        let Some((layer, zone)) = own else { return self.names };
        let everybodys = self.names.zone_of(name).map_or(0, <[u8]>::len);
        if zone.len() >= everybodys { layer } else { self.names }
    }

    /// The cluster's names, and what is the same for all.
    pub(in crate::dns) const fn names(&self) -> &'a Snapshot {
        self.names
    }

    /// Whether the name is one of a namespace that does not exist here.
    pub(in crate::dns) fn hides(&self, name: &[u8]) -> bool {
        // Without a view that sees only some, a name costs nothing more.
        self.view.is_some_and(|view| view.visible.is_some())
            && namespace(name, self.names.settings().zone().as_wire()).is_some_and(|space| self.hides_namespace(space))
    }

    fn hides_namespace(&self, space: &[u8]) -> bool {
        let visible = self.view.and_then(|view| view.visible.as_deref());
        visible.is_some_and(|visible| visible.binary_search_by(|label| label.as_str().as_bytes().cmp(space)).is_err())
    }

    /// Whether what stands here is the name of an address in such a namespace. Where several services share one, all of them have to be
    /// seen.
    pub(in crate::dns) fn hides_names_of(&self, place: At<'_>) -> bool {
        if self.view.is_none_or(|view| view.visible.is_none()) {
            return false;
        }
        match place {
            At::Kept(node) => node.set(RecordType::PTR).is_some_and(|set| names_in(set).any(|name| self.hides(name))),
            At::Implied(Implied::Address(address)) => {
                self.names.fronts(address).any(|service| self.hides_namespace(service.namespace().as_bytes()))
            }
            At::Implied(_) => false,
        }
    }
}

fn names_in(set: Set<'_>) -> impl Iterator<Item = &[u8]> {
    split_records(set.answer()).filter_map(|record| record.get(FIXED..))
}

/// The label of the namespace that a name of the cluster is in.
fn namespace<'a>(name: &'a [u8], zone: &[u8]) -> Option<&'a [u8]> {
    if !is_under(name, zone) {
        return None;
    }
    let is_place = |suffix: &[u8]| [b"\x03svc", b"\x03pod"].iter().any(|place| suffix.strip_prefix(*place) == Some(zone));
    let (space, _) = suffixes(name).zip(suffixes(name).skip(1)).find(|(_, above)| is_place(above))?;
    space.get(1..=usize::from(*space.first()?))
}

#[cfg(test)]
mod tests {
    use super::super::super::name::DomainName;
    use super::*;

    #[test]
    fn a_name_of_the_cluster_says_its_namespace() {
        let zone: DomainName = "cluster.local".parse().unwrap();
        let read = |name: &str| {
            let name: DomainName = name.parse().unwrap();
            namespace(name.as_wire(), zone.as_wire()).map(|label| String::from_utf8_lossy(label).into_owned())
        };
        for name in ["web.shop.svc", "shop.svc", "_http._tcp.web.shop.svc", "10-0-0-1.shop.pod", "a.b.c.shop.svc"] {
            assert_eq!(read(&format!("{name}.cluster.local")).as_deref(), Some("shop"), "{name}");
        }
        for name in ["cluster.local", "svc.cluster.local", "dns-version.cluster.local", "web.shop.svc.example.com", "svc"] {
            assert_eq!(read(name), None, "{name}");
        }
    }
}
