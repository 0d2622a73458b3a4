//! Who is told when, by a clock that the test moves.

use std::net::SocketAddr;
use std::time::Duration;

use super::*;

const TO: &str = "192.0.2.7:53";

fn to() -> SocketAddr {
    TO.parse().unwrap()
}

/// What goes out at a millisecond, and how many servers are given up; numbers of messages are drawn from 7 on.
fn due(notifier: &mut Notifier, served: &Served, at: u64) -> (Vec<Notify>, u64) {
    let mut number = 6;
    notifier.due(&served.names, Duration::from_millis(at), 100, || {
        number += 1;
        number
    })
}

fn count(notifier: &mut Notifier, served: &Served, at: u64) -> usize {
    due(notifier, served, at).0.len()
}

/// A site of which one zone has somebody to tell.
fn told() -> (Served, Notifier) {
    let mut served = Served::new(Cluster::default());
    served.names = Snapshot::build(settings(), &served.cluster, Heads::at(Revision(1)));
    served.take(&[shared(zone("example.com"), 60)]);
    let mut notifier = Notifier::default();
    notifier.follow(&served.names, Duration::ZERO);
    (served, notifier)
}

fn answer(notify: &Notify, rcode: u8) -> Vec<u8> {
    let mut answer = notify.message.clone();
    (answer[2], answer[3]) = (answer[2] | 0x80, rcode);
    answer
}

#[test]
fn everybody_is_told_once_of_what_is_served() {
    let (served, mut notifier) = told();
    assert_eq!(notifier.next(), Some(Duration::ZERO));
    let (messages, _) = due(&mut notifier, &served, 0);
    let [notify] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!((notify.to, notify.zone.to_string().as_str()), (to(), "example.com."));
    assert_eq!(notify.message[..12], [0, 7, 0x24, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
    let read = Message::read(&notify.message).unwrap();
    assert_eq!(read.answer[0].data, "ns.dns.cluster.local. hostmaster.example.com. 2 7200 1800 86400 30");
    assert_eq!(notifier.answered(to(), &answer(notify, 0)), Some(Told::Acknowledged));
    assert_eq!((notifier.answered(to(), &answer(notify, 0)), notifier.next()), (None, None));
    notifier.follow(&served.names, Duration::from_secs(9));
    assert_eq!(notifier.next(), None, "nothing is new");
}

#[test]
fn only_the_answer_to_what_was_sent_counts() {
    let (served, mut notifier) = told();
    let notify = due(&mut notifier, &served, 0).0.remove(0);
    let mut other = answer(&notify, 0);
    other[1] ^= 1;
    let mut about = answer(&notify, 0);
    about[13] = b'x';
    let query = notify.message.clone();
    for (from, message) in [
        (TO, other),
        (TO, about),
        (TO, query),
        (TO, Vec::new()),
        (TO, answer(&notify, 0)[..20].to_vec()),
        ("192.0.2.7:54", answer(&notify, 0)),
        ("192.0.2.8:53", answer(&notify, 0)),
    ] {
        assert_eq!(notifier.answered(from.parse().unwrap(), &message), None, "{from} {message:?}");
    }
    assert_eq!(notifier.answered(to(), &answer(&notify, 4)), Some(Told::Refused));
    assert_eq!(notifier.next(), None, "whoever does not want to know is not asked again");
}

#[test]
fn whoever_is_silent_is_told_five_times_and_then_of_what_is_newer() {
    let (mut served, mut notifier) = told();
    for at in [0, 1000, 3000, 7000, 15_000] {
        assert_eq!(notifier.next(), Some(Duration::from_millis(at)));
        assert_eq!(at.checked_sub(1).map_or(0, |before| count(&mut notifier, &served, before)), 0);
        let (messages, given_up) = due(&mut notifier, &served, at);
        assert_eq!((messages.len(), given_up, messages[0].message[1]), (1, 0, 7), "at {at}");
    }
    assert_eq!(due(&mut notifier, &served, 31_000), (Vec::new(), 1));
    assert_eq!(notifier.next(), None);
    served.take(&[set("example.com/www/A", &["10.0.0.1"])]);
    notifier.follow(&served.names, Duration::from_secs(40));
    assert_eq!(count(&mut notifier, &served, 40_000), 1);
}

#[test]
fn many_changes_are_one_message_a_second() {
    let (mut served, mut notifier) = told();
    let first = due(&mut notifier, &served, 0).0.remove(0);
    for nth in 0..50 {
        served.take(&[set("example.com/www/A", &[&format!("10.0.0.{nth}")])]);
        notifier.follow(&served.names, Duration::from_millis(nth));
        assert_eq!(count(&mut notifier, &served, nth), 0);
    }
    assert_eq!(notifier.answered(to(), &answer(&first, 0)), None, "it does not know the newest");
    let second = due(&mut notifier, &served, 1000).0.remove(0);
    assert_eq!(Message::read(&second.message).unwrap().answer[0].data.split(' ').nth(2), Some("52"));
    assert_eq!(notifier.answered(to(), &answer(&second, 0)), Some(Told::Acknowledged));
    // What is asked for at once does not go beyond a bound.
    notifier.follow(&served.names, Duration::from_secs(2));
    assert_eq!(notifier.due(&served.names, Duration::from_secs(2), 0, || 1).0, []);
    served.take(&[Change::Dns(ZoneChange::Zone("example.com".parse().unwrap(), None))]);
    notifier.follow(&served.names, Duration::from_secs(3));
    assert_eq!(notifier.next(), None, "a zone that is gone is told to nobody");
}
