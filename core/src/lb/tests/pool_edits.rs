//! What edits of pools, decided as IPAM decides them, do to services: what would take an address is refused, or told beforehand
//! and then done; nothing else moves anybody.

use super::fixture::{Site, addr, any_of, port};
use super::*;
use crate::ipam::pool::{self, Draft, PoolChange, Update};
use crate::ipam::{Action, Eviction, Fields, PoolState, impact};
use crate::net::Name;
use crate::reason::Refusal;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// The pool of external addresses with other ranges, and whatever else `with` says.
fn draft(of: &str, ranges: &[&str], with: impl FnOnce(&mut Draft)) -> Draft {
    let ranges = ranges.iter().map(|range| range.parse().unwrap());
    let mut draft = Draft::new(name(of), Purpose::ExternalService, ranges);
    with(&mut draft);
    draft
}

impl Site {
    fn edit(&mut self, draft: Draft, eviction: Eviction) -> Result<Vec<String>, Refusal> {
        let context = self.ctx();
        let update = Update { draft, fields: Fields::default(), etag: String::new(), allow_missing: false, eviction };
        let changes = pool::update(&self.cluster, &update, context)?.changes;
        Ok(self.take(changes))
    }

    fn apply(&mut self, changes: &[PoolChange], eviction: Eviction) -> Result<Vec<String>, Refusal> {
        let context = self.ctx();
        let changes = pool::apply(&self.cluster, changes, eviction, context)?.changes;
        Ok(self.take(changes))
    }

    /// Commits what IPAM has decided; what was told of evictions before it.
    fn take(&mut self, changes: Vec<crate::ipam::Change>) -> Vec<String> {
        let told = impact(&self.cluster, &changes, self.again());
        changes.into_iter().for_each(|change| self.put(change));
        told.into_iter().filter(|one| one.action == Action::Evict).map(|one| one.description).collect()
    }
}

/// A service that shares its address, one with a wish by name, one of both families, each with an address of the pool.
fn site() -> Site {
    let mut site = Site::usual();
    site.pool("external", Purpose::ExternalService, &["10.0.0.13-10.0.0.20"], |_| {});
    site.pool("service-v6", Purpose::ClusterService, &["fd00:28::/120"], |_| {});
    site.pool("external-v6", Purpose::ExternalService, &["2001:db8::/120"], |_| {});
    let shared = |number| {
        move |spec: &mut ServiceSpec| {
            spec.external.sharing_key = "k".to_owned();
            spec.ports = vec![port(Protocol::Tcp, number)];
        }
    };
    site.create("shop/one", shared(1)).unwrap();
    site.create("shop/two", shared(2)).unwrap();
    site.create("shop/named", |spec| spec.external.addresses = vec![addr("10.0.0.15")]).unwrap();
    site.create("shop/dual", |spec| spec.family_policy = FamilyPolicy::RequireDualStack).unwrap();
    site
}

fn held(site: &Site) -> Vec<String> {
    let each = |service: &std::sync::Arc<Service>| {
        let addresses: Vec<_> = service.external.iter().map(|vip| vip.address.to_string()).collect();
        format!("{} {}", service.key.name, addresses.join(","))
    };
    site.cluster.lb.services().map(each).collect()
}

#[test]
fn what_would_take_an_address_is_refused_with_the_holders() {
    let before = site();
    let split = |left: &str, right: &str| {
        vec![
            PoolChange::Put { draft: Box::new(draft("external", &[left], |_| {})), etag: String::new() },
            PoolChange::Put { draft: Box::new(draft("right", &[right], |_| {})), etag: String::new() },
        ]
    };
    let other_purpose = draft("inside", &["10.0.0.13-10.0.0.20"], |draft| draft.purpose = Some(Purpose::ClusterService));
    let other_purpose =
        vec![PoolChange::Delete(name("external")), PoolChange::Put { draft: Box::new(other_purpose), etag: String::new() }];
    for (what, changes, holders) in [
        ("a gap where a sharer is", split("10.0.0.14-10.0.0.16", "10.0.0.17-10.0.0.20"), 2),
        ("a gap where a wish is", split("10.0.0.13-10.0.0.14", "10.0.0.16-10.0.0.20"), 1),
        ("another purpose", other_purpose, 4),
        ("no pool", vec![PoolChange::Delete(name("external"))], 4),
    ] {
        let mut site = before.clone();
        let refusal = site.apply(&changes, Eviction::Refused).unwrap_err();
        assert_eq!((refusal.reason, refusal.obstacles.len()), (Reason::PoolInUse, holders), "{what}: {refusal:?}");
    }
    let mut site = before;
    let refusal = site.edit(draft("external", &["10.0.0.16-10.0.0.20"], |_| {}), Eviction::Refused).unwrap_err();
    assert_eq!((refusal.reason, refusal.obstacles.len()), (Reason::PoolInUse, 4));
    let refusal = pool::delete(&site.cluster, &name("external"), "", site.again()).unwrap_err();
    assert_eq!(refusal.reason, Reason::PoolInUse);
}

#[test]
fn what_services_still_hold_goes_to_no_pool_of_another_purpose() {
    let mut site = site();
    let pods = |of: &str| draft(of, &["10.0.0.13-10.0.0.20"], |draft| draft.purpose = Some(Purpose::Pod));
    let over = [PoolChange::Delete(name("external")), PoolChange::Put { draft: Box::new(pods("pods")), etag: String::new() }];
    let refusal = site.apply(&over, Eviction::Allowed).unwrap_err();
    assert_eq!(refusal.reason, Reason::PoolInUse, "{refusal:?}");
    assert!(refusal.message.contains("service `shop/"), "{refusal:?}");

    site.apply(&over[..1], Eviction::Allowed).unwrap();
    let context = site.ctx();
    assert_eq!(
        pool::create(&site.cluster, &pods("pods"), context).unwrap_err().reason,
        Reason::PoolInUse,
        "LB has not moved them yet"
    );
    site.heal();
    pool::create(&site.cluster, &pods("pods"), context).unwrap();
}

#[test]
fn what_takes_none_moves_nobody() {
    let before = site();
    let first = held(&before);
    let whole = ["10.0.0.13-10.0.0.20"];
    let edits: Vec<(&str, Draft)> = vec![
        ("draining", draft("external", &whole, |draft| draft.state = PoolState::Draining)),
        ("disabled", draft("external", &whole, |draft| draft.state = PoolState::Disabled)),
        ("only if named", draft("external", &whole, |draft| draft.explicit_only = true)),
        ("other namespaces", draft("external", &whole, |draft| draft.selectors.namespaces = vec!["bank".parse().unwrap()])),
        ("labels of namespaces", draft("external", &whole, |draft| draft.selectors.namespace_labels = any_of("tier=gold"))),
        ("labels of services", draft("external", &whole, |draft| draft.selectors.objects = any_of("tier=gold"))),
        ("another priority", draft("external", &whole, |draft| draft.priority = 9)),
        ("avoids first and last", draft("external", &["10.0.0.13-10.0.0.20"], |draft| draft.avoid_first_last = true)),
        ("shrunk where nobody is", draft("external", &["10.0.0.13-10.0.0.15"], |_| {})),
        ("grown", draft("external", &["10.0.0.10-10.0.0.30"], |_| {})),
    ];
    for (what, edit) in edits {
        let mut site = before.clone();
        assert_eq!(site.edit(edit, Eviction::Refused).unwrap(), [""; 0], "{what}");
        assert_eq!(site.heal(), [""; 0], "{what}");
        for name in ["shop/one", "shop/two", "shop/named", "shop/dual"] {
            site.update(name, |spec| spec.publish_not_ready = true).unwrap();
        }
        assert_eq!(held(&site), first, "{what}");
        assert!(site.cluster.lb.services().all(|service| service.conditions.is_empty()), "{what}");
        site.check();
    }
}

#[test]
fn a_new_name_or_a_split_that_covers_everything_is_followed_in_place() {
    let before = site();
    let first = held(&before);
    let put = |of: &str, ranges: &[&str]| PoolChange::Put { draft: Box::new(draft(of, ranges, |_| {})), etag: String::new() };
    for (what, changes) in [
        ("renamed", vec![PoolChange::Rename { from: name("external"), to: name("outside") }]),
        ("split", vec![put("external", &["10.0.0.13"]), put("right", &["10.0.0.14-10.0.0.20"])]),
        ("moved", vec![PoolChange::Delete(name("external")), put("external-v6", &["2001:db8::/120", "10.0.0.13-10.0.0.20"])]),
    ] {
        let mut site = before.clone();
        assert_eq!(site.apply(&changes, Eviction::Refused).unwrap(), [""; 0], "{what}");
        site.heal();
        assert_eq!(held(&site), first, "{what}");
        site.check();
    }
}

#[test]
fn an_eviction_does_what_was_told_of_it() {
    let mut site = site();
    let told = site.edit(draft("external", &["10.0.0.16-10.0.0.20"], |_| {}), Eviction::Allowed).unwrap();
    let expected = [
        "service shop/dual loses 10.0.0.14 and gets 10.0.0.16",
        "service shop/named loses 10.0.0.15; no other can be had now, so it waits for one",
        "service shop/one loses 10.0.0.13 and gets 10.0.0.17",
        "service shop/two loses 10.0.0.13 and gets 10.0.0.17",
    ];
    assert_eq!(told, expected);
    site.heal();
    let now = ["dual 10.0.0.16,2001:db8::", "named ", "one 10.0.0.17", "two 10.0.0.17"];
    assert_eq!(held(&site), now);
    assert_eq!(site.get("shop/named").conditions[0].reason, Reason::AddressNotInPool);
    // It says the same for the next edit, and other things about it may change meanwhile.
    site.update("shop/named", |spec| spec.publish_not_ready = true).unwrap();
    site.edit(draft("external", &["10.0.0.15-10.0.0.20"], |_| {}), Eviction::Refused).unwrap();
    assert_eq!(site.heal(), ["shop/named"]);
    assert_eq!(site.get("shop/named").external[0].address, addr("10.0.0.15"));
    site.check();
}
