//! The zones that are counted by name: the cluster's, the two that its reverse zones are in, and the first stored ones that are asked for.
//! The number is bounded, so a zone keeps its place until the process ends, whether it is still there or not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use polder_core::dns::DomainName;
use polder_core::dns::wire::Question;

use super::lane::Place;

/// Stored zones that are counted by name; the others together are `other`.
pub(super) const MOST_ZONES: usize = 64;

/// See the module.
#[derive(Debug)]
pub(super) struct Zones {
    cluster: String,
    places: ArcSwap<HashMap<Box<[u8]>, Place>>,
    /// The names of stored zones in the order of their places. Held while a place is given.
    names: Mutex<Vec<String>>,
}

impl Zones {
    pub(super) fn new(cluster: &DomainName) -> Self {
        Self { cluster: cluster.to_string(), places: ArcSwap::default(), names: Mutex::default() }
    }

    /// The place of the stored zone that is the last `length` bytes of the name in this query.
    pub(super) fn place(&self, query: &[u8], length: u8) -> Place {
        let question = Question::read(query);
        let name = question.as_ref().map_or(&[][..], Question::name);
        let Some(zone) = name.len().checked_sub(length.into()).and_then(|start| name.get(start..)) else { return Place::OTHER };
        let places = self.places.load();
        match places.get(zone) {
            Some(place) => *place,
            None if places.len() >= MOST_ZONES => Place::OTHER,
            None => self.give(zone),
        }
    }

    /// Gives a place to a zone that has none.
    fn give(&self, zone: &[u8]) -> Place {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let mut places = HashMap::clone(&self.places.load());
        if let Some(place) = places.get(zone) {
            return *place;
        }
        let Some(name) = DomainName::from_wire(zone).filter(|_| names.len() < MOST_ZONES) else { return Place::OTHER };
        let place = Place(Place::STORED + names.len());
        names.push(name.to_string());
        places.insert(zone.into(), place);
        self.places.store(Arc::new(places));
        place
    }

    pub(super) fn name(&self, place: Place) -> String {
        match place {
            Place::OUTSIDE => ".".to_owned(),
            Place::CLUSTER => self.cluster.clone(),
            Place::REVERSE_IPV4 => "in-addr.arpa.".to_owned(),
            Place::REVERSE_IPV6 => "ip6.arpa.".to_owned(),
            Place(stored) => {
                let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
                let name = stored.checked_sub(Place::STORED).and_then(|nth| names.get(nth));
                name.cloned().unwrap_or_else(|| "other".to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use polder_core::dns::RecordType;
    use polder_core::dns::wire::encode_query;

    use super::*;

    fn query(name: &str) -> Vec<u8> {
        encode_query(1, &name.parse().unwrap(), RecordType::A)
    }

    #[test]
    fn the_first_zones_have_their_names_and_the_others_none() {
        let zones = Zones::new(&"cluster.local".parse().unwrap());
        for nth in 0..100 {
            let zone = format!("z{nth}.example");
            let length = zone.parse::<DomainName>().unwrap().as_wire().len() as u8;
            let mut query = query(&format!("www.{zone}"));
            let place = zones.place(&query, length);
            query.make_ascii_uppercase();
            assert_eq!(zones.place(&query, length), place, "in other letters");
            assert_eq!(zones.name(place), if nth < MOST_ZONES { format!("{zone}.") } else { "other".to_owned() });
        }
        for spoiled in [&query("a.b")[..13], &[]] {
            assert_eq!(zones.place(spoiled, 4), Place::OTHER);
        }
        assert_eq!(zones.place(&query("a.b"), 200), Place::OTHER);
    }
}
