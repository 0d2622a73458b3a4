//! Known keys against a map of the standard library, and what they take of memory.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

type Model = BTreeMap<Vec<u8>, Revision>;

fn entries(known: &Known, start: &[u8]) -> Vec<(Vec<u8>, Revision)> {
    let mut cursor = known.from(start);
    let mut entries = Vec::new();
    while let Some((key, revision)) = cursor.get() {
        entries.push((key.to_vec(), revision));
        cursor.advance();
    }
    entries
}

fn built(model: &Model) -> Known {
    let mut builder = Builder::default();
    model.iter().for_each(|(key, revision)| builder.push(key, *revision));
    builder.finish()
}

/// Keys that share much with one another, some of them being the beginning of others, and the empty one.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let part = prop::sample::select(vec!["", "/", "a", "b", "ab", "/polder/lb/services/", "app-", "1", "\u{ff}"]);
    let short = prop::collection::vec(part, 0..5).prop_map(|parts| parts.concat().into_bytes());
    let numbered = (0u32..600).prop_map(|number| format!("/polder/lb/services/shop/app-{number}").into_bytes());
    prop_oneof![1 => short, 3 => numbered, 1 => prop::collection::vec(any::<u8>(), 0..300)]
}

#[derive(Debug, Clone)]
enum Step {
    Insert(Vec<u8>, u64),
    Remove(Vec<u8>),
    /// Removes the first keys behind one.
    RemoveMany(Vec<u8>, usize),
    Look(Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    let revision = prop_oneof![0u64..1000, any::<u64>()];
    prop_oneof![
        8 => (key(), revision).prop_map(|(key, revision)| Step::Insert(key, revision)),
        3 => key().prop_map(Step::Remove),
        1 => (key(), 0usize..150).prop_map(|(key, keys)| Step::RemoveMany(key, keys)),
        1 => key().prop_map(Step::Look),
    ]
}

fn check(known: &Known, model: &Model) {
    assert_eq!(entries(known, b""), model.clone().into_iter().collect::<Vec<_>>());
    assert_eq!(known.len(), model.len());
    assert!(known.blocks.iter().all(|block| (1..=MOST).contains(&block.count())));
}

proptest! {
    #[test]
    fn known_keys_are_a_map(begun in prop::collection::btree_map(key(), any::<u64>().prop_map(Revision), 0..400),
                            steps in prop::collection::vec(step(), 1..150)) {
        let mut model = begun;
        let mut known = built(&model);
        check(&known, &model);
        for step in steps {
            match step {
                Step::Insert(key, revision) => {
                    known.insert(&key, Revision(revision));
                    model.insert(key, Revision(revision));
                }
                Step::Remove(key) => {
                    known.remove(&key);
                    model.remove(&key);
                }
                Step::RemoveMany(start, keys) => {
                    let gone: Vec<_> = model.range(start..).take(keys).map(|(key, _)| key.clone()).collect();
                    for key in gone {
                        known.remove(&key);
                        model.remove(&key);
                    }
                }
                Step::Look(start) => {
                    let expected: Vec<_> = model.range(start.clone()..).map(|(key, revision)| (key.clone(), *revision)).collect();
                    assert_eq!(entries(&known, &start), expected);
                }
            }
            assert!(known.blocks.iter().all(|block| (1..=MOST).contains(&block.count())));
        }
        check(&known, &model);
    }
}

fn service(number: u32) -> Vec<u8> {
    format!("/polder/lb/services/shop/app-{number}").into_bytes()
}

fn bytes(known: &Known) -> usize {
    let blocks: usize = known.blocks.iter().map(Block::bytes).sum();
    blocks + known.blocks.capacity() * size_of::<Block>()
}

/// In order or not, a key takes little; and what has been deleted takes nothing.
#[test]
fn keys_are_small() {
    const KEYS: u32 = 10_000;
    let of = |number: u32| (service(number), Revision(1_000_000 + u64::from(number)));
    let full = built(&(0..KEYS).map(of).collect());
    assert!(bytes(&full) <= 6 * KEYS as usize, "{} bytes", bytes(&full));
    let mut grown = Known::default();
    // A step that has no common divisor with the number of keys goes through them all.
    for number in (0..KEYS).map(|number| number * 7_919 % KEYS) {
        let (key, revision) = of(number);
        grown.insert(&key, revision);
    }
    assert_eq!(entries(&grown, b""), entries(&full, b""));
    assert!(bytes(&grown) <= 7 * KEYS as usize, "{} bytes", bytes(&grown));
    (0..KEYS).filter(|number| number % 10 > 0).for_each(|number| grown.remove(&service(number)));
    assert!(grown.blocks.len() <= (KEYS as usize / 10).div_ceil(FEW), "{} blocks", grown.blocks.len());
    (0..KEYS).for_each(|number| grown.remove(&service(number)));
    assert!(grown.blocks.is_empty());
}
