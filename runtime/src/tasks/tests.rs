use std::time::Duration;

use super::{Failure, Stuck, Tasks};

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
