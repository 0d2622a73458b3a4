use polder_core::dns::wire::encode_query;

use super::*;

fn seen(log: LogConfig) -> (Arc<Seen>, Metrics) {
    let metrics = Metrics::new("test", "0");
    (Arc::new(Seen::new(Seed(1), log, &metrics)), metrics)
}

fn query(name: &str) -> Vec<u8> {
    encode_query(1, &name.parse().unwrap(), RecordType::A)
}

fn end(query: &[u8], fate: Fate) -> End<'_> {
    End { client: Some([10, 0, 0, 1].into()), query, fate, origin: None, began: clock::monotonic() }
}

fn answered(rcode: Rcode, scope: Scope) -> Fate {
    Fate::Answered(Sent { length: 50, rcode, rtype: Some(RecordType::A), cookie: false, scope })
}

#[test]
fn names_of_all_threads_are_counted_together() {
    let (seen, _) = seen(LogConfig::default());
    let eyes = [seen.eye("udp"), seen.eye("tcp")];
    let now = clock::monotonic();
    for turn in 0..SAMPLE * 10 {
        eyes[0].arrived(turn, &query("Web.shop"), now);
        eyes[1].arrived(turn, &query("web.shop"), now);
        eyes[1].arrived(turn + 1, &query("db.shop"), now);
        eyes[1].arrived(turn, b"no query", now);
    }
    let top = seen.top(10);
    let names: Vec<_> = top.names.iter().map(|(name, rtype, count, error)| (name.to_string(), *rtype, *count, *error)).collect();
    let each = u64::from(SAMPLE);
    assert_eq!(
        names,
        [("web.shop.".to_owned(), RecordType::A, 20 * each, 0), ("db.shop.".to_owned(), RecordType::A, 10 * each, 0)]
    );
    assert_eq!((top.queries, seen.top(1).names.len()), (30 * each, 1));
}

#[test]
fn the_newest_failures_are_kept_and_all_are_counted() {
    let (seen, _) = seen(LogConfig::default());
    let eye = seen.eye("udp");
    for fate in [
        answered(Rcode::NoError, Scope::Cluster),
        answered(Rcode::NxDomain, Scope::Cluster),
        answered(Rcode::BadCookie, Scope::Cluster),
    ] {
        eye.ended(0, &end(&query("fine"), fate));
    }
    assert_eq!(seen.failures(10).1, 0);
    for nth in 0..MOST_FAILURES + 10 {
        eye.ended(0, &end(&query(&format!("n{nth}")), answered(Rcode::Refused, Scope::Outside)));
    }
    eye.ended(0, &end(b"no query", Fate::Lost(Lost::Unreadable)));
    let (failures, total) = seen.failures(1000);
    assert_eq!((failures.len(), total), (MOST_FAILURES, MOST_FAILURES as u64 + 11));
    assert!(failures[0].question.is_none() && failures[0].rcode.is_none() && failures[0].why == "it is no query");
    assert_eq!(failures[1].question.as_ref().unwrap().0.to_string(), format!("n{}.", MOST_FAILURES + 9));
    assert_eq!((failures[1].rcode, failures[1].proto), (Some(Rcode::Refused), "udp"));
    assert!(failures[1].why.contains("no zone of ours"));
}

#[test]
fn lines_are_bounded_and_what_is_over_is_counted() {
    let (seen, metrics) = seen(LogConfig { sample: 1, failures: false });
    let eye = seen.eye("udp");
    (0..500).for_each(|turn| eye.ended(turn, &end(&query("web.shop"), answered(Rcode::NoError, Scope::Cluster))));
    let text = metrics.render().unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("polder_dns_log_suppressed_total ")).unwrap();
    // Some seconds may have begun meanwhile.
    assert!((1..=400).contains(&line.parse::<u32>().unwrap()), "{line}");
}
