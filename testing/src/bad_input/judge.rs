//! The judgement of each row, on a service that runs.

use polder_core::reason::Refusal;
use polder_runtime::status::decode;
use prost_reflect::{DynamicMessage, MethodDescriptor, ReflectMessage, Value};
use serde_json::{Value as Json, json};
use tonic::{Code, Status};

use super::client::Client;
use super::request::{request, with};
use super::table::{Expect, Row, Table};

/// So many refusals fit into the details of a status, which travel in a header.
const MOST_AT_ONCE: usize = 15;

/// A service with everything in it that requests are about.
pub trait World {
    /// A list, whose answer says the revision that the service shows: `PoolService/ListPools`.
    const LIST: &'static str;

    /// How to call it.
    fn client(&self) -> &Client;

    /// A change that has not been made before, under a mark of its own, with a revision in its answer.
    fn touch(&self, mark: &str) -> (&'static str, Json);

    /// Whether the answer to a request with a wrong field says what it must.
    fn verdict(&self, method: &MethodDescriptor, row: &Row, answer: Result<DynamicMessage, Status>) -> Result<(), String> {
        let _ = method;
        says(row, answer)
    }
}

/// Judges every row of the tables, all of them before it fails.
pub async fn judge(world: &impl World, tables: Vec<Table>) {
    let mut judge = Judge { world, revision: revision(world).await, failures: Vec::new() };
    let rows: usize = tables.iter().map(|table| table.rows.len()).sum();
    for table in &tables {
        judge.table(table).await;
    }
    // The view may lag behind the store: the next commit says whether there was another one before it.
    let after = judge.touch().await;
    let mut failures = judge.failures;
    if after != judge.revision + 1 {
        failures.push(format!("something has changed: {after} comes after {}", judge.revision));
    }
    println!("{rows} rows of {} tables, {} failures", tables.len(), failures.len());
    assert!(failures.is_empty(), "{} failures in {rows} rows:\n{}", failures.len(), failures.join("\n"));
}

struct Judge<'a, W> {
    world: &'a W,
    /// The revision before the row, or before its request where others go before it.
    revision: u64,
    failures: Vec<String>,
}

/// A method, and the good requests that go before the one in question.
struct Called<'a> {
    method: &'a MethodDescriptor,
    before: Vec<DynamicMessage>,
}

impl<W: World> Judge<'_, W> {
    async fn table(&mut self, table: &Table) {
        let method = self.world.client().method_of(table.method);
        let whole = request(&method, &table.request);
        let called = Called { method: &method, before: table.before.iter().map(|json| request(&method, json)).collect() };
        let outcome = self.good(&called, whole.clone()).await;
        self.note(outcome, || format!("{}: the request without a row", table.method)).await;
        if table.at_once {
            let outcome = self.at_once(&called, table, &whole).await;
            self.note(outcome, || format!("{}: many fields at once", table.method)).await;
        }
        for row in &table.rows {
            let changed = with(&whole, &row.field, &row.to);
            let outcome = if row.is_wrong() {
                let answer = self.ask(&called, changed).await;
                self.world.verdict(&method, row, answer)
            } else {
                self.good(&called, changed).await
            };
            let place = if table.before.is_empty() { "" } else { ", later in a stream" };
            self.note(outcome, || format!("{} {} = {}{place}", table.method, row.field, brief(row))).await;
        }
    }

    /// The answer to a request, after the ones before it. Those may change something, as good ones do.
    async fn ask(&mut self, called: &Called<'_>, request: DynamicMessage) -> Result<DynamicMessage, Status> {
        let client = self.world.client();
        if called.before.is_empty() {
            return client.call(called.method, request).await;
        }
        let mut stream = client.open(called.method).await;
        for good in &called.before {
            let answer = stream.ask(good.clone()).await;
            assert!(answer.is_ok(), "{}: what goes before is good: {answer:?}", called.method.full_name());
        }
        self.revision = self.touch().await;
        stream.ask(request).await
    }

    /// A change of our own, and its revision: whatever was committed before it is older.
    async fn touch(&self) -> u64 {
        let (path, touch) = self.world.touch(&self.revision.to_string());
        revision_of(&self.world.client().made(path, touch).await)
    }

    /// Keeps what went wrong, and whether something has changed.
    async fn note(&mut self, outcome: Result<(), String>, what: impl Fn() -> String) {
        self.failures.extend(outcome.err().map(|why| format!("{}: {why}", what())));
        let now = revision(self.world).await;
        if now != self.revision {
            self.failures.push(format!("{}: something has changed", what()));
            self.revision = now;
        }
    }

    async fn good(&mut self, called: &Called<'_>, request: DynamicMessage) -> Result<(), String> {
        let answer = self.ask(called, dry(request)).await;
        if called.method.is_client_streaming() {
            // There is no dry run of a stream.
            self.revision = self.touch().await;
        }
        answer.map(drop).map_err(|status| format!("it is good, and was refused: {status:?}"))
    }

    /// Many fields wrong in one request: every one of them is named.
    async fn at_once(&mut self, called: &Called<'_>, table: &Table, whole: &DynamicMessage) -> Result<(), String> {
        let mut chosen: Vec<&Row> = Vec::new();
        let apart = |one: &str, other: &str| !one.starts_with(other) && !other.starts_with(one);
        for row in table.rows.iter().filter(|row| matches!(row.expect, Expect::Invalid(_))) {
            if chosen.len() < MOST_AT_ONCE && chosen.iter().all(|other| apart(&row.field, &other.field)) {
                chosen.push(row);
            }
        }
        if chosen.len() < 2 {
            return Ok(());
        }
        let wrong = chosen.iter().fold(whole.clone(), |request, row| with(&request, &row.field, &row.to));
        let refusal = match self.ask(called, wrong).await {
            Ok(answer) => return Err(format!("it was accepted: {answer}")),
            Err(status) => decode(&status),
        };
        let named: Vec<&str> = refusal.violations.iter().map(|bad| bad.field.as_str()).collect();
        let unnamed: Vec<&str> = chosen.iter().map(|row| row.named.as_str()).filter(|field| !named.contains(field)).collect();
        if unnamed.is_empty() { Ok(()) } else { Err(format!("{unnamed:?} are not named, only {named:?}")) }
    }
}

/// Whether a refusal says what it must.
///
/// # Errors
///
/// When the request was accepted, or refused in other words; the text says how.
pub fn says(row: &Row, answer: Result<DynamicMessage, Status>) -> Result<(), String> {
    let status = match answer {
        Ok(answer) => return Err(format!("it was accepted: {answer}")),
        Err(status) => status,
    };
    let refusal: Refusal = decode(&status);
    let fields: Vec<_> = refusal.violations.iter().map(|bad| (bad.field.as_str(), bad.reason)).collect();
    let fit_to_read = status.message().len() < 2000 && !status.message().chars().any(char::is_control);
    let said = (status.code(), refusal.reason);
    let right = match &row.expect {
        Expect::Good => false,
        Expect::Refused(code, reason) => said == (*code, *reason),
        Expect::Invalid(reason) => said == (Code::InvalidArgument, *reason) && fields == [(row.named.as_str(), *reason)],
    };
    if right && fit_to_read {
        return Ok(());
    }
    Err(format!("{:?} {} {fields:?}: {:.200}", status.code(), refusal.reason, status.message()))
}

/// The revision that the service shows.
pub async fn revision<W: World>(world: &W) -> u64 {
    revision_of(&world.client().made(W::LIST, json!({"pageSize": 1})).await)
}

fn revision_of(answer: &DynamicMessage) -> u64 {
    answer.get_field_by_name("revision").unwrap().as_u64().unwrap()
}

/// The request with nothing committed, where there is a choice.
fn dry(mut request: DynamicMessage) -> DynamicMessage {
    if let Some(field) = request.descriptor().get_field_by_name("validate_only") {
        request.set_field(&field, Value::Bool(true));
    }
    request
}

fn brief(row: &Row) -> String {
    let text = format!("{:?}", row.to);
    text.chars().take(120).collect()
}
