//! Streams that one node opens: each message is taken and answered, one after the other.
//!
//! Whose stream it is the first message says; a message of another node ends it, so that nobody speaks for two. So does every
//! other refusal, and an end by the node. Nothing is stored here: what a stream that breaks leaves is up to what it keeps alive.

use std::future::Future;

use futures::stream::{self, BoxStream, Stream, StreamExt as _};
use polder_core::id::Uid;
use polder_core::net::Name;
use polder_core::reason::{Reason, Refusal, Violations};
use tonic::Status;

use crate::status::refuse;

/// What is done with the messages of one node's stream.
pub trait NodeStream: Send + 'static {
    /// A message.
    type Request: Send + Sync + 'static;
    /// What a message says, once it is read.
    type Said: Send;
    /// What a message is answered.
    type Answer: Send + 'static;

    /// The field of a message that names the node.
    const NODE: &'static str;

    /// Reads a message.
    ///
    /// # Errors
    /// Every bad field.
    fn read(request: &Self::Request) -> Result<Self::Said, Refusal>;

    /// Whose message it is.
    fn node(said: &Self::Said) -> (&Name, Uid);

    /// Takes what a message says; its answer.
    fn take(&mut self, said: Self::Said) -> impl Future<Output = Result<Self::Answer, Refusal>> + Send;
}

/// The answers to a stream of messages, each before the next message is read. They end with the messages, or after the first
/// error: `CONFLICTING_FIELDS` for a message of another node than the first one, what reading and taking refuse, and what the
/// transport says.
pub fn answers<S: NodeStream>(
    requests: impl Stream<Item = Result<S::Request, Status>> + Send + Unpin + 'static,
    taking: S,
) -> BoxStream<'static, Result<S::Answer, Status>> {
    let open = Open { requests, taking, node: None };
    let answers = stream::unfold(Some(open), |state| async move {
        let mut open = state?;
        match open.next().await? {
            Ok(answer) => Some((Ok(answer), Some(open))),
            Err(status) => Some((Err(status), None)),
        }
    });
    answers.boxed()
}

/// A stream that has not ended.
struct Open<R, S> {
    requests: R,
    taking: S,
    /// The node that the stream is for, as its first message says.
    node: Option<(Name, Uid)>,
}

impl<R, S> Open<R, S>
where
    S: NodeStream,
    R: Stream<Item = Result<S::Request, Status>> + Unpin,
{
    /// Takes the next message and answers it; `None` when the node has ended its stream.
    async fn next(&mut self) -> Option<Result<S::Answer, Status>> {
        match self.requests.next().await? {
            Ok(request) => Some(self.answer(&request).await.map_err(refuse)),
            Err(status) => Some(Err(status)),
        }
    }

    async fn answer(&mut self, request: &S::Request) -> Result<S::Answer, Refusal> {
        let said = S::read(request)?;
        let (name, uid) = S::node(&said);
        match &self.node {
            None => self.node = Some((name.clone(), uid)),
            Some((this, known)) if this == name && *known == uid => (),
            Some((this, _)) => {
                let mut bad = Violations::new();
                let why = format!("this stream is for another node than `{this}`; open a stream for each node");
                bad.add(S::NODE, Reason::ConflictingFields, why);
                return bad.finish(None);
            }
        }
        self.taking.take(said).await
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;
    use crate::status::decode;

    /// A node, and a number that it counts up by.
    #[derive(Debug)]
    struct Said(Name, Uid, u64);

    /// Adds up, to at most ten.
    struct Adding(u64);

    impl NodeStream for Adding {
        type Request = (&'static str, u128, u64);
        type Said = Said;
        type Answer = u64;

        const NODE: &'static str = "who";

        fn read((name, uid, number): &Self::Request) -> Result<Said, Refusal> {
            let mut bad = Violations::new();
            if *number == 0 {
                bad.add("number", Reason::FieldRequired, "count up");
            }
            bad.finish(Some(Said(name.parse().unwrap(), Uid(*uid), *number)))
        }

        fn node(Said(name, uid, _): &Said) -> (&Name, Uid) {
            (name, *uid)
        }

        async fn take(&mut self, Said(_, _, number): Said) -> Result<u64, Refusal> {
            self.0 += number;
            if self.0 <= 10 { Ok(self.0) } else { Err(Refusal::new(Reason::QuotaExceeded, "that is too much")) }
        }
    }

    /// What the messages are answered: sums, and why it ended.
    async fn answered(messages: Vec<Result<(&'static str, u128, u64), Status>>) -> (Vec<u64>, Option<Refusal>) {
        let (mut sums, mut end) = (Vec::new(), None);
        let mut answers = answers(stream::iter(messages), Adding(0));
        while let Some(answer) = answers.next().await {
            assert!(end.is_none(), "nothing comes after an error");
            match answer {
                Ok(sum) => sums.push(sum),
                Err(status) => end = Some(decode(&status)),
            }
        }
        (sums, end)
    }

    #[tokio::test]
    async fn every_message_is_answered_until_the_node_ends_its_stream() {
        assert_eq!(answered(vec![]).await, (vec![], None));
        assert_eq!(answered(vec![Ok(("a", 1, 1)), Ok(("a", 1, 2)), Ok(("a", 1, 3))]).await, (vec![1, 3, 6], None));
    }

    #[tokio::test]
    async fn another_node_ends_the_stream_of_the_first_one() {
        // The same name under another identity is another node.
        for other in [("b", 1, 1), ("a", 2, 1)] {
            let (sums, end) = answered(vec![Ok(("a", 1, 1)), Ok(other), Ok(("a", 1, 1))]).await;
            let end = end.unwrap();
            let named: Vec<_> = end.violations.iter().map(|bad| (bad.field.as_str(), bad.reason)).collect();
            assert_eq!((sums, named), (vec![1], vec![("who", Reason::ConflictingFields)]));
            assert!(end.violations[0].description.contains("another node than `a`"), "{end:?}");
        }
    }

    #[tokio::test]
    async fn the_first_error_is_the_last_answer() {
        let reason = |(sums, end): (Vec<u64>, Option<Refusal>)| (sums, end.map(|end| end.reason));
        let unread = reason(answered(vec![Ok(("a", 1, 0)), Ok(("a", 1, 1))]).await);
        assert_eq!(unread, (vec![], Some(Reason::FieldRequired)));
        let untaken = reason(answered(vec![Ok(("a", 1, 9)), Ok(("a", 1, 9)), Ok(("a", 1, 1))]).await);
        assert_eq!(untaken, (vec![9], Some(Reason::QuotaExceeded)));
        let broken = vec![Ok(("a", 1, 1)), Err(Status::new(Code::Cancelled, "gone")), Ok(("a", 1, 1))];
        let (sums, end) = answered(broken).await;
        assert_eq!((sums, end.is_some()), (vec![1], true));
    }
}
