use proptest::prelude::*;

use super::*;
use crate::reason::Reason;

const KNOWN: &[&str] = &["name", "state", "priority", "address", "labels.*"];

fn object(field: &str) -> Vec<Cow<'static, str>> {
    match field {
        "name" => vec!["web-1".into()],
        "state" => vec!["ACTIVE".into()],
        "priority" => vec!["10".into()],
        "address" => vec!["10.0.0.7".into(), "fd00::7".into()],
        "labels.app" => vec!["WS".into()],
        "labels.example.com/zone" => vec!["a".into()],
        _ => Vec::new(),
    }
}

#[test]
fn the_grammar_matches() {
    for yes in [
        "",
        "  ",
        "name=web-1",
        "name = \"web-1\"",
        "name='web-1' AND state=ACTIVE",
        "name=web-1 state=ACTIVE",
        "name=x OR name=web-1",
        "name=web-1 OR name=x AND state=ACTIVE",
        "NOT name=x",
        "-name=x",
        "-(name=x OR state=GONE)",
        "priority>9 priority<=10 priority >= 10 priority != 9",
        "labels.app=WS",
        "labels.app:*",
        "NOT labels.gone:*",
        "labels.\"example.com/zone\"=a",
        "labels.gone!=x",
        "name=web-*",
        "name=*1",
        "name=*eb*",
        "name:eb",
        "address=\"fd00::7\"",
        "address:10.0.0.7",
    ] {
        let filter = Filter::parse(yes, KNOWN).unwrap_or_else(|error| panic!("{yes}: {error}"));
        assert!(filter.matches(object), "{yes}: {filter:?}");
    }
    for no in [
        "name=web",
        "name=web-1 AND state=GONE",
        "(name=x OR state=ACTIVE) name=y",
        "priority<9",
        "labels.gone:*",
        "address!=10.0.0.7",
    ] {
        assert!(!Filter::parse(no, KNOWN).unwrap().matches(object), "{no}");
    }
}

#[test]
fn what_is_no_filter_is_refused_with_its_place() {
    let deep = format!("{}name=x{}", "(".repeat(50), ")".repeat(50));
    let long = "name=x ".repeat(1000);
    for bad in [
        "name",
        "name=",
        "=x",
        "name==x",
        "(name=x",
        "name=x)",
        "name='x",
        "AND",
        "NOT",
        "name=x OR",
        "labels.=x",
        &deep,
        &long,
        "!",
    ] {
        assert_eq!(Filter::parse(bad, KNOWN).unwrap_err().reason, Reason::FilterMalformed, "{bad}");
    }
    let unknown = Filter::parse("state=x nmae=y", KNOWN).unwrap_err().description;
    assert!(unknown.contains("at byte 8") && unknown.contains("`nmae`") && unknown.contains("labels.*"), "{unknown}");
}

#[test]
fn what_a_filter_demands_is_read_off() {
    let demands = |text: &str| {
        let filter = Filter::parse(text, KNOWN).unwrap();
        let shown = filter.demands().into_iter().map(|demand| format!("{}={}", demand.field, demand.values.join("|")));
        shown.collect::<Vec<_>>().join(" ")
    };
    for (text, demanded) in [
        ("", ""),
        ("name=web-1", "name=web-1"),
        ("name=a state=b labels.app=c priority>3", "name=a state=b labels.app=c"),
        ("name=a OR name=b", "name=a|b"),
        ("name=a OR state=b", ""),
        ("state=x ((name=a state=b) OR name=c)", "state=x name=a|c"),
        ("name=a OR name=b*", ""),
        ("name=*", ""),
        ("name:a", ""),
        ("name!=a", ""),
        ("NOT name=a", ""),
        ("NOT (name!=a)", ""),
        ("name=a AND name=b", "name=a name=b"),
    ] {
        assert_eq!(demands(text), demanded, "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_fall_over(text in "[a-z=!<>:.()*'\"\\- ANDORT0-9ä]{0,60}") {
        let _ = Filter::parse(&text, KNOWN).map(|filter| filter.matches(object));
    }
}
