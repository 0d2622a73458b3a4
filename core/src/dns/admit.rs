//! Which connections are open at the same time: bounded in all and for every network of clients, so that nobody takes all of the room.
//! A new one takes the place of the one that has been of no use for longest (RFC 7766 §6.2.3).

use std::time::Duration;

use super::network::Network;

/// The bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Connections in all.
    pub all: usize,
    /// Connections of one network.
    pub each: usize,
    /// A connection that has been idle for less gives way to no other: its query may be on its way.
    pub grace: Duration,
}

/// One open connection.
#[derive(Debug, Clone, Copy)]
pub struct Held<I> {
    /// What the caller calls it.
    pub id: I,
    /// Who has it.
    pub network: Network,
    /// Since when nothing was done for it: the last answer was ready, or it came. `None` while an answer is being found.
    pub idle: Option<Duration>,
}

/// What becomes of a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission<I> {
    /// There is room.
    Free,
    /// There is, once this one is closed.
    InsteadOf(I),
    /// Its network has as many as it may have, none of them idle: it is closed.
    Refused,
    /// Later: all are in use.
    Wait,
}

/// Decides about a new connection of `client`, by those that are open. To close the one that is named, and no other, keeps both bounds.
pub fn admit<I>(open: impl IntoIterator<Item = Held<I>>, client: Network, bounds: Bounds) -> Admission<I> {
    let (mut all, mut own) = (0, 0);
    let (mut oldest, mut oldest_own) = (None, None);
    for Held { id, network, idle } in open {
        let is_own = network == client;
        (all, own) = (all + 1, own + usize::from(is_own));
        let place = if is_own { &mut oldest_own } else { &mut oldest };
        if let Some(idle) = idle.filter(|idle| *idle >= bounds.grace)
            && place.as_ref().is_none_or(|(longest, _)| idle > *longest)
        {
            *place = Some((idle, id));
        }
    }
    if own >= bounds.each {
        return oldest_own.map_or(Admission::Refused, |(_, id)| Admission::InsteadOf(id));
    }
    if all < bounds.all {
        return Admission::Free;
    }
    let longest = oldest.into_iter().chain(oldest_own).max_by_key(|(idle, _)| *idle);
    longest.map_or(Admission::Wait, |(_, id)| Admission::InsteadOf(id))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::super::network::Networks;
    use super::*;

    const GRACE: Duration = Duration::from_secs(1);

    fn network(number: u8) -> Network {
        Networks::default().of(IpAddr::from(Ipv4Addr::new(192, 0, number, 1)))
    }

    fn held(id: usize, client: u8, idle: Option<u64>) -> Held<usize> {
        Held { id, network: network(client), idle: idle.map(Duration::from_secs) }
    }

    fn decide(open: &[Held<usize>], client: u8, all: usize, each: usize) -> Admission<usize> {
        admit(open.iter().copied(), network(client), Bounds { all, each, grace: GRACE })
    }

    #[test]
    fn the_longest_idle_one_gives_way() {
        let open = [held(0, 1, Some(5)), held(1, 2, Some(9)), held(2, 3, None)];
        assert_eq!(decide(&open, 4, 4, 2), Admission::Free);
        assert_eq!(decide(&open, 4, 3, 2), Admission::InsteadOf(1));
        assert_eq!(decide(&open, 1, 3, 2), Admission::InsteadOf(1));
        assert_eq!(decide(&open, 1, 9, 1), Admission::InsteadOf(0));
        assert_eq!(decide(&open, 3, 9, 1), Admission::Refused);
        assert_eq!(decide(&[held(0, 1, Some(0)), held(1, 2, None)], 3, 2, 2), Admission::Wait);
    }

    proptest! {
        /// Clients come, connections become busy and idle and end: the bounds always hold, and nobody who keeps to his share is refused.
        #[test]
        fn bounds_hold_whoever_comes(steps in prop::collection::vec((0_u8..4, 0_usize..12, any::<bool>()), 1..200), all in 1_usize..8, each in 1_usize..5) {
            let mut open: Vec<Held<usize>> = Vec::new();
            for (now, (client, at, busy)) in steps.into_iter().enumerate() {
                if let Some(held) = open.get_mut(at) {
                    held.idle = if busy { None } else { Some(Duration::from_secs(at as u64)) };
                }
                let own = |open: &[Held<usize>]| open.iter().filter(|held| held.network == network(client)).count();
                match decide(&open, client, all, each) {
                    Admission::Free => {}
                    Admission::InsteadOf(id) => {
                        let place = open.iter().position(|held| held.id == id).unwrap();
                        prop_assert!(open[place].idle.is_some_and(|idle| idle >= GRACE));
                        open.remove(place);
                    }
                    Admission::Refused => {
                        prop_assert!(own(&open) >= each);
                        continue;
                    }
                    Admission::Wait => {
                        prop_assert!(open.len() == all && own(&open) < each);
                        continue;
                    }
                }
                open.push(held(now, client, Some(0)));
                prop_assert!(open.len() <= all && own(&open) <= each);
            }
        }
    }
}
