//! `polder apply`: makes what manifests describe, or brings it up to date, in an order in which each object finds what it needs.
//!
//! Each object is a call of its own: what has been applied stays when a later one is refused, and applying again goes on.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{Context, object};
use crate::client::Client;
use crate::failure::Failure;
use crate::manifest::{self, Intent, Kind};
use crate::output::columns::items;

/// What a call did to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Created,
    Configured,
    Unchanged,
}

impl Effect {
    const fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
        }
    }
}

/// Reads every manifest that the paths name: files, folders (their `.yaml`, `.yml` and `.json` files by name), `-`.
///
/// # Errors
/// [`Failure::Local`] for a file that cannot be read, [`Failure::Usage`] for what is wrong in it, and when none has a document.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Intent>, Failure> {
    let mut intents = Vec::new();
    for path in paths.iter().map(|path| files(path)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
        intents.extend(manifest::read(&path.display().to_string(), &contents(&path)?)?);
    }
    if intents.is_empty() && !paths.is_empty() {
        let places: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(Failure::Usage(format!("there is no document in {}", places.join(", "))));
    }
    intents.sort_by_key(|intent| intent.kind);
    Ok(intents)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Local(format!("{} cannot be read: {error}", path.display()))
}

fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).map_err(|error| unreadable(path, &error))?;
    let is_manifest = |path: &PathBuf| path.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json");
    let mut found: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).filter(is_manifest).collect();
    found.sort();
    Ok(found)
}

fn contents(path: &Path) -> Result<String, Failure> {
    if path != Path::new("-") {
        return std::fs::read_to_string(path).map_err(|error| unreadable(path, &error));
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|error| unreadable(path, &error))?;
    Ok(text)
}

/// Applies intents one by one; gives a line for each. Notes go to standard error as they come.
///
/// # Errors
/// The first refusal, after the lines of what went well before it have been printed.
pub async fn run(context: &Context, intents: &[Intent], dry_run: bool) -> Result<String, Failure> {
    let mut lines = String::new();
    for intent in intents {
        for note in &intent.notes {
            eprintln!("note: {}: {note}", intent.title());
        }
        match one(&context.client, intent, dry_run).await {
            Ok(effect) => {
                let _ = writeln!(lines, "{} {}{}", intent.title(), effect.word(), if dry_run { " (dry run)" } else { "" });
            }
            Err(failure) => {
                print!("{lines}");
                eprintln!("{} is refused:", intent.title());
                return Err(failure);
            }
        }
    }
    Ok(lines)
}

async fn one(client: &Client, intent: &Intent, dry_run: bool) -> Result<Effect, Failure> {
    match intent.kind {
        Kind::Network => network(client, intent, dry_run).await,
        Kind::Pool => upsert(client, intent, &Upsert::ipam("PoolService", "Pool"), dry_run).await,
        Kind::Reservation => upsert(client, intent, &Upsert::ipam("PoolService", "Reservation"), dry_run).await,
        Kind::Namespace => upsert(client, intent, &Upsert::ipam("NamespaceService", "Namespace"), dry_run).await,
        Kind::Node => node(client, intent, dry_run).await,
        Kind::Service => service(client, intent, dry_run).await,
        Kind::Endpoints => endpoints(client, intent, dry_run).await,
        Kind::Allocation => allocation(client, intent, dry_run).await,
    }
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

    fn field(&self) -> String {
        self.noun.to_lowercase()
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

async fn upsert(client: &Client, intent: &Intent, kind: &Upsert, dry_run: bool) -> Result<Effect, Failure> {
    let get = format!("{}/Get{}", kind.service, kind.noun);
    let before = existing(client, &get, object([("name", json!(intent.name))])).await?;
    let put = format!("{}/Update{}", kind.service, kind.noun);
    let field = kind.field();
    let request = object([(field.as_str(), json!(intent.object)), ("allowMissing", json!(true)), ("validateOnly", json!(dry_run))]);
    let after = client.change(&put, request).await?;
    Ok(effect(before.as_ref().map(|answer| &answer[&field]), &after[&field]))
}

async fn network(client: &Client, intent: &Intent, dry_run: bool) -> Result<Effect, Failure> {
    let before = existing(client, "ipam.ComputeNetworkService/GetComputeNetwork", Map::new()).await?;
    let before = before.as_ref().map(|answer| &answer["network"]).filter(|network| !network["etag"].is_null());
    let request = object([("network", json!(intent.object)), ("validateOnly", json!(dry_run))]);
    let after = client.change("ipam.ComputeNetworkService/ApplyComputeNetwork", request).await?;
    for finding in items(&after, &["findings"]) {
        eprintln!("note: {}: {}", finding["reason"].as_str().unwrap_or_default(), finding["message"].as_str().unwrap_or_default());
    }
    Ok(effect(before, &after["network"]))
}

async fn node(client: &Client, intent: &Intent, dry_run: bool) -> Result<Effect, Failure> {
    let before = existing(client, "ipam.NodeService/GetNode", object([("name", json!(intent.name))])).await?;
    let mut request = intent.object.clone();
    request.insert("validateOnly".to_owned(), json!(dry_run));
    let after = client.change("ipam.NodeService/RegisterNode", request).await?;
    Ok(effect(before.as_ref().map(|answer| &answer["node"]), &after["node"]))
}

async fn current_service(client: &Client, intent: &Intent) -> Result<Option<Value>, Failure> {
    let request = object([("namespace", json!(intent.namespace)), ("name", json!(intent.name))]);
    let answer = existing(client, "lb.ServiceCatalogService/GetService", request).await?;
    Ok(answer.map(|mut answer| answer["service"].take()))
}

async fn put_service(client: &Client, service: &Value, dry_run: bool) -> Result<Value, Failure> {
    let request = object([
        ("service", service.clone()),
        ("allowMissing", json!(true)),
        ("allowPending", json!(true)),
        ("validateOnly", json!(dry_run)),
    ]);
    let mut answer = client.change("lb.ServiceCatalogService/UpdateService", request).await?;
    Ok(answer["service"].take())
}

async fn service(client: &Client, intent: &Intent, dry_run: bool) -> Result<Effect, Failure> {
    let before = current_service(client, intent).await?;
    let mut wanted = Value::Object(intent.object.clone());
    // Endpoints of a service without selector come from EndpointSlices, in documents of their own.
    let given =
        wanted["spec"]["endpoints"].is_array() || wanted["spec"]["selector"].as_object().is_some_and(|pairs| !pairs.is_empty());
    if let Some(before) = before.as_ref().filter(|_| !given) {
        wanted["spec"]["endpoints"] = before["spec"]["endpoints"].clone();
    }
    let after = put_service(client, &wanted, dry_run).await?;
    Ok(effect(before.as_ref(), &after))
}

/// Puts the slice's endpoints in place of those of its own family that the service has now.
async fn endpoints(client: &Client, intent: &Intent, dry_run: bool) -> Result<Effect, Failure> {
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
    let after = put_service(client, &wanted, dry_run).await?;
    Ok(effect(Some(&before), &after))
}

async fn allocation(client: &Client, intent: &Intent, dry_run: bool) -> Result<Effect, Failure> {
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
        client.change("ipam.AllocationService/AllocateAddresses", request).await?;
        return Ok(Effect::Created);
    };
    let mut changed = Map::from_iter([("uid".to_owned(), held["uid"].clone())]);
    for key in ["labels", "ready", "hostname", "subdomain", "ports"] {
        let (old, new) = (&held[key], &wanted[key]);
        if old != new && !(is_default(old) && is_default(new)) {
            changed.insert(key.to_owned(), new.clone());
        }
    }
    if changed.len() == 1 {
        return Ok(Effect::Unchanged);
    }
    let mask: Vec<&str> = changed.keys().map(String::as_str).filter(|key| *key != "uid").collect();
    let request = object([("updateMask", json!(mask.join(","))), ("validateOnly", json!(dry_run)), ("allocation", json!(changed))]);
    client.change("ipam.AllocationService/UpdateAllocation", request).await?;
    Ok(Effect::Configured)
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
