//! The calls that make what a document describes, and what they answered.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::cmd::object;
use crate::duration;
use crate::failure::Failure;
use crate::manifest::{Intent, Kind};
use crate::output::columns::{items, text};

/// What a call did to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It was not there before.
    Created,
    /// It is another now.
    Configured,
    /// It was as described already.
    Unchanged,
}

impl Effect {
    /// The word in messages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
        }
    }
}

/// How documents are applied.
#[derive(Debug, Clone, Default)]
pub struct How {
    /// Only say what would happen.
    pub dry_run: bool,
    /// Holders of addresses that leave their pool may be given others.
    pub allow_eviction: bool,
    /// Warnings about the compute network that are accepted, by reason.
    pub accepted: Vec<String>,
    /// The plans that `polder plan` has shown, by title: `pool/pod`.
    pub if_match: BTreeMap<String, String>,
    /// How long to wait until every node and name server has the change.
    pub wait: Option<Duration>,
}

impl How {
    /// Every plan that is to be kept to is one of what is applied.
    ///
    /// # Errors
    /// [`Failure::Usage`] with the first one that is not.
    pub fn check(&self, steps: &[Step<'_>]) -> Result<(), Failure> {
        let planned = |name: &String| steps.iter().any(|step| step.plan().as_ref() == Some(name));
        match self.if_match.keys().find(|name| !planned(name)) {
            None => Ok(()),
            Some(name) => Err(Failure::Usage(format!("--if-match {name}: no pool or network of this name is applied"))),
        }
    }

    /// Adds to a request what may happen to holders, and which plan is to be kept to.
    fn ask(&self, step: &Step<'_>, request: &mut Map<String, Value>) {
        request.insert("allowEviction".to_owned(), json!(self.allow_eviction));
        if let Some(etag) = step.plan().and_then(|name| self.if_match.get(&name)) {
            request.insert("planEtag".to_owned(), json!(etag));
        }
    }
}

/// What is applied by one call.
#[derive(Debug, Clone)]
pub enum Step<'a> {
    /// One document.
    One(&'a Intent),
    /// Several pools, of which only the result is judged: a split, a merge, a range that moves from one to another.
    Pools(Vec<&'a Intent>),
}

/// The most pools of one call.
const MOST_POOLS: usize = 100;

/// The calls that intents take, in order.
#[must_use]
pub fn steps(intents: &[Intent]) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    for chunk in intents.chunk_by(|one, next| one.kind == Kind::Pool && next.kind == Kind::Pool) {
        match chunk {
            [one] => steps.push(Step::One(one)),
            many => steps.extend(many.chunks(MOST_POOLS).map(|pools| Step::Pools(pools.iter().collect()))),
        }
    }
    steps
}

impl Step<'_> {
    /// The documents.
    #[must_use]
    pub fn intents(&self) -> Vec<&Intent> {
        match self {
            Self::One(intent) => vec![intent],
            Self::Pools(intents) => intents.clone(),
        }
    }

    /// The titles of the documents, for a sentence.
    #[must_use]
    pub fn title(&self) -> String {
        self.intents().iter().map(|intent| intent.title()).collect::<Vec<_>>().join(", ")
    }

    /// The name of its plan, if it can be kept to one.
    #[must_use]
    pub fn plan(&self) -> Option<String> {
        match self {
            Self::One(intent) => matches!(intent.kind, Kind::Pool | Kind::Network).then(|| intent.title()),
            Self::Pools(_) => Some("pools".to_owned()),
        }
    }
}

/// What became of the documents of one call.
#[derive(Debug, Clone)]
pub struct Done {
    /// What happened to each object, by the title of its document.
    pub effects: Vec<(String, Effect)>,
    /// The whole answer; null when nothing had to be asked for.
    pub answer: Value,
}

impl Done {
    /// One line for each document, made by `line` of its title and its effect.
    pub fn lines<'a>(&'a self, line: impl Fn(&str, &str) -> String + 'a) -> impl Iterator<Item = String> + 'a {
        self.effects.iter().map(move |(title, effect)| line(title, effect.word()))
    }

    /// Whether anything changed, or would.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.effects.iter().any(|(_, effect)| *effect != Effect::Unchanged)
    }

    /// What was found about the compute network, a sentence each.
    pub fn findings(&self) -> impl Iterator<Item = String> {
        items(&self.answer, &["findings"]).map(|finding| {
            let (reason, field) = (text(finding, &["reason"]), finding["field"].as_str().unwrap_or_default());
            let place = if field.is_empty() { reason } else { format!("{reason} {field}") };
            let mut sentence = format!("{place}: {}", text(finding, &["message"]));
            if let Some(advice) = finding["suggestion"].as_str().filter(|advice| !advice.is_empty()) {
                sentence.push_str(&format!(" {advice}"));
            }
            sentence
        })
    }

    /// Whether a change would be refused that a dry run only reports on.
    #[must_use]
    pub fn is_acceptable(&self) -> bool {
        self.answer["network"].is_null() || self.answer["acceptable"].as_bool() == Some(true)
    }
}

/// Makes what the documents of a step describe, or only says what that would do.
///
/// # Errors
/// What the server refused.
pub async fn put(client: &Client, step: &Step<'_>, how: &How) -> Result<Done, Failure> {
    let intent = match step {
        Step::One(intent) => *intent,
        Step::Pools(intents) => return pools(client, step, intents, how).await,
    };
    let dry_run = how.dry_run;
    let (effect, answer) = match intent.kind {
        Kind::Network => network(client, intent, how).await?,
        Kind::Pool => upsert(client, intent, &Upsert::ipam("PoolService", "Pool"), how).await?,
        Kind::Reservation => upsert(client, intent, &Upsert::ipam("PoolService", "Reservation"), how).await?,
        Kind::Namespace => upsert(client, intent, &Upsert::ipam("NamespaceService", "Namespace"), how).await?,
        Kind::Node => node(client, intent, dry_run).await?,
        Kind::BgpPeer => upsert(client, intent, &Upsert::lb("BgpPeer"), how).await?,
        Kind::BgpAdvertisement => upsert(client, intent, &Upsert::lb("BgpAdvertisement"), how).await?,
        Kind::Zone => upsert(client, intent, &Upsert::dns("Zone"), how).await?,
        Kind::RecordSet => upsert(client, intent, &Upsert::dns("RecordSet"), how).await?,
        Kind::Service => service(client, intent, how).await?,
        Kind::Endpoints => endpoints(client, intent, how).await?,
        Kind::Allocation => allocation(client, intent, dry_run).await?,
    };
    Ok(Done { effects: vec![(intent.title(), effect)], answer })
}

/// What happened to an object, and the whole answer.
type Put = (Effect, Value);

/// Puts several pools at once. The answer has them in the order of the request.
async fn pools(client: &Client, step: &Step<'_>, intents: &[&Intent], how: &How) -> Result<Done, Failure> {
    let mut before = Vec::new();
    for intent in intents {
        before.push(existing(client, "ipam.PoolService/GetPool", object([("name", json!(intent.name))])).await?);
    }
    let changes: Vec<Value> = intents.iter().map(|intent| json!({ "put": intent.object })).collect();
    let mut request = object([("changes", json!(changes)), ("validateOnly", json!(how.dry_run))]);
    how.ask(step, &mut request);
    let answer = client.change("ipam.PoolService/ApplyPools", request).await?;
    let after = items(&answer, &["pools"]);
    let effects = intents.iter().zip(&before).zip(after);
    let effects = effects
        .map(|((intent, before), after)| (intent.title(), effect(before.as_ref().map(|answer| &answer["pool"]), after)))
        .collect();
    Ok(Done { effects, answer })
}

/// The pair of methods that reads and puts objects of a kind.
struct Upsert {
    service: String,
    noun: &'static str,
}

impl Upsert {
    fn ipam(service: &str, noun: &'static str) -> Self {
        Self { service: format!("ipam.{service}"), noun }
    }

    fn lb(noun: &'static str) -> Self {
        Self { service: "lb.AnnouncementService".to_owned(), noun }
    }

    fn dns(noun: &'static str) -> Self {
        Self { service: "dns.DnsService".to_owned(), noun }
    }

    /// The noun as a field of proto3 JSON: `bgpPeer`.
    fn field(&self) -> String {
        let mut letters = self.noun.chars();
        letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
    }
}

fn effect(before: Option<&Value>, after: &Value) -> Effect {
    match before {
        None => Effect::Created,
        Some(before) if before["etag"] == after["etag"] => Effect::Unchanged,
        Some(_) => Effect::Configured,
    }
}

/// The answer, or `None` when there is no such object. A name that cannot be one names nothing; the change that follows is
/// refused for it, and for whatever else is wrong with it.
async fn existing(client: &Client, method: &str, request: Map<String, Value>) -> Result<Option<Value>, Failure> {
    match client.call(method, Value::Object(request)).await {
        Ok(answer) => Ok(Some(answer)),
        Err(failure) if failure.is_not_found() || failure.is_invalid() => Ok(None),
        Err(failure) => Err(failure),
    }
}

async fn upsert(client: &Client, intent: &Intent, kind: &Upsert, how: &How) -> Result<Put, Failure> {
    let get = format!("{}/Get{}", kind.service, kind.noun);
    let before = existing(client, &get, get_request(intent)).await?;
    let put = format!("{}/Update{}", kind.service, kind.noun);
    let field = kind.field();
    let answer = client.change(&put, upsert_request(intent, kind, how)).await?;
    Ok((effect(before.as_ref().map(|answer| &answer[&field]), &answer[&field]), answer))
}

/// What names the object: its name, and of a record set its zone and its type.
fn get_request(intent: &Intent) -> Map<String, Value> {
    let said = |key: &str| intent.object.get(key).cloned().filter(|_| intent.kind == Kind::RecordSet).unwrap_or_default();
    object([("name", json!(intent.name)), ("zone", said("zone")), ("type", said("type"))])
}

fn upsert_request(intent: &Intent, kind: &Upsert, how: &How) -> Map<String, Value> {
    let field = kind.field();
    let mut request =
        object([(field.as_str(), json!(intent.object)), ("allowMissing", json!(true)), ("validateOnly", json!(how.dry_run))]);
    if intent.kind == Kind::Pool {
        how.ask(&Step::One(intent), &mut request);
    }
    request
}

async fn network(client: &Client, intent: &Intent, how: &How) -> Result<Put, Failure> {
    let before = existing(client, "ipam.ComputeNetworkService/GetComputeNetwork", Map::new()).await?;
    let before = before.as_ref().map(|answer| &answer["network"]).filter(|network| !network["etag"].is_null());
    let mut request = object([("network", json!(intent.object)), ("validateOnly", json!(how.dry_run))]);
    how.ask(&Step::One(intent), &mut request);
    if !how.accepted.is_empty() {
        request.insert("acceptedReasons".to_owned(), json!(how.accepted));
    }
    let answer = client.change("ipam.ComputeNetworkService/ApplyComputeNetwork", request).await?;
    Ok((effect(before, &answer["network"]), answer))
}

async fn node(client: &Client, intent: &Intent, dry_run: bool) -> Result<Put, Failure> {
    let before = existing(client, "ipam.NodeService/GetNode", object([("name", json!(intent.name))])).await?;
    let mut request = intent.object.clone();
    request.insert("validateOnly".to_owned(), json!(dry_run));
    let answer = client.change("ipam.NodeService/RegisterNode", request).await?;
    Ok((effect(before.as_ref().map(|answer| &answer["node"]), &answer["node"]), answer))
}

async fn current_service(client: &Client, intent: &Intent) -> Result<Option<Value>, Failure> {
    let request = object([("namespace", json!(intent.namespace)), ("name", json!(intent.name))]);
    let answer = existing(client, "lb.ServiceCatalogService/GetService", request).await?;
    Ok(answer.map(|mut answer| answer["service"].take()))
}

fn service_request(service: &Value, how: &How) -> Map<String, Value> {
    object([
        ("service", service.clone()),
        ("allowMissing", json!(true)),
        ("allowPending", json!(true)),
        ("validateOnly", json!(how.dry_run)),
        ("wait", json!(how.wait.map(duration::json))),
    ])
}

async fn put_service(client: &Client, service: &Value, how: &How) -> Result<Value, Failure> {
    client.change("lb.ServiceCatalogService/UpdateService", service_request(service, how)).await
}

async fn service(client: &Client, intent: &Intent, how: &How) -> Result<Put, Failure> {
    let before = current_service(client, intent).await?;
    let mut wanted = Value::Object(intent.object.clone());
    // Endpoints of a service without selector come from EndpointSlices, in documents of their own.
    let given =
        wanted["spec"]["endpoints"].is_array() || wanted["spec"]["selector"].as_object().is_some_and(|pairs| !pairs.is_empty());
    if let Some(before) = before.as_ref().filter(|_| !given) {
        wanted["spec"]["endpoints"] = before["spec"]["endpoints"].clone();
    }
    let answer = put_service(client, &wanted, how).await?;
    Ok((effect(before.as_ref(), &answer["service"]), answer))
}

/// Puts the slice's endpoints in place of those of its own family that the service has now.
async fn endpoints(client: &Client, intent: &Intent, how: &How) -> Result<Put, Failure> {
    let Some(before) = current_service(client, intent).await? else {
        let message = format!("service `{}/{}` does not exist; apply it before its endpoints", intent.namespace, intent.name);
        return Err(Failure::Usage(message));
    };
    let given: Vec<Value> = intent.object.get("endpoints").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_v6 = |endpoint: &Value| endpoint["address"].as_str().is_some_and(|address| address.contains(':'));
    let family = given.first().map(is_v6);
    let other = items(&before, &["spec", "endpoints"]).filter(|endpoint| family.is_some_and(|v6| is_v6(endpoint) != v6));
    let all: Vec<Value> = other.cloned().chain(given.clone()).collect();
    let mut wanted = before.clone();
    wanted["spec"]["endpoints"] = Value::Array(all);
    let answer = put_service(client, &wanted, how).await?;
    Ok((effect(Some(&before), &answer["service"]), answer))
}

async fn allocation(client: &Client, intent: &Intent, dry_run: bool) -> Result<Put, Failure> {
    let handle = intent.object.get("handle").cloned().unwrap_or_default();
    let before = existing(client, "ipam.AllocationService/GetAllocation", object([("handle", handle.clone())])).await?;
    let mut before = before.map(|mut answer| answer["allocation"].take());
    let uid = |value: &Value| value["owner"]["uid"].as_str().unwrap_or_default().to_owned();
    let wanted = Value::Object(intent.object.clone());
    // A pod made anew under its old name is another pod: it gets an address of its own.
    if before.as_ref().is_some_and(|held| !uid(&wanted).is_empty() && uid(held) != uid(&wanted)) && !dry_run {
        client.change("ipam.AllocationService/ReleaseAddresses", object([("handle", handle)])).await?;
        before = None;
    }
    let Some(held) = before else {
        let request = object([("spec", wanted), ("validateOnly", json!(dry_run))]);
        let answer = client.change("ipam.AllocationService/AllocateAddresses", request).await?;
        return Ok((Effect::Created, answer));
    };
    let mut changed = Map::from_iter([("uid".to_owned(), held["uid"].clone())]);
    for key in ["labels", "ready", "hostname", "subdomain", "ports"] {
        let (old, new) = (&held[key], &wanted[key]);
        if old != new && !(is_default(old) && is_default(new)) {
            changed.insert(key.to_owned(), new.clone());
        }
    }
    if changed.len() == 1 {
        return Ok((Effect::Unchanged, Value::Null));
    }
    let mask: Vec<&str> = changed.keys().map(String::as_str).filter(|key| *key != "uid").collect();
    let request = object([("updateMask", json!(mask.join(","))), ("validateOnly", json!(dry_run)), ("allocation", json!(changed))]);
    let answer = client.change("ipam.AllocationService/UpdateAllocation", request).await?;
    Ok((Effect::Configured, answer))
}

/// Whether proto3 JSON leaves the value out.
fn is_default(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::String(text) => text.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests;
