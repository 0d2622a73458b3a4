//! `polder delete`: objects by kind and name, or what manifests describe, in the reverse order of applying.

use std::fmt::Write as _;

use polder_core::reason::{Reason, Refusal};
use polder_runtime::status;
use serde_json::{Value, json};

use super::{Context, object};
use crate::client::Client;
use crate::failure::Failure;
use crate::manifest::{Intent, Kind};
use crate::output::columns::{items, text};

/// Deletes one object.
///
/// # Errors
/// [`Failure::Usage`] for an unknown kind; what the server refused.
pub async fn one(context: &Context, kind: &str, name: &str, namespace: &str, force: bool) -> Result<String, Failure> {
    let kind = match kind {
        "pool" | "pools" => Kind::Pool,
        "reservation" | "reservations" => Kind::Reservation,
        "namespace" | "namespaces" | "ns" => Kind::Namespace,
        "node" | "nodes" | "no" => Kind::Node,
        "service" | "services" | "svc" => Kind::Service,
        "pod" | "pods" | "po" | "allocation" | "allocations" => Kind::Allocation,
        _ => {
            let message = format!("`{kind}` cannot be deleted; pool, reservation, namespace, node, service and pod can");
            return Err(Failure::Usage(message));
        }
    };
    remove(&context.client, kind, namespace, name, force).await?;
    Ok(format!("{}/{name} deleted\n", kind.word()))
}

/// Deletes what manifests describe; what is gone already is no failure.
///
/// # Errors
/// The first refusal.
pub async fn all(context: &Context, intents: &[Intent], force: bool) -> Result<String, Failure> {
    let mut lines = String::new();
    for intent in intents.iter().rev() {
        let kept = match intent.kind {
            Kind::Network => "the compute network stays; apply another one to change it",
            Kind::Endpoints => "given endpoints go with their service",
            _ => "",
        };
        if !kept.is_empty() {
            eprintln!("note: {}: {kept}", intent.title());
            continue;
        }
        let state = match remove(&context.client, intent.kind, &intent.namespace, &intent.name, force).await {
            Ok(()) => "deleted",
            Err(failure) if failure.is_not_found() => "not found",
            Err(failure) => {
                print!("{lines}");
                eprintln!("{} is not deleted:", intent.title());
                return Err(failure);
            }
        };
        let _ = writeln!(lines, "{} {state}", intent.title());
    }
    Ok(lines)
}

async fn remove(client: &Client, kind: Kind, namespace: &str, name: &str, force: bool) -> Result<(), Failure> {
    let by_name = object([("name", json!(name))]);
    let (method, request) = match kind {
        Kind::Pool => ("ipam.PoolService/DeletePool", by_name),
        Kind::Reservation => ("ipam.PoolService/DeleteReservation", by_name),
        Kind::Namespace => ("ipam.NamespaceService/DeleteNamespace", by_name),
        Kind::Node => ("ipam.NodeService/DeleteNode", object([("name", json!(name)), ("force", json!(force))])),
        Kind::Service | Kind::Endpoints => {
            ("lb.ServiceCatalogService/DeleteService", object([("namespace", json!(namespace)), ("name", json!(name))]))
        }
        Kind::Allocation => {
            let found = allocation(client, namespace, name).await?;
            // By uid, so that nobody else's address is freed when the name has changed hands meanwhile.
            ("ipam.AllocationService/ReleaseAddresses", object([("uid", found["uid"].clone())]))
        }
        Kind::Network => return Err(Failure::Usage("the compute network cannot be deleted; apply another one".to_owned())),
    };
    client.change(method, request).await.map(|_| ())
}

/// The allocation that a pod of this name holds.
async fn allocation(client: &Client, namespace: &str, name: &str) -> Result<Value, Failure> {
    let request = object([("namespace", json!(namespace))]);
    let listing = client.list("ipam.AllocationService/ListAllocations", "allocations", request).await?;
    let mut found = listing.items.into_iter().filter(|allocation| text(allocation, &["owner", "name"]) == name);
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => {
            let pod = super::qualified(namespace, name);
            let message = format!("pod `{pod}` holds no address. `polder get pods -n {namespace}` lists those that do.");
            Err(status::refuse(Refusal::new(Reason::AllocationNotFound, message).about("pod", pod)).into())
        }
        (Some(first), Some(second)) => {
            let handles = [&first, &second].map(|allocation| text(allocation, &["handle"]));
            let held: usize = [&first, &second].iter().map(|allocation| items(allocation, &["addresses"]).count()).sum();
            let message = format!(
                "pod `{namespace}/{name}` holds {held} addresses under several handles ({}); release them by handle",
                handles.join(", ")
            );
            Err(Failure::Usage(message))
        }
    }
}
