use super::*;
use proptest::prelude::*;

fn range(text: &str) -> AddrRange {
    text.parse().unwrap()
}

#[test]
fn every_written_form_is_accepted() {
    assert_eq!(range("10.0.0.13-10.0.0.20").len(), 8);
    assert_eq!(range(" 10.0.0.13 – 10.0.0.20 "), range("10.0.0.13-10.0.0.20"));
    assert_eq!(range("10.96.0.1/16").to_string(), "10.96.0.0/16");
    assert_eq!(range("FD00:0::13").to_string(), "fd00::13");
    assert_eq!(range("::/0").len(), u128::MAX);
}

#[test]
fn what_is_wrong_has_its_reason() {
    let reason = |text: &str| text.parse::<AddrRange>().unwrap_err().reason;
    assert_eq!(reason("10.0.0.20-10.0.0.10"), Reason::RangeReversed);
    for leading in ["010.0.0.0/24", "10.0.00.0/24", "10.0.0.0/024", "10.0.0.0/+24"] {
        assert_eq!(reason(leading), Reason::RangeMalformed, "{leading}");
    }
    assert_eq!(reason("10.0.0.1-fd00::1"), Reason::FamilyMismatch);
    assert_eq!(reason("10.0.0.1-banana"), Reason::AddressMalformed);
    assert_eq!(reason("10.0.0.0/33"), Reason::RangeMalformed);
    assert_eq!(reason(""), Reason::RangeMalformed);
    assert_eq!(reason("010.0.0.1"), Reason::RangeMalformed);
    assert_eq!(reason("::ffff:10.0.0.1"), Reason::RangeMalformed);
}

#[test]
fn a_range_is_cut_into_the_fewest_prefixes() {
    let nets = |text: &str| range(text).nets().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(nets("172.27.0.0/16"), "172.27.0.0/16");
    assert_eq!(nets("10.0.0.13-10.0.0.20"), "10.0.0.13/32 10.0.0.14/31 10.0.0.16/30 10.0.0.20/32");
    assert_eq!(nets("0.0.0.0/0"), "0.0.0.0/0");
    assert_eq!(nets("::/0"), "::/0");
    assert_eq!(nets("255.255.255.254-255.255.255.255"), "255.255.255.254/31");
    assert_eq!(nets("fd00::-fd00::2"), "fd00::/127 fd00::2/128");
}

fn any_range() -> impl Strategy<Value = AddrRange> {
    (0u32..200, 0u32..40).prop_map(|(start, more)| {
        AddrRange::new(Family::V4.address(start.into()), Family::V4.address((start + more).into())).unwrap()
    })
}

proptest! {
    #[test]
    fn text_comes_back_as_the_same_range(range in any_range()) {
        prop_assert_eq!(range.to_string().parse::<AddrRange>().unwrap(), range);
    }

    #[test]
    fn sets_hold_exactly_their_addresses(a in prop::collection::vec(any_range(), 0..6), b in prop::collection::vec(any_range(), 0..6)) {
        let (left, right): (RangeSet, RangeSet) = (a.iter().copied().collect(), b.iter().copied().collect());
        let rest = left.minus(&right);
        let mut count = 0;
        for at in 0..256u128 {
            let address = Family::V4.address(at);
            let in_a = a.iter().any(|range| range.contains(address));
            let in_b = b.iter().any(|range| range.contains(address));
            prop_assert_eq!(left.contains(address), in_a);
            prop_assert_eq!(rest.contains(address), in_a && !in_b);
            count += u128::from(in_a);
        }
        prop_assert_eq!(left.count(Family::V4), count);
        prop_assert!(rest.ranges().windows(2).all(|pair| pair[0].end() < pair[1].start()));
    }
}
