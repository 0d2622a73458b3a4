//! The examples of RFC 9018, appendix A, and what a client may try.

use proptest::prelude::*;

use super::*;

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    let digits: Vec<u8> = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    digits.try_into().unwrap()
}

fn secrets(current: &str, other: Option<&str>) -> Secrets {
    Secrets { current: current.parse().unwrap(), other: other.map(|text| text.parse().unwrap()) }
}

fn check(client: &str, cookie: &str, server: Option<&str>, secrets: &Secrets, now: u32) -> (bool, [u8; SERVER]) {
    let presented = Presented { client: bytes(cookie), server: server.map(bytes), alone: server.is_none() };
    let Checked { is_valid, is_wrong, server } = Checked::of(presented, client.parse().unwrap(), secrets, now);
    assert_eq!(is_wrong, !is_valid && !presented.alone);
    (is_valid, server)
}

const FIRST: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";

#[test]
fn a_client_learns_a_cookie_and_another_when_it_is_old() {
    let (at, cookie, secrets) = ("198.51.100.100", "2464c4abcf10c957", secrets(FIRST, None));
    let learned = "010000005cf79f111f8130c3eee29480";
    assert_eq!(check(at, cookie, None, &secrets, 1_559_731_985), (false, bytes(learned)));
    // It is good, and soon good no more.
    assert_eq!(check(at, cookie, Some(learned), &secrets, 1_559_734_385), (true, bytes("010000005cf7a871d4a564a1442aca77")));
    // Young enough to stay, and from the near future.
    assert_eq!(check(at, cookie, Some(learned), &secrets, 1_559_731_985 + 1800), (true, bytes(learned)));
    assert_eq!(check(at, cookie, Some(learned), &secrets, 1_559_731_985 - 300), (true, bytes(learned)));
    for late in [1_559_731_985 + 3601, 1_559_731_985 - 301, 0] {
        assert!(!check(at, cookie, Some(learned), &secrets, late).0, "{late}");
    }
}

#[test]
fn reserved_bytes_are_hashed_as_they_are() {
    let (client, secret) = ("203.0.113.203".parse().unwrap(), FIRST.parse().unwrap());
    let made = |reserved, at| server_cookie(bytes("fc93fc62807ddb86"), client, secret, (reserved, at));
    assert_eq!(made([0xab, 0xcd, 0xef], 1_559_727_985), bytes("01abcdef5cf78f71a314227b6679ebf5"));
    assert_eq!(made([0; 3], 1_559_734_700), bytes("010000005cf7a9acf73a7810aca2381e"));
}

#[test]
fn a_cookie_of_the_secret_before_is_good_and_renewed() {
    let (at, cookie) = ("2001:db8:220:1:59de:d0f4:8769:82b8", "22681ab97d52c298");
    let old = "010000005cf7c57926556bd0934c72f8";
    let renewed = "010000005cf7c609a6bb79d16625507a";
    let rolled = secrets("445536bcd2513298075a5d379663c962", Some("dd3bdf9344b678b185a6f5cb60fca715"));
    assert_eq!(check(at, cookie, Some(old), &rolled, 1_559_741_961), (true, bytes(renewed)));
    let forgotten = Secrets { other: None, ..rolled };
    assert_eq!(check(at, cookie, Some(old), &forgotten, 1_559_741_961), (false, bytes(renewed)));
}

#[test]
fn a_cookie_is_good_at_one_address_and_for_one_client() {
    let (secrets, now) = (secrets(FIRST, None), 1_559_731_985);
    let good = "010000005cf79f111f8130c3eee29480";
    assert!(!check("198.51.100.101", "2464c4abcf10c957", Some(good), &secrets, now).0);
    assert!(!check("198.51.100.100", "2464c4abcf10c958", Some(good), &secrets, now).0);
    let other_version = good.replacen("01", "02", 1);
    assert!(!check("198.51.100.100", "2464c4abcf10c957", Some(&other_version), &secrets, now).0);
}

#[test]
fn secrets_are_hexadecimal_and_never_shown() {
    assert_eq!(format!("{:?}", FIRST.parse::<Secret>().unwrap()), "Secret(…)");
    for bad in ["", "e5", &FIRST[1..], &format!("{FIRST}00"), "+5e973e5a6b2a43f48e7dc849e37bfcf", "é5e973e5a6b2a43f48e7dc849e37bfc"]
    {
        let error = bad.parse::<Secret>().unwrap_err().to_string();
        assert!(bad.is_empty() || bad.len() < 8 || !error.contains(bad));
    }
}

proptest! {
    #[test]
    fn what_a_client_was_given_is_good_for_an_hour_and_nothing_else_is(
        client: IpAddr, cookie: [u8; 8], secret: [u8; 16], now: u32, age in -400_i32..4000, spoiled in 0_usize..16, by in 1_u8..,
    ) {
        let secrets = Secrets { current: Secret::new(secret), other: None };
        let given = Checked::of(Presented { client: cookie, server: None, alone: true }, client, &secrets, now);
        prop_assert!(!given.is_valid);
        let later = now.wrapping_add_signed(age);
        let back = |server| Checked::of(Presented { client: cookie, server: Some(server), alone: false }, client, &secrets, later);
        prop_assert_eq!(back(given.server).is_valid, (-300..=3600).contains(&age));
        prop_assert_eq!(back(given.server).server == given.server, age == 0 || (-300..=1800).contains(&age));
        let mut other = given.server;
        other[spoiled] ^= by;
        prop_assert!(!back(other).is_valid);
    }

    #[test]
    fn only_lengths_that_cookies_have_are_read(data in prop::collection::vec(any::<u8>(), 0..60)) {
        let expected = matches!(data.len(), 8 | 16..=40);
        prop_assert_eq!(Presented::read(&data).is_some(), expected);
        let server = Presented::read(&data).and_then(|presented| presented.server);
        prop_assert_eq!(server.is_some(), data.len() == 24);
    }
}
