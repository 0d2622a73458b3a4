//! Cookies in questions: the answer has room for its own, and shows the client its part again.

use super::*;
use crate::dns::cookie::{Checked, Secret, Secrets};

const SHOWN: [u8; 8] = *b"\x24\x64\xc4\xab\xcf\x10\xc9\x57";

/// With options in the OPT record, which says that the client takes `size` bytes.
fn with_options(mut query: Vec<u8>, size: u16, options: &[u8]) -> Vec<u8> {
    let opt = query.len() - 11;
    query[opt + 3..opt + 5].copy_from_slice(&size.to_be_bytes());
    query[opt + 9..].copy_from_slice(&u16::try_from(options.len()).unwrap().to_be_bytes());
    [query, options.to_vec()].concat()
}

fn cookie(data: &[u8]) -> Vec<u8> {
    [&[0, 10, 0, u8::try_from(data.len()).unwrap()], data].concat()
}

fn option_of_the_answer() -> Vec<u8> {
    [cookie(&[0; 24])[..4].to_vec(), SHOWN.to_vec(), vec![0; 16]].concat()
}

#[test]
fn an_answer_ends_in_the_cookie_that_the_client_shows() {
    let names = snapshot(&shop(), 1);
    let plain = ask_with(&names, UDP, &query("db.shop.svc.cluster.local", "A")).unwrap().0;
    for options in [
        cookie(&SHOWN),
        cookie(&[&SHOWN[..], &[7; 16]].concat()),
        cookie(&[&SHOWN[..], &[7; 32]].concat()),
        // An option that we do not know before it, another cookie after it.
        [&[0, 3, 0, 2, 1, 1], &cookie(&SHOWN)[..], &cookie(&[9; 8])].concat(),
    ] {
        for name in ["db.shop.svc.cluster.local", "www.example.com", "crowd.shop.svc.cluster.local"] {
            let bytes = with_options(query(name, "A"), 1232, &options);
            let answered = ask_with(&names, UDP, &bytes).unwrap().0;
            assert!(answered.ends_with(&option_of_the_answer()), "{answered:?}");
        }
        let whole = ask_with(&names, UDP, &with_options(query("db.shop.svc.cluster.local", "A"), 1232, &options)).unwrap().0;
        let [rest, start] = [&whole[whole.len() - 30..whole.len() - 28], &whole[..whole.len() - 30]];
        assert_eq!((rest, start), (&[0, 28][..], &plain[..plain.len() - 2]), "nothing else is different");
    }
}

#[test]
fn what_is_no_cookie_is_refused() {
    let names = snapshot(&shop(), 1);
    for data in [0, 1, 7, 9, 15, 41] {
        let bytes = with_options(query("db.shop.svc.cluster.local", "A"), 1232, &cookie(&vec![1; data]));
        assert_eq!(ask_with(&names, UDP, &bytes).unwrap().1.rcode, Rcode::FormErr, "{data} bytes");
    }
    for options in [&[0, 10][..], &[0, 10, 0, 8, 1], &[0, 3, 0, 9, 1, 1]] {
        let bytes = with_options(query("db.shop.svc.cluster.local", "A"), 1232, options);
        assert_eq!(ask_with(&names, UDP, &bytes).unwrap().1.rcode, Rcode::FormErr, "an option that is cut off");
    }
}

#[test]
fn short_answers_have_the_cookie_too() {
    let bytes = with_options(query("DB.shop.svc.cluster.local", "A"), 1232, &cookie(&SHOWN));
    let mut out = [0xee; 1232];
    for (outcome, rcode, truncated) in
        [(cut_short(&bytes, &mut out), Rcode::NoError, true), (bad_cookie(&bytes, &mut [0; 1232]), Rcode::BadCookie, false)]
    {
        let Outcome::Sent(sent) = outcome else { panic!("{outcome:?}") };
        assert!(sent.cookie && sent.rcode == rcode && sent.length == bytes.len() + 16);
        let outcome = if truncated { cut_short(&bytes, &mut out) } else { bad_cookie(&bytes, &mut out) };
        assert_eq!(outcome, Outcome::Sent(sent));
        let message = Message::read(&out[..sent.length]).unwrap();
        assert_eq!((message.id, message.rcode, message.truncated), (0x1234, rcode, truncated));
        assert!(message.answer.is_empty() && message.authority.is_empty() && message.additional.is_empty());
        assert_eq!(out[12..12 + 27], bytes[12..12 + 27], "the question in the client's letters");
    }
    for outcome in [cut_short(&[0; 5], &mut out), bad_cookie(&bytes, &mut out[..20])] {
        assert_eq!(outcome, Outcome::Dropped);
    }
}

#[test]
fn who_asks_for_nothing_gets_a_cookie_and_nothing_else() {
    let names = snapshot(&shop(), 1);
    let bare = |options: &[u8], version: u8| {
        let mut query = query("a.b", "A");
        query[5] = 0;
        query.drain(12..12 + 9);
        query[12 + 6] = version;
        with_options(query, 1232, options)
    };
    let mut out = [0; 1232];
    for (version, rcode) in [(0, Rcode::NoError), (1, Rcode::BadVers)] {
        let (bytes, message) = ask_with(&names, UDP, &bare(&cookie(&SHOWN), version)).unwrap();
        assert_eq!((message.id, message.rcode, message.authoritative), (0x1234, rcode, false));
        assert_eq!(bytes.len(), 12 + 11 + 28);
        assert!(bytes.ends_with(&option_of_the_answer()) && bytes[4..12] == [0, 0, 0, 0, 0, 0, 0, 1]);
    }
    let sent = bad_cookie(&bare(&cookie(&SHOWN), 0), &mut out).sent().unwrap();
    assert_eq!((sent.rcode, sent.rtype, sent.cookie, sent.length), (Rcode::BadCookie, None, true, 12 + 11 + 28));
    assert_eq!(answer(&names, UDP, &bare(&cookie(&SHOWN), 0), &mut out[..30]), Outcome::Dropped);
    for options in [&[][..], &[0, 3, 0, 0], &cookie(&[1; 9])] {
        assert_eq!(ask_with(&names, UDP, &bare(options, 0)).unwrap().1.rcode, Rcode::FormErr, "{options:?}");
    }
}

#[test]
fn a_cookie_is_checked_in_the_query_that_has_it() {
    let secrets = Secrets { current: Secret::new([3; 16]), other: None };
    let check = |query: &[u8]| Checked::read(query, [192, 0, 2, 1].into(), &secrets, 1_800_000_000);
    assert_eq!(check(&query("a.b", "A")), None);
    assert_eq!(check(&plain("a.b", "A")), None);
    let given = check(&with_options(query("a.b", "A"), 1232, &cookie(&SHOWN))).unwrap();
    assert!(!given.is_valid && !given.is_wrong);
    let back = [&SHOWN[..], &given.server].concat();
    assert_eq!(check(&with_options(query("a.b", "A"), 1232, &cookie(&back))), Some(Checked { is_valid: true, ..given }));
}

proptest! {
    #[test]
    fn answers_with_cookies_keep_to_their_size(
        name in prop::sample::select(vec!["crowd.shop.svc.cluster.local", "store.shop.svc.cluster.local", "x.y"]),
        rtype in prop::sample::select(vec!["A", "SRV", "SOA"]),
        size in 0_u16..1400,
        server in prop::collection::vec(any::<u8>(), 0..40),
        room in 0_usize..1400,
    ) {
        let bytes = with_options(query(name, rtype), size, &cookie(&[&SHOWN[..], &server].concat()));
        is_sound(&crowd_once(), UDP, &bytes, room)?;
        if let Some((whole, message)) = ask_with(&crowd_once(), UDP, &bytes) && message.rcode != Rcode::FormErr {
            prop_assert!(whole.len() <= usize::from(size.clamp(512, 1232)));
            prop_assert!(whole.ends_with(&option_of_the_answer()));
        }
    }
}
