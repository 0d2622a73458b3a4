//! The arithmetic of ranges and sets, against plain sets of numbers, in windows of 256 addresses at the ends of both families.

use std::collections::BTreeSet;

use polder_core::net::range::number;
use polder_core::net::{AddrRange, Family, RangeSet};

use super::Target;
use crate::{Shape, Source};

/// The target.
pub const TARGET: Target = Target { name: "arithmetic", shape: Shape::Bytes, run };

/// The addresses of a window.
const WIDTH: usize = 256;
/// The most ranges of a set.
const MOST: usize = 6;

/// Where the numbers 0 to 255 of a naive set lie among the addresses.
#[derive(Clone, Copy)]
struct Window {
    family: Family,
    first: u128,
}

impl Window {
    fn range(self, from: usize, to: usize) -> AddrRange {
        let address = |at: usize| self.family.address(self.first + at as u128);
        AddrRange::new(address(from), address(to)).unwrap()
    }

    fn places(self, range: &AddrRange) -> BTreeSet<usize> {
        let place = |address| usize::try_from(number(address) - self.first).unwrap();
        (place(range.start())..=place(range.end())).collect()
    }
}

fn run(input: &[u8]) {
    let mut source = Source::new(input);
    let last = |bits: u32| u128::MAX >> (128 - bits) & !(WIDTH as u128 - 1);
    let window = source.pick(&[
        Window { family: Family::V4, first: 0 },
        Window { family: Family::V4, first: last(32) },
        Window { family: Family::V6, first: 0 },
        Window { family: Family::V6, first: last(128) },
    ]);
    let (a, b) = (ranges(&mut source, window), ranges(&mut source, window));
    a.iter().for_each(|range| one(window, range));
    for (x, y) in a.iter().flat_map(|x| b.iter().map(move |y| (x, y))) {
        let both: BTreeSet<usize> = window.places(x).intersection(&window.places(y)).copied().collect();
        assert_eq!(x.intersection(y).map(|range| window.places(&range)).unwrap_or_default(), both);
        assert_eq!(x.covers(y), window.places(x).is_superset(&window.places(y)));
    }
    sets(window, &a, &b);
}

fn ranges(source: &mut Source<'_>, window: Window) -> Vec<AddrRange> {
    let count = source.below(MOST + 1);
    let ends = |source: &mut Source<'_>| (usize::from(source.byte()), usize::from(source.byte()));
    (0..count).map(|_| ends(source)).map(|(one, two)| window.range(one.min(two), one.max(two))).collect()
}

fn one(window: Window, range: &AddrRange) {
    let places = window.places(range);
    let in_order: Vec<usize> = places.iter().copied().collect();
    let place = |address| usize::try_from(number(address) - window.first).unwrap();
    assert_eq!(range.len(), places.len() as u128);
    assert_eq!(range.iter().map(place).collect::<Vec<_>>(), in_order);
    for at in 0..WIDTH {
        let address = window.family.address(window.first + at as u128);
        assert_eq!(range.contains(address), places.contains(&at));
        assert_eq!(range.nth(at as u128).map(place), in_order.get(at).copied());
        if places.contains(&at) {
            let behind = in_order.last().filter(|last| **last > at).map(|last| (at + 1, *last));
            assert_eq!(range.behind(address).map(|rest| (place(rest.start()), place(rest.end()))), behind);
        }
    }
    // A prefix is a power of two of addresses, and begins at a multiple of it.
    let first = places.first().copied().unwrap_or_default();
    let is_net = places.len().is_power_of_two() && first % places.len() == 0;
    assert_eq!(range.as_net().is_some(), is_net, "{range}");
    assert_eq!(range.to_string().parse::<AddrRange>(), Ok(*range));
}

fn sets(window: Window, a: &[AddrRange], b: &[AddrRange]) {
    let (left, right): (RangeSet, RangeSet) = (a.iter().copied().collect(), b.iter().copied().collect());
    let places = |ranges: &[AddrRange]| ranges.iter().flat_map(|range| window.places(range)).collect::<BTreeSet<_>>();
    let (in_a, in_b) = (places(a), places(b));
    for (set, want) in [(&left, in_a.clone()), (&left.minus(&right), &in_a - &in_b), (&right.minus(&left), &in_b - &in_a)] {
        assert_eq!(places(set.ranges()), want);
        assert_eq!(set.count(window.family), want.len() as u128);
        // Neighbours are joined, so a set has one form.
        assert!(set.ranges().windows(2).all(|pair| number(pair[0].end()) + 1 < number(pair[1].start())), "{set:?}");
        for at in 0..WIDTH {
            assert_eq!(set.contains(window.family.address(window.first + at as u128)), want.contains(&at));
        }
    }
}
