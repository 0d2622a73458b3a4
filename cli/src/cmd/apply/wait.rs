//! `--wait`: until every live node and name server has what was changed, or the time is up.

use std::time::Duration;

use polder_core::time::Timestamp;
use serde_json::{Value, json};

use crate::client::Client;
use crate::cmd::object;
use crate::duration;
use crate::failure::Failure;
use crate::output::columns::{items, text};
use crate::output::{age, table};

/// What the calls of a run have answered about their revisions. Revisions only grow, so whoever has the newest has all.
#[derive(Debug, Clone, Default)]
pub struct Newest {
    revision: u64,
    convergence: Option<Value>,
}

impl Newest {
    /// Takes in an answer; a convergence in it is of its own revision, and says nothing about a newer one.
    pub fn see(&mut self, answer: &Value) {
        let revision = number(answer, "revision");
        if revision >= self.revision && revision > 0 {
            self.revision = revision;
            self.convergence = Some(answer["convergence"].clone()).filter(Value::is_object);
        }
    }

    /// What is known of the newest revision, asked for when no answer has said it. Without any revision it is the newest there is.
    ///
    /// # Errors
    /// What the server refused.
    pub async fn convergence(self, client: &Client, limit: Duration) -> Result<Value, Failure> {
        match self.convergence {
            Some(convergence) => Ok(convergence),
            None => {
                let request = object([("revision", json!(self.revision)), ("wait", json!(duration::json(limit)))]);
                let mut answer = client.call("lb.DataplaneService/GetConvergence", Value::Object(request)).await?;
                Ok(answer["convergence"].take())
            }
        }
    }

    /// Adds to the lines of a run how far its changes have come.
    ///
    /// # Errors
    /// [`Failure::Late`] with all lines when somebody lacks them; what the server refused, after the lines have been printed.
    pub async fn tell(self, client: &Client, limit: Duration, now: Timestamp, lines: String) -> Result<String, Failure> {
        let convergence = match self.convergence(client, limit).await {
            Ok(convergence) => convergence,
            Err(failure) => {
                print!("{lines}");
                eprintln!("what was done stands; how far it has come cannot be said:");
                return Err(failure);
            }
        };
        let text = lines + &shown(&convergence, now);
        if convergence["converged"].as_bool() == Some(true) { Ok(text) } else { Err(Failure::Late(text)) }
    }
}

fn number(value: &Value, key: &str) -> u64 {
    text(value, &[key]).parse().unwrap_or(0)
}

/// Who has a revision, or who lacks it.
fn shown(convergence: &Value, now: Timestamp) -> String {
    let revision = number(convergence, "revision");
    if convergence["converged"].as_bool() == Some(true) {
        let count = |key: &str, noun: &str| match items(convergence, &[key]).count() {
            1 => format!("1 {noun}"),
            many => format!("{many} {noun}s"),
        };
        let (nodes, servers) = (count("nodes", "node"), count("dnsServers", "name server"));
        return format!("revision {revision} is everywhere: {nodes}, {servers}\n");
    }
    let mut rows = Vec::new();
    for (list, key, name, at) in
        [("nodes", "node", "node", "programmedRevision"), ("dnsServers", "name server", "server", "servingRevision")]
    {
        for one in items(convergence, &[list]) {
            let why = text(one, &["error"]);
            // What does not concern nodes moves no node's revision.
            let has = number(one, at) >= revision || one["hasRevision"].as_bool() == Some(true);
            if !has || why != "<none>" {
                let heard = one["reportTime"].as_str().and_then(age::parse);
                let heard = heard.map_or_else(|| "never".to_owned(), |then| format!("{} ago", age::since(then, now)));
                rows.push(vec![format!("{key} {}", text(one, &[name])), number(one, at).to_string(), heard, why]);
            }
        }
    }
    format!("revision {revision} is not everywhere yet:\n{}", table::render(Some(&["WHO", "HAS", "HEARD", "WHY"]), &rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_revision_counts_and_a_convergence_is_of_its_own() {
        let mut newest = Newest::default();
        newest.see(&Value::Null);
        newest.see(&json!({ "revision": "7", "convergence": { "revision": "7", "converged": true } }));
        assert!((newest.revision, newest.convergence.is_some()) == (7, true));
        newest.see(&json!({ "revision": "6", "convergence": { "revision": "6" } }));
        assert_eq!(newest.convergence.as_ref().unwrap()["revision"], "7", "an older one says nothing new");
        newest.see(&json!({ "revision": "9" }));
        assert!((newest.revision, newest.convergence.is_none()) == (9, true), "the newer one has to be asked about");
    }

    #[test]
    fn what_is_everywhere_is_counted() {
        let done = json!({ "revision": "812", "converged": true, "nodes": [{ "node": "a" }, { "node": "b" }], "dnsServers": [{}] });
        assert_eq!(shown(&done, Timestamp(0)), "revision 812 is everywhere: 2 nodes, 1 name server\n");
    }

    #[test]
    fn whoever_lacks_it_is_named_with_what_it_has() {
        let late = json!({
            "revision": "812",
            "nodes": [
                { "node": "node-a", "programmedRevision": "812", "reportTime": "1970-01-01T00:00:09Z" },
                { "node": "node-b", "programmedRevision": "810", "reportTime": "1970-01-01T00:00:07Z", "error": "nftables is full" },
                { "node": "node-c" },
                { "node": "node-d", "programmedRevision": "700", "hasRevision": true },
            ],
            "dnsServers": [{ "server": "dns-1", "servingRevision": "811", "reportTime": "1970-01-01T00:00:10Z" }],
        });
        let text = shown(&late, Timestamp(10_000_000));
        let lines: Vec<String> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let wanted = [
            "revision 812 is not everywhere yet:",
            "WHO HAS HEARD WHY",
            "node node-b 810 3s ago nftables is full",
            "node node-c 0 never <none>",
            "name server dns-1 811 0s ago <none>",
        ];
        assert_eq!(lines, wanted);
    }
}
