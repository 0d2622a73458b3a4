//! Lists of allocations visit an index, and miss nothing.

use proptest::prelude::*;

use super::*;
use crate::ipam::Having;

/// Names of what there is in [`crowd`], and one of each kind that there is not.
const NODES: [&str; 4] = ["node-a", "node-b", "node-c", "node-x"];
const SPACES: [&str; 4] = ["shop", "ops", "dev", "none"];
const POOLS: [&str; 4] = ["pod", "spare", "tiny", "nowhere"];

/// Pods on three nodes, in three namespaces, from three pools; `seed` says how many where. Some are released.
fn crowd(seed: &[(u8, u8, u8, bool)]) -> World {
    let mut world = World::usual();
    world.node("node-c");
    world.pool("spare", Purpose::Pod, &["10.3.0.0/24"]);
    world.pool("tiny", Purpose::Pod, &["10.4.0.0/30"]);
    for (n, (node, space, pool, kept)) in seed.iter().enumerate() {
        let mut wish = pod(&format!("p{n}"), NODES[usize::from(node % 3)]);
        wish.owner.namespace = Some(SPACES[usize::from(space % 3)].parse().unwrap());
        wish.pools = vec![POOLS[usize::from(pool % 3)].parse().unwrap()];
        let given = world.allocate(&wish);
        if given.is_ok() && !kept {
            world.release(&format!("p{n}"));
        }
    }
    world
}

proptest! {
    #[test]
    fn a_list_visits_an_index_and_misses_nothing(
        seed in prop::collection::vec((0u8..3, 0u8..3, 0u8..12, any::<bool>()), 0..60),
        (node, space, pool, one) in (prop::option::of(0usize..4), prop::option::of(0usize..4), prop::option::of(0usize..4), 0usize..200),
        after in prop::option::of(0usize..60),
    ) {
        let world = crowd(&seed);
        let view = &world.cluster.ipam;
        let all: Vec<&Arc<Allocation>> = view.allocations(None).map(|(_, held)| held).filter(|held| held.is_held()).collect();
        let chosen = all.get(one);
        let having = Having {
            uid: chosen.filter(|_| one % 3 == 0).map(|one| one.meta.uid),
            handle: chosen.filter(|_| one % 3 == 1).map(|one| &*one.handle),
            address: chosen.filter(|_| one % 3 == 2).map(|one| one.holdings[0].address),
            node: node.map(|at| NODES[at].parse().unwrap()),
            namespace: space.map(|at| SPACES[at].parse().unwrap()),
            pool: pool.map(|at| POOLS[at].parse().unwrap()),
        };
        let after = after.and_then(|at| all.get(at)).map(|one| one.meta.uid);
        let on_node = |one: &Allocation| having.node.as_ref().is_none_or(|node| one.owner.node.as_ref() == Some(node));
        let in_space = |one: &Allocation| having.namespace.as_ref().is_none_or(|space| one.owner.namespace.as_ref() == Some(space));
        let has = |one: &Allocation| {
            let pools = || one.holdings.iter().filter_map(|holding| view.pool_of(holding.address));
            on_node(one) && in_space(one)
                && having.uid.is_none_or(|uid| one.meta.uid == uid)
                && having.handle.is_none_or(|handle| *one.handle == *handle)
                && having.address.is_none_or(|address| one.holdings.iter().any(|holding| holding.address == address))
                && having.pool.as_ref().is_none_or(|name| pools().any(|pool| pool.name == *name))
        };
        let later = |one: &&Arc<Allocation>| after.is_none_or(|after| one.meta.uid > after);
        let wanted: Vec<_> = all.iter().copied().filter(later).filter(|one| has(one)).map(|one| one.meta.uid).collect();
        let visited: Vec<_> = view.listed(&having, after).collect();
        let found: Vec<_> = visited.iter().filter(|one| has(one)).map(|one| one.meta.uid).collect();
        prop_assert_eq!(found, wanted);
        let single = having.uid.is_some() || having.handle.is_some() || having.address.is_some();
        let counts = [all.iter().filter(|one| on_node(one)).count(), all.iter().filter(|one| in_space(one)).count()];
        let most = if single { 1 } else { counts[0].min(counts[1]) };
        prop_assert!(visited.len() <= most, "it looked at {} of {:?}", visited.len(), counts);
    }
}
