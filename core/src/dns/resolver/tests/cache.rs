use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::super::cache::{Bounds, Looked, Shard};
use super::super::reply::Life;
use super::super::response::Answer;
use super::super::settings::CacheSpec;
use super::{Sent, key};
use crate::dns::{RecordType, Seed};

const ROOMY: Bounds = Bounds { entries: 100, bytes: 1 << 20 };

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn shard(spec: CacheSpec, bounds: Bounds) -> Shard {
    Shard::new(spec, bounds, Seed(3))
}

fn address(name: &str, ttl: u32) -> Arc<Answer> {
    let key = key(name, RecordType::A);
    let sent = Sent::to(&key, 0).with(name, ttl, RecordType::A, "192.0.2.1");
    Arc::new(Answer::read(&key, 7, &sent.bytes).unwrap())
}

fn nothing(name: &str, ttl: u32) -> Arc<Answer> {
    let key = key(name, RecordType::A);
    let sent = Sent::to(&key, 3).at(1).with(name, ttl, RecordType::SOA, "4000");
    Arc::new(Answer::read(&key, 7, &sent.bytes).unwrap())
}

fn keep(shard: &mut Shard, name: &str, answer: &Arc<Answer>, now: u64) -> usize {
    shard.keep(&key(name, RecordType::A), answer, seconds(now))
}

fn look(shard: &mut Shard, name: &str, now: u64) -> Looked {
    shard.look(&key(name, RecordType::A), seconds(now))
}

fn is_fresh(looked: &Looked) -> bool {
    matches!(looked, Looked::Fresh { .. })
}

#[test]
fn an_answer_is_fresh_then_stale_then_gone() {
    let mut shard = shard(CacheSpec { stale: 100, ..CacheSpec::default() }, ROOMY);
    keep(&mut shard, "a", &address("a", 60), 1000);
    let Looked::Fresh { life, age, .. } = look(&mut shard, "a", 1059) else { panic!("it is fresh") };
    assert_eq!((life, age), (Life::Fresh { spent: 59, most: 3600 }, seconds(59)));
    assert!(matches!(look(&mut shard, "a", 1060), Looked::Stale { hold: false, .. }));
    assert!(matches!(look(&mut shard, "a", 1159), Looked::Stale { .. }));
    assert_eq!(look(&mut shard, "a", 1160), Looked::Missing);
    assert_eq!(look(&mut shard, "b", 1000), Looked::Missing);
    assert_eq!(shard.look(&key("a", RecordType::AAAA), seconds(1000)), Looked::Missing);
}

#[test]
fn times_have_their_bounds() {
    let spec = CacheSpec { ttl: 100, negative_ttl: 50, minimum: 10, stale: 0, ..CacheSpec::default() };
    for (answer, last) in [(address("a", 3600), 99), (nothing("a", 3600), 49), (address("a", 0), 9), (address("a", 70), 69)] {
        let mut shard = shard(spec, ROOMY);
        keep(&mut shard, "a", &answer, 0);
        assert!(is_fresh(&look(&mut shard, "a", last)) && look(&mut shard, "a", last + 1) == Looked::Missing);
    }
    let mut shard = shard(CacheSpec::default(), ROOMY);
    keep(&mut shard, "a", &address("a", 0), 0);
    assert_eq!(look(&mut shard, "a", 0), Looked::Missing, "no time to live: not kept");
}

#[test]
fn negative_answers_are_never_given_after_their_end() {
    let mut shard = shard(CacheSpec::default(), ROOMY);
    keep(&mut shard, "a", &nothing("a", 60), 0);
    assert_eq!((is_fresh(&look(&mut shard, "a", 59)), look(&mut shard, "a", 60)), (true, Looked::Missing));
    assert_eq!(shard.counts(), (0, 1));
}

#[test]
fn a_failure_shadows_no_good_answer() {
    let mut shard = shard(CacheSpec { stale: 100, ..CacheSpec::default() }, ROOMY);
    let a = key("a", RecordType::A);
    keep(&mut shard, "a", &address("a", 60), 0);
    let (given, _) = shard.fail(&a, seconds(70));
    assert_eq!(given.unwrap().1, seconds(70));
    assert!(matches!(look(&mut shard, "a", 99), Looked::Stale { hold: true, .. }));
    assert!(matches!(look(&mut shard, "a", 100), Looked::Stale { hold: false, .. }), "then it is asked again");
    assert_eq!(shard.fail(&a, seconds(500)), (None, 0));
    let Looked::Fresh { answer, .. } = look(&mut shard, "a", 504) else { panic!("the failure is remembered") };
    assert!(answer.is_failure());
    assert_eq!(look(&mut shard, "a", 505), Looked::Missing);
    keep(&mut shard, "b", &address("b", 60), 0);
    assert_eq!(shard.fail(&key("b", RecordType::A), seconds(59)), (None, 0));
    assert!(matches!(look(&mut shard, "b", 59), Looked::Fresh { answer, .. } if !answer.is_failure()), "it is still good");
}

#[test]
fn popular_answers_are_fetched_before_their_end_once() {
    let mut shard = shard(CacheSpec { prefetch: 2, ..CacheSpec::default() }, ROOMY);
    keep(&mut shard, "a", &address("a", 100), 0);
    let asks = |shard: &mut Shard, now| matches!(look(shard, "a", now), Looked::Fresh { prefetch: true, .. });
    assert!(!asks(&mut shard, 10) && !asks(&mut shard, 89));
    assert!(asks(&mut shard, 90) && !asks(&mut shard, 91));
    keep(&mut shard, "a", &address("a", 100), 92);
    assert!(!asks(&mut shard, 191), "it was asked for only once since");
}

#[test]
fn an_answer_without_room_takes_the_one_before_along() {
    let (one, other) = (address("a", 60), nothing("a", 60));
    assert!(one.records.len() < other.records.len());
    let mut roomy = shard(CacheSpec::default(), ROOMY);
    keep(&mut roomy, "a", &one, 0);
    let mut shard = shard(CacheSpec::default(), Bounds { entries: 9, bytes: roomy.bytes() });
    keep(&mut shard, "a", &one, 0);
    assert!(is_fresh(&look(&mut shard, "a", 1)));
    assert_eq!(
        (keep(&mut shard, "a", &other, 1), look(&mut shard, "a", 1), shard.counts(), shard.bytes()),
        (1, Looked::Missing, (0, 0), 0)
    );
}

#[test]
fn what_is_not_asked_for_goes_first() {
    let mut shard = shard(CacheSpec::default(), Bounds { entries: 3, ..ROOMY });
    ["a", "b", "c"].iter().for_each(|name| _ = keep(&mut shard, name, &address(name, 60), 0));
    assert!(is_fresh(&look(&mut shard, "a", 1)));
    assert_eq!(keep(&mut shard, "d", &address("d", 60), 2), 1);
    assert!(is_fresh(&look(&mut shard, "a", 3)) && look(&mut shard, "b", 3) == Looked::Missing);
    // `c` is the next that nobody asked for; of those whose time is over a question saves none.
    assert!(is_fresh(&look(&mut shard, "c", 3)));
    assert_eq!(keep(&mut shard, "e", &address("e", 60), 61), 1);
    assert_eq!(look(&mut shard, "c", 61), Looked::Missing);
    assert_eq!(shard.resize(CacheSpec::default(), Bounds { entries: 1, ..ROOMY }, seconds(62)), 2);
    shard.clear();
    assert_eq!((shard.counts(), shard.bytes()), ((0, 0), 0));
}

#[derive(Debug, Clone)]
enum Step {
    Keep { name: usize, ttl: u32, negative: bool },
    Fail { name: usize },
    Look { name: usize },
    Resize { entries: usize, bytes: usize },
    Wait { seconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_usize..12, 0_u32..120, any::<bool>()).prop_map(|(name, ttl, negative)| Step::Keep { name, ttl, negative }),
        1 => (0_usize..12).prop_map(|name| Step::Fail { name }),
        4 => (0_usize..12).prop_map(|name| Step::Look { name }),
        1 => (0_usize..8, 0_usize..3000).prop_map(|(entries, bytes)| Step::Resize { entries, bytes }),
        2 => (0_u64..90).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

proptest! {
    /// Never over its bounds, and never more time than was given, whatever happens in whatever order.
    #[test]
    fn bounds_and_times_hold(steps in prop::collection::vec(step(), 1..120)) {
        let spec = CacheSpec { ttl: 60, negative_ttl: 30, stale: 40, minimum: 5, prefetch: 1, ..CacheSpec::default() };
        let mut bounds = Bounds { entries: 6, bytes: 2000 };
        let mut shard = shard(spec, bounds);
        let mut given: HashMap<usize, (u64, u32)> = HashMap::new();
        let mut now = 0_u64;
        for step in steps {
            match step {
                Step::Keep { name, ttl, negative } => {
                    let text = format!("n{name}");
                    let answer = if negative { nothing(&text, ttl) } else { address(&text, ttl) };
                    keep(&mut shard, &text, &answer, now);
                    given.insert(name, (now, ttl));
                }
                Step::Fail { name } => _ = shard.fail(&key(&format!("n{name}"), RecordType::A), seconds(now)),
                Step::Look { name } => {
                    let (since, ttl) = given.get(&name).copied().unwrap_or_default();
                    match look(&mut shard, &format!("n{name}"), now) {
                        Looked::Fresh { answer, life: Life::Fresh { spent, most }, .. } if !answer.is_failure() => {
                            let told = answer.records().map(|record| record.ttl.min(most).saturating_sub(spent)).max();
                            let left = u64::from(ttl.min(60)).saturating_sub(now - since);
                            prop_assert!(told.map_or(0, u64::from) <= left);
                            prop_assert!(now - since < 60);
                        }
                        Looked::Stale { answer, age, .. } => {
                            prop_assert!(!answer.is_negative() && age < seconds(100));
                        }
                        _ => {}
                    }
                }
                Step::Resize { entries, bytes } => {
                    bounds = Bounds { entries, bytes };
                    shard.resize(spec, bounds, seconds(now));
                }
                Step::Wait { seconds } => now += seconds,
            }
            let (positive, negative) = shard.counts();
            prop_assert!(positive + negative <= bounds.entries && shard.bytes() <= bounds.bytes);
        }
    }
}
