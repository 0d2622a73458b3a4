use super::super::pipeline::Pipeline;
use super::super::response::Unusable;
use super::{Sent, key};
use crate::dns::RecordType;
use crate::dns::wire::Rcode;

/// An answer to the question under a number.
fn answer(name: &str, id: u16) -> Vec<u8> {
    let mut sent = Sent::to(&key(name, RecordType::A), 0).with(name, 60, RecordType::A, "192.0.2.1").bytes;
    sent[..2].copy_from_slice(&id.to_be_bytes());
    sent
}

#[test]
fn answers_come_in_any_order_to_whoever_waits_for_them() {
    let mut pipeline = Pipeline::new(8);
    let begin = |pipeline: &mut Pipeline<&str>, name, draw| pipeline.begin(key(name, RecordType::A), name, draw).unwrap();
    let numbers = ["a.example", "b.example", "c.example"].map(|name| begin(&mut pipeline, name, u16::MAX));
    assert_eq!(numbers, [u16::MAX, 0, 1], "a number that is taken is not given again");
    let (waiter, heard) = pipeline.end(&answer("c.example", 1)).unwrap();
    assert!(waiter == "c.example" && heard.is_ok());
    assert!(pipeline.end(&answer("c.example", 1)).is_none(), "once");
    assert!(pipeline.end(&answer("a.example", 0)).is_none(), "that is the number of another question");
    assert!(pipeline.end(&answer("a.example", 7)).is_none() && pipeline.end(&[]).is_none() && pipeline.end(&[0]).is_none());
    let mut failed = answer("b.example", 0);
    failed[3] |= 2;
    let (waiter, heard) = pipeline.end(&failed).unwrap();
    assert_eq!((waiter, heard), ("b.example", Err(Unusable::Failed(Rcode::ServFail))));
    assert_eq!(pipeline.into_waiters().collect::<Vec<_>>(), ["a.example"]);
}

#[test]
fn no_more_wait_than_there_is_room_for() {
    let mut pipeline = Pipeline::new(2);
    let question = || key("a.example", RecordType::A);
    assert_eq!((pipeline.begin(question(), 'a', 5), pipeline.begin(question(), 'b', 5)), (Ok(5), Ok(6)));
    assert_eq!(pipeline.begin(question(), 'c', 5), Err('c'));
    pipeline.forget(|waiter| *waiter == 'a');
    assert_eq!(pipeline.begin(question(), 'c', 6), Ok(7));
    assert!(!pipeline.is_empty());
    pipeline.forget(|_| true);
    assert!(pipeline.is_empty());
}
