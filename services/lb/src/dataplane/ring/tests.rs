use polder_proto::types::v1::WatchEventType;
use polder_store::Snapshot;

use super::super::encoded::Body;
use super::*;

async fn image(revision: u64) -> Image {
    let mut snapshot = Snapshot::default();
    snapshot.revision = Revision(revision);
    Image::of(&snapshot, "cluster.local".into()).await
}

fn delta(floor: u64, revision: u64, objects: usize) -> Option<Delta> {
    let body = Body::bare(&Key::Settings);
    let message = Encoded::of(WatchEventType::Put, Revision(revision), &body);
    let messages = vec![message; objects];
    Some(Delta { floor: Revision(floor), revision: Revision(revision), messages, own: None })
}

fn place(ring: &Ring, revision: u64) -> Result<u64, Reason> {
    ring.after(Revision(revision)).map_err(|refusal| refusal.reason)
}

fn told(ring: &Ring, at: u64) -> Option<u64> {
    match ring.at(at) {
        Found::Delta(delta) => Some(delta.revision.0),
        Found::Nothing(_) | Found::Gone => None,
    }
}

#[tokio::test]
async fn a_reader_finds_what_comes_after_its_revision() {
    let mut ring = Ring::new();
    assert_eq!(place(&ring, 0), Err(Reason::ResumeTokenCompacted));
    ring.begin(image(10).await);
    ring.push(image(12).await, delta(10, 12, 1));
    // Revisions that change nothing for nodes.
    ring.push(image(14).await, None);
    ring.push(image(17).await, delta(14, 17, 1));
    assert_eq!(place(&ring, 9), Err(Reason::ResumeTokenCompacted));
    for (revision, first) in [(10, Some(12)), (11, Some(12)), (12, Some(17)), (13, Some(17)), (16, Some(17)), (17, None)] {
        assert_eq!(told(&ring, place(&ring, revision).unwrap()), first, "{revision}");
    }
    assert!(matches!(ring.at(ring.end()), Found::Nothing(Revision(17))));
}

#[tokio::test]
async fn a_reader_that_is_too_slow_finds_nothing_any_more() {
    let mut ring = Ring::new();
    ring.begin(image(1).await);
    let slow = place(&ring, 1).unwrap();
    let now = image(1).await;
    for revision in 2..MOST as u64 + 3 {
        assert!(!matches!(ring.at(slow), Found::Gone), "{revision}");
        ring.push(now.clone(), delta(revision - 1, revision, 1));
    }
    assert!(matches!(ring.at(slow), Found::Gone));
    assert_eq!(told(&ring, slow + 1), Some(3));
    assert_eq!((place(&ring, 1), place(&ring, 2)), (Err(Reason::ResumeTokenCompacted), Ok(slow + 1)));
}

#[tokio::test]
async fn large_changes_push_the_others_out_and_the_newest_stays() {
    let (mut ring, now) = (Ring::new(), image(1).await);
    ring.begin(now.clone());
    let objects = MOST_BYTES / size_of::<Encoded>() / 2;
    for revision in 2..5 {
        ring.push(now.clone(), delta(revision - 1, revision, objects));
    }
    ring.push(now.clone(), delta(4, 5, 1));
    assert_eq!((ring.deltas.len(), place(&ring, 2).is_err(), told(&ring, ring.end() - 1)), (2, true, Some(5)));
    ring.push(now.clone(), delta(5, 6, 3 * objects));
    assert_eq!((ring.deltas.len(), told(&ring, ring.end() - 1)), (1, Some(6)));
    ring.push(now, delta(6, 7, 1));
    assert_eq!(ring.deltas.len(), 1);
    assert!(ring.bytes <= MOST_BYTES);
}

#[tokio::test]
async fn whoever_followed_before_a_new_beginning_has_missed_something() {
    let mut ring = Ring::new();
    ring.begin(image(1).await);
    let before = ring.end();
    ring.begin(image(9).await);
    assert!(matches!(ring.at(before), Found::Gone));
    assert!(matches!(ring.at(ring.end()), Found::Nothing(Revision(9))));
}
