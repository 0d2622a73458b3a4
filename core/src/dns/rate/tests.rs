use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::super::network::Networks;
use super::*;

const LIMITS: Limits = Limits { positive: 5, negative: 3, errors: 1, slip: 2 };

fn network(number: u32) -> Network {
    Networks { ipv4: 32, ipv6: 128 }.of(IpAddr::from(Ipv4Addr::from(number)))
}

#[test]
fn what_is_over_the_limit_is_cut_or_dropped_in_turn_until_the_next_second() {
    let table = Table::new(LIMITS, 64, Seed(1));
    let judge = |second| table.judge(network(1), Kind::Negative, second);
    for second in [0, 1, 7] {
        let verdicts: Vec<Verdict> = (0..7).map(|_| judge(second)).collect();
        use Verdict::{Cut, Drop, Pass};
        assert_eq!(verdicts, [Pass, Pass, Pass, Drop, Cut, Drop, Cut]);
    }
    // Another kind and another network have counts of their own.
    assert_eq!(table.judge(network(1), Kind::Positive, 7), Verdict::Pass);
    assert_eq!(table.judge(network(2), Kind::Negative, 7), Verdict::Pass);
}

#[test]
fn no_limit_limits_nothing_and_slip_may_be_all_or_none() {
    let verdicts = |slip, errors| {
        let table = Table::new(Limits { slip, errors, ..LIMITS }, 64, Seed(1));
        (0..100).map(|_| table.judge(network(1), Kind::Error, 3)).collect::<Vec<_>>()
    };
    assert!(verdicts(2, 0).iter().all(|verdict| *verdict == Verdict::Pass));
    assert!(verdicts(0, 1)[1..].iter().all(|verdict| *verdict == Verdict::Drop));
    assert!(verdicts(1, 1)[1..].iter().all(|verdict| *verdict == Verdict::Cut));
}

#[test]
fn a_flood_beyond_what_can_be_counted_is_dropped() {
    let table = Table::new(Limits { errors: Limits::MOST, slip: 1, ..LIMITS }, 4, Seed(1));
    let passed = (0..Limits::MOST + 100).filter(|_| table.judge(network(1), Kind::Error, 3) == Verdict::Pass).count();
    assert_eq!(passed, Limits::MOST as usize);
    assert_eq!(table.judge(network(1), Kind::Error, 3), Verdict::Drop);
    assert_eq!(table.judge(network(1), Kind::Error, 4), Verdict::Pass);
}

#[test]
fn threads_that_count_at_once_let_no_more_pass() {
    let table = Table::new(Limits { positive: 1000, ..LIMITS }, 8, Seed(1));
    let passed = |first: u32| {
        let all = (0..4000).map(|turn| table.judge(network((first + turn) % 3), Kind::Positive, 9));
        all.filter(|verdict| *verdict == Verdict::Pass).count()
    };
    let total: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|first| scope.spawn(move || passed(first))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    // Three networks and more answers to each than it may have; four places.
    assert!((1000..=3000).contains(&total), "{total}");
}

#[test]
fn few_networks_share_a_place() {
    // A quarter of the places in use by strangers who have taken all that they may.
    let table = Table::new(LIMITS, 1 << 14, Seed(0x5eed));
    for stranger in 0..1 << 12 {
        for _ in 0..10 {
            let _ = table.judge(network(stranger), Kind::Positive, 4);
        }
    }
    let met = (0..2000).filter(|client| table.judge(network(1 << 20 | client), Kind::Positive, 4) != Verdict::Pass);
    let met = met.count();
    // They take places themselves: at the end three of eight are in use.
    assert!(met < 100, "{met} of 2000 honest clients met a stranger");
}

proptest! {
    #[test]
    fn no_network_gets_more_than_its_limit_in_a_second(
        answers in prop::collection::vec((0_u32..40, 0_usize..3, 0_u64..2), 1..2000),
        places in 1_usize..64,
        seed: u64,
        start in prop_oneof![Just(0), Just((1_u64 << 24) - 20), any::<u32>().prop_map(u64::from)],
    ) {
        let table = Table::new(LIMITS, places, Seed(seed));
        let mut second = start;
        let mut passed: HashMap<(u32, usize, u64), u32> = HashMap::new();
        for (client, kind, later) in answers {
            second += later;
            let (kind, limit) = [(Kind::Positive, 5), (Kind::Negative, 3), (Kind::Error, 1)][kind];
            if table.judge(network(client), kind, second) == Verdict::Pass {
                let count = passed.entry((client, kind as usize, second)).or_default();
                *count += 1;
                prop_assert!(*count <= limit);
            }
        }
    }

    #[test]
    fn entries_keep_what_they_are_given(tag in 0_u32..1 << TAG_BITS, second in 0_u32..1 << SECOND_BITS, count in 0_u32..1 << COUNT_BITS) {
        let entry = Entry { tag, second, count };
        prop_assert_eq!(Entry::of(entry.word()), entry);
    }
}
