use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Failure, Stuck, Tasks, Turns};

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn drain_waits_for_tasks_that_listen() {
    let tasks = Tasks::new();
    let (sent, received) = tokio::sync::oneshot::channel();
    tasks.spawn("listener", |stop| async move {
        stop.cancelled().await;
        sent.send(()).unwrap();
    });
    assert_eq!(tasks.names(), ["listener"]);
    assert_eq!(tasks.drain(SOON).await, Ok(()));
    received.await.unwrap();
    assert!(tasks.names().is_empty());
}

#[tokio::test(start_paused = true)]
async fn drain_cuts_off_and_names_a_task_that_does_not_listen() {
    let tasks = Tasks::new();
    tasks.spawn("deaf", |_| std::future::pending());
    tasks.spawn("good", |stop| async move { stop.cancelled().await });
    assert_eq!(tasks.drain(SOON).await, Err(Stuck { tasks: vec!["deaf"] }));
}

#[tokio::test]
async fn the_loss_of_a_vital_task_is_reported_with_its_error() {
    let tasks = Tasks::new();
    tasks.spawn_vital("announcer", |_| async { Err::<(), Failure>("the interface is gone".into()) });
    let lost = tasks.lost().await;
    assert_eq!((lost.task, lost.why.as_str()), ("announcer", "the interface is gone"));
}

#[tokio::test]
async fn a_panic_of_a_vital_task_is_a_loss() {
    let tasks = Tasks::new();
    tasks.spawn_vital("clumsy", |_| async { panic!("dropped it") });
    assert!(tasks.lost().await.why.contains("dropped it"));
}

#[tokio::test]
async fn a_vital_task_that_returns_when_asked_is_no_loss() {
    let tasks = Tasks::new();
    tasks.spawn_vital("loop", |stop| async move {
        stop.cancelled().await;
        Ok(())
    });
    tasks.drain(SOON).await.unwrap();
    assert!(futures::FutureExt::now_or_never(tasks.lost()).is_none());
}

#[tokio::test(start_paused = true)]
async fn turns_come_at_once_then_at_their_pace_and_end_with_the_stop() {
    let (stop, begun) = (CancellationToken::new(), tokio::time::Instant::now());
    let mut turns = Turns::every(Duration::from_secs(10), stop.clone());
    for at in [0, 10] {
        assert_eq!(turns.take(async { begun.elapsed() }).await, Some(Duration::from_secs(at)));
    }
    let longer = async { tokio::time::sleep(Duration::from_secs(15)).await };
    assert_eq!(turns.take(longer).await, Some(()));
    assert_eq!(begun.elapsed(), Duration::from_secs(35));
    assert_eq!(turns.take(async { begun.elapsed() }).await, Some(Duration::from_secs(35)), "late, and not made up for");
    assert_eq!(turns.take(async { begun.elapsed() }).await, Some(Duration::from_secs(45)));
    let stuck = async {
        stop.cancel();
        std::future::pending::<()>().await;
    };
    assert_eq!(turns.take(stuck).await, None, "a turn under way is dropped");
}
