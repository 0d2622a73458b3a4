//! Several pools changed at once: only the result is judged, and what is held stays where it is.

use super::*;
use crate::ipam::pool::PoolChange;
use crate::ipam::record::PoolState;

fn put(name: &str, ranges: &[&str]) -> PoolChange {
    PoolChange::Put { draft: Box::new(draft(name, Purpose::Pod, ranges)), etag: String::new() }
}

fn delete(name: &str) -> PoolChange {
    PoolChange::Delete(name.parse().unwrap())
}

fn rename(from: &str, to: &str) -> PoolChange {
    PoolChange::Rename { from: from.parse().unwrap(), to: to.parse().unwrap() }
}

impl World {
    fn apply_pools(&mut self, changes: &[PoolChange]) -> Result<Vec<String>, Refusal> {
        let context = self.context();
        let before = self.cluster.clone();
        let decision = pool::apply(&self.cluster, changes, Eviction::Refused, context)?;
        let names = self.commit(decision).iter().map(|pool| pool.name.to_string()).collect();
        let held = |cluster: &Cluster| cluster.ipam.allocations(None).map(|(_, one)| Arc::clone(one)).collect::<Vec<_>>();
        assert_eq!(held(&before), held(&self.cluster), "no allocation is touched");
        Ok(names)
    }

    fn pool_of(&self, address: IpAddr) -> &str {
        self.cluster.ipam.pool_of(address).map_or("none", |pool| pool.name.as_str())
    }
}

#[test]
fn a_pool_is_split_and_merged_again_under_its_holders() {
    let mut world = World::usual();
    let low = world.pod("low", "node-a").unwrap();
    let named = allocate::Request { addresses: vec![ip("172.27.200.1")], ..pod("high", "node-b") };
    let high = only(&world.allocate(&named).unwrap());

    let split = [put("pod", &["172.27.0.0/17"]), put("upper", &["172.27.128.0/17"])];
    assert_eq!(world.apply_pools(&split).unwrap(), ["pod", "upper"]);
    assert_eq!((world.pool_of(low), world.pool_of(high)), ("pod", "upper"));
    let more = allocate::Request { pools: vec!["upper".parse().unwrap()], ..pod("more", "node-b") };
    assert_eq!(only(&world.allocate(&more).unwrap()), ip("172.27.200.0"), "the node's block has come along to the new pool");
    assert_eq!(world.cluster.ipam.blocks().count(), 2, "no block was lent for it");

    let merged = [put("pod", &["172.27.0.0/16"]), delete("upper")];
    world.apply_pools(&merged).unwrap();
    assert_eq!((world.pool_of(low), world.pool_of(high)), ("pod", "pod"));
    assert_eq!(world.cluster.ipam.pools().count(), 2);
}

#[test]
fn a_pool_gets_another_name_and_everything_else_stays() {
    let mut world = World::usual();
    let held = world.pod("p", "node-a").unwrap();
    let old = Arc::clone(world.cluster.ipam.pool(&"pod".parse().unwrap()).unwrap());
    world.apply_pools(&[rename("pod", "racks")]).unwrap();
    assert_eq!(world.pool_of(held), "racks");
    let new = world.cluster.ipam.pool(&"racks".parse().unwrap()).unwrap();
    assert_eq!((new.meta.uid, &new.ranges, new.meta.version), (old.meta.uid, &old.ranges, old.meta.version + 1));
    assert_eq!(world.pod("q", "node-a").unwrap(), ip("172.27.0.1"), "the node goes on in its block");
    assert_eq!(world.cluster.ipam.blocks().count(), 1);
    world.wait(Duration::from_secs(3600));
    let context = world.context();
    assert_eq!(crate::ipam::sweep::plan(&world.cluster.ipam, 100, context).answer.blocks, 0, "the block is no stray");

    // Two names change places: nothing is judged on the way.
    world.pool("other", Purpose::Pod, &["10.1.0.0/24"]);
    world.apply_pools(&[rename("racks", "spare")]).unwrap();
    world.apply_pools(&[rename("other", "racks"), rename("spare", "other")]).unwrap();
    assert_eq!((world.pool_of(held), world.pool_of(ip("10.1.0.1"))), ("other", "racks"));
}

#[test]
fn what_cannot_be_is_refused_and_nothing_changes() {
    let mut world = World::usual();
    world.pod("p", "node-a").unwrap();
    world.pool("other", Purpose::Pod, &["10.1.0.0/24"]);
    let refused = |world: &mut World, changes: &[PoolChange]| {
        let before = world.cluster.clone();
        let refusal = world.apply_pools(changes).unwrap_err();
        assert_eq!(before.ipam, world.cluster.ipam);
        refusal
    };
    let lost = refused(&mut world, &[delete("pod"), put("new", &["172.27.128.0/17"])]);
    assert_eq!((lost.reason, lost.metadata["held"].as_str(), lost.obstacles.len()), (Reason::PoolInUse, "1", 1));
    assert_eq!(lost.metadata["ranges"], "172.27.0.0/17");
    let other_purpose =
        PoolChange::Put { draft: Box::new(draft("nodes-2", Purpose::Node, &["172.27.0.0/16"])), etag: String::new() };
    assert_eq!(refused(&mut world, &[delete("pod"), other_purpose]).reason, Reason::PoolInUse, "a pod needs a pool for pods");
    assert_eq!(refused(&mut world, &[put("new", &["10.1.0.128-10.1.1.5"])]).reason, Reason::PoolOverlap);
    assert_eq!(refused(&mut world, &[rename("pod", "other")]).reason, Reason::AlreadyExists);
    assert_eq!(refused(&mut world, &[rename("nope", "x")]).reason, Reason::PoolNotFound);
    assert_eq!(refused(&mut world, &[delete("nope")]).reason, Reason::PoolNotFound);
    let stale = PoolChange::Put { draft: Box::new(draft("other", Purpose::Pod, &["10.1.0.0/25"])), etag: "0-9".to_owned() };
    assert_eq!(refused(&mut world, &[stale]).reason, Reason::EtagMismatch);
    let reserved = refused(&mut world, &[delete("other"), put("bad", &["224.0.0.1"])]);
    assert_eq!(reserved.violations[0].field, "changes[1].put.ranges[0]", "the field where it stands in the request");
    assert!(reserved.message.starts_with("changes[1].put.ranges[0]: "), "{reserved}");
    let aimless = pool::Draft { purpose: None, ..draft("new", Purpose::Pod, &["10.2.0.0/24"]) };
    let aimless = refused(&mut world, &[PoolChange::Put { draft: Box::new(aimless), etag: String::new() }]);
    assert_eq!((aimless.reason, aimless.violations[0].field.as_str()), (Reason::FieldRequired, "changes[0].put.purpose"));
}

#[test]
fn a_change_that_changes_nothing_writes_nothing() {
    let mut world = World::usual();
    let context = world.context();
    let decision = pool::apply(&world.cluster, &[put("pod", &["172.27.0.0/16"])], Eviction::Refused, context).unwrap();
    assert!(decision.changes.is_empty() && decision.answer[0].state == PoolState::Enabled);
}

#[test]
fn the_pools_of_the_network_keep_their_names() {
    let mut world = World::default();
    let context = world.context();
    let ranges = |text: &str| vec![text.parse().unwrap()];
    let typed = crate::ipam::network::Draft {
        node_ranges: ranges("10.0.0.10-10.0.0.19"),
        external_ranges: ranges("10.0.0.20-10.0.0.29"),
        ..Default::default()
    };
    let applied = crate::ipam::network::apply(&world.cluster, &typed, context).unwrap();
    apply(&mut world.cluster, &applied.changes);
    assert_eq!(world.apply_pools(&[rename("pod", "racks")]).unwrap_err().reason, Reason::FieldImmutable);
}

#[test]
fn a_version_of_a_pool_that_there_is_not_makes_none() {
    let mut world = World::usual();
    let change = PoolChange::Put { draft: Box::new(draft("new", Purpose::Pod, &["10.9.0.0/24"])), etag: "00000001-1".to_owned() };
    assert_eq!(world.apply_pools(&[change]).unwrap_err().reason, Reason::PoolNotFound);
    let context = world.context();
    let update = pool::Update {
        draft: draft("new", Purpose::Pod, &["10.9.0.0/24"]),
        fields: crate::ipam::Fields::default(),
        etag: "00000001-1".to_owned(),
        allow_missing: true,
        eviction: Eviction::Refused,
    };
    assert_eq!(pool::update(&world.cluster, &update, context).unwrap_err().reason, Reason::PoolNotFound);
    let made = pool::Update { etag: String::new(), ..update };
    assert!(pool::update(&world.cluster, &made, context).is_ok());
}
