//! How the name server ends: sockets are left alone, what was taken out of them is answered, and only then nobody asks others any more.
//!
//! All of it has its time, which is a part of what the process has for its drain: nothing has to be cut off by that.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// The longest time that a connection may go on without a question.
const GRACE: Duration = Duration::from_secs(1);

/// How long connections go on when the server ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Farewell {
    /// Without a question: a client that is about to ask has a moment.
    pub(crate) grace: Duration,
    /// However much is asked.
    pub(crate) most: Duration,
}

/// See the module. Clones share it.
#[derive(Clone)]
pub(crate) struct Ending {
    /// Everything that was taken out of a socket and has no answer yet, and whatever takes more.
    busy: TaskTracker,
    drain: Duration,
}

impl Ending {
    /// For a process that has so long for its drain.
    pub(crate) fn within(drain: Duration) -> Self {
        Self { busy: TaskTracker::new(), drain }
    }

    /// To be held by whatever takes queries out of a socket, and by every query.
    pub(crate) fn busy(&self) -> TaskTrackerToken {
        self.busy.token()
    }

    pub(crate) fn farewell(&self) -> Farewell {
        let most = self.drain / 2;
        Farewell { grace: GRACE.min(most / 2), most }
    }

    /// Does `work` until the stop, and then until nobody is busy: it makes answers.
    pub(crate) async fn outlast<F: Future<Output = ()>>(self, stop: CancellationToken, work: impl FnOnce(CancellationToken) -> F) {
        let end = CancellationToken::new();
        let wait = async {
            stop.cancelled().await;
            self.busy.close();
            if timeout(self.drain / 4 * 3, self.busy.wait()).await.is_err() {
                tracing::warn!(queries = self.busy.len(), "queries stay without an answer: nobody outside answers them in time");
            }
            end.cancel();
        };
        tokio::join!(work(end.clone()), wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long work goes on after the stop, with something that is busy for so long.
    async fn outlasted(busy: Duration) -> Duration {
        let ending = Ending::within(Duration::from_secs(8));
        let (stop, token) = (CancellationToken::new(), ending.busy());
        stop.cancel();
        let began = tokio::time::Instant::now();
        let busy = async move {
            tokio::time::sleep(busy).await;
            drop(token);
        };
        tokio::select! {
            () = ending.outlast(stop, |end| async move { end.cancelled().await }) => {}
            () = async { busy.await; std::future::pending().await } => {}
        }
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn work_goes_on_until_nobody_is_busy_but_not_for_ever() {
        assert_eq!(outlasted(Duration::ZERO).await.as_secs(), 0);
        assert_eq!(outlasted(Duration::from_secs(3)).await.as_secs(), 3);
        assert_eq!(outlasted(Duration::from_secs(60)).await.as_secs(), 6);
    }

    #[test]
    fn connections_have_less_time_than_the_process() {
        for (drain, grace, most) in [(10_000, 1000, 5000), (1000, 250, 500), (0, 0, 0)] {
            let farewell = Ending::within(Duration::from_millis(drain)).farewell();
            assert_eq!((farewell.grace.as_millis(), farewell.most.as_millis()), (grace, most));
        }
    }
}
