//! What does not depend on the order in which services are made:
//!
//! * wishes by name that do not meet: each gets its verdict, whoever comes first;
//! * sharers of one address that have no port in common: all get it;
//! * services without a wish that may use the same pools, want one family and share nothing: how many of them get an address, and
//!   which addresses these are. Those that come last wait, and are served in that order.
//!
//! All else may: of two that name the same address the first has it, and a service that may use two pools may take the last address
//! of the one on which another depends. Nobody is moved for somebody else's sake.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::fixture::{Site, addr, any_of, port};
use super::*;

const MANY: usize = 14;

fn order() -> impl Strategy<Value = Vec<usize>> {
    Just((0..MANY).collect::<Vec<_>>()).prop_shuffle()
}

/// Two pools for everybody, one for a few; some addresses reserved.
fn site() -> Site {
    let mut site = Site::default();
    site.pool("service", Purpose::ClusterService, &["172.28.0.0/24"], |_| {});
    site.pool("a", Purpose::ExternalService, &["10.0.0.0-10.0.0.5"], |_| {});
    site.pool("b", Purpose::ExternalService, &["10.0.1.0-10.0.1.3"], |pool| pool.priority = 1);
    site.pool("few", Purpose::ExternalService, &["10.0.2.0-10.0.2.3"], |pool| pool.selectors.objects = any_of("tier=gold"));
    site.reserve("kept", "10.0.0.2-10.0.0.3", "somebody");
    site
}

/// What one service gets, or why it gets nothing.
fn verdict(answer: Result<Service, crate::reason::Refusal>) -> Result<Vec<String>, Reason> {
    let answer = answer.map_err(|refusal| refusal.reason)?;
    Ok(answer.external.iter().map(|vip| format!("{} of {}", vip.address, vip.pool)).collect())
}

/// The wish of one of many: a name of its own for some address, good or bad.
fn named(site: &mut Site, number: usize) -> Result<Vec<String>, Reason> {
    let wish = match number {
        0..=5 => format!("10.0.0.{number}"),
        6..=9 => format!("10.0.1.{}", number - 6),
        10 => "10.0.2.1".to_owned(),
        _ => format!("192.0.2.{number}"),
    };
    verdict(site.create(&format!("n/s{number}"), |spec| spec.external.addresses = vec![addr(&wish)]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn wishes_that_do_not_meet_have_the_same_verdicts_in_every_order(order in order()) {
        let mut usual = site();
        let expected: BTreeMap<usize, _> = (0..MANY).map(|number| (number, named(&mut usual, number))).collect();
        let mut site = site();
        let told: BTreeMap<usize, _> = order.into_iter().map(|number| (number, named(&mut site, number))).collect();
        prop_assert_eq!(&told, &expected);
        let reasons: Vec<_> = [2, 10, 11].map(|number| expected[&number].clone().unwrap_err()).into();
        prop_assert_eq!(reasons, [Reason::AddressReserved, Reason::NoEligiblePool, Reason::AddressNotInPool]);
        prop_assert_eq!(expected[&4].clone(), Ok(vec!["10.0.0.4 of a".to_owned()]));
        site.check();
    }

    #[test]
    fn sharers_without_a_port_in_common_get_the_address_in_every_order(order in order(), named in any::<bool>()) {
        let mut site = site();
        for number in order {
            let shared = |spec: &mut ServiceSpec| {
                spec.external.sharing_key = "key".to_owned();
                spec.external.addresses = if named { vec![addr("10.0.1.0")] } else { Vec::new() };
                spec.ports = vec![port(Protocol::Tcp, u16::try_from(number).unwrap() + 1)];
            };
            prop_assert_eq!(verdict(site.create(&format!("n/s{number}"), shared)), Ok(vec!["10.0.1.0 of b".to_owned()]));
        }
        site.check();
    }

    #[test]
    fn alike_services_get_the_same_addresses_in_every_order_and_wait_in_theirs(order in order(), gone in order()) {
        let mut site = site();
        let name = |number: &usize| format!("n/s{number}");
        for number in &order {
            site.create(&name(number), |_| {}).unwrap();
        }
        let outside = |site: &Site| {
            let all = site.cluster.lb.services().flat_map(|service| &service.external).map(|vip| vip.address.to_string());
            all.collect::<std::collections::BTreeSet<_>>()
        };
        // Eight can be had: four of the pool that goes first, four of the other.
        let given = outside(&site);
        let expected = ["10.0.0.0", "10.0.0.1", "10.0.0.4", "10.0.0.5", "10.0.1.0", "10.0.1.1", "10.0.1.2", "10.0.1.3"];
        prop_assert!(given.iter().map(String::as_str).eq(expected), "{given:?}");
        let mut waiting: std::collections::VecDeque<String> = order[8..].iter().map(name).collect();
        prop_assert!(site.heal().is_empty());
        for number in gone {
            let left = name(&number);
            let waited = waiting.iter().position(|waiting| *waiting == left);
            site.delete(&left, "").unwrap();
            let next = match waited {
                Some(place) => waiting.remove(place).and(None),
                None => waiting.pop_front(),
            };
            prop_assert_eq!(site.heal(), next.into_iter().collect::<Vec<_>>());
            if !waiting.is_empty() {
                prop_assert_eq!(outside(&site), given.clone());
            }
        }
        site.check();
    }
}
