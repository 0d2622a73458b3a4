//! `polder get`: lists of objects, or one.

use serde_json::{Value, json};

use super::{Context, object};
use crate::args::Namespace;
use crate::client::Listing;
use crate::failure::Failure;
use crate::output::columns::{self, Column, items, joined, text};
use crate::output::{Format, data, table};

/// A kind that can be listed.
struct Kind {
    /// As in `kind/name`.
    word: &'static str,
    names: &'static [&'static str],
    method: &'static str,
    items: &'static str,
    namespaced: bool,
    columns: &'static [Column],
    /// The object's own name, for `get KIND NAME`.
    name: fn(&Value) -> String,
}

fn own_name(value: &Value) -> String {
    text(value, &["name"])
}

const KINDS: [Kind; 6] = [
    Kind {
        word: "pool",
        names: &["pool", "pools"],
        method: "ipam.PoolService/ListPools",
        items: "pools",
        namespaced: false,
        columns: columns::POOLS,
        name: own_name,
    },
    Kind {
        word: "node",
        names: &["node", "nodes", "no"],
        method: "ipam.NodeService/ListNodes",
        items: "nodes",
        namespaced: false,
        columns: columns::NODES,
        name: own_name,
    },
    Kind {
        word: "namespace",
        names: &["namespace", "namespaces", "ns"],
        method: "ipam.NamespaceService/ListNamespaces",
        items: "namespaces",
        namespaced: false,
        columns: columns::NAMESPACES,
        name: own_name,
    },
    Kind {
        word: "reservation",
        names: &["reservation", "reservations"],
        method: "ipam.PoolService/ListReservations",
        items: "reservations",
        namespaced: false,
        columns: columns::RESERVATIONS,
        name: own_name,
    },
    Kind {
        word: "allocation",
        names: &["allocation", "allocations", "pod", "pods", "po"],
        method: "ipam.AllocationService/ListAllocations",
        items: "allocations",
        namespaced: true,
        columns: columns::ALLOCATIONS,
        name: |allocation| text(allocation, &["owner", "name"]),
    },
    Kind {
        word: "service",
        names: &["service", "services", "svc"],
        method: "lb.ServiceCatalogService/ListServices",
        items: "services",
        namespaced: true,
        columns: columns::SERVICES,
        name: own_name,
    },
];

/// The text of `polder get KIND [NAME]`.
///
/// # Errors
/// [`Failure::Usage`] for an unknown kind, [`Failure::Negative`] when there is no object of that name; what the server refused.
pub async fn run(
    context: &Context,
    kind: &str,
    name: Option<&str>,
    namespace: &Namespace,
    filter: &str,
) -> Result<String, Failure> {
    match kind {
        "endpoints" | "ep" => return endpoints(context, name, namespace).await,
        "records" | "record" => return records(context, filter).await,
        "network" | "computenetwork" | "clusternetwork" => return network(context).await,
        _ => {}
    }
    let Some(kind) = KINDS.iter().find(|known| known.names.contains(&kind)) else {
        let known: Vec<&str> = KINDS.iter().map(|kind| kind.names[kind.names.len().min(2) - 1]).collect();
        return Err(Failure::Usage(format!("`{kind}` is not a kind; there are {}, endpoints, records, network", known.join(", "))));
    };
    let one_namespace = if kind.namespaced && !namespace.all_namespaces { namespace.namespace.as_str() } else { "" };
    let request = object([("namespace", json!(one_namespace)), ("filter", json!(filter))]);
    let mut listing = context.client.list(kind.method, kind.items, request).await?;
    let Some(name) = name else {
        return show(context, kind, &listing, kind.namespaced && namespace.all_namespaces);
    };
    listing.items.retain(|item| (kind.name)(item) == name);
    if listing.items.is_empty() {
        return Err(Failure::Negative(format!("error: {} `{name}` does not exist", kind.word)));
    }
    show(context, kind, &listing, false)
}

/// Nodes, pods and services of all namespaces, as tables: what has been assigned.
///
/// # Errors
/// What the server refused.
pub async fn overview(context: &Context) -> Result<String, Failure> {
    let everywhere = Namespace { namespace: String::new(), all_namespaces: true };
    let mut tables = Vec::new();
    for kind in ["nodes", "pods", "services"] {
        tables.push(run(context, kind, None, &everywhere, "").await?);
    }
    Ok(tables.join("\n"))
}

fn show(context: &Context, kind: &Kind, listing: &Listing, with_namespace: bool) -> Result<String, Failure> {
    match context.format {
        Format::Json | Format::Yaml => {
            let whole = Value::Object(object([(kind.items, json!(listing.items)), ("revision", listing.revision.clone())]));
            data(&whole, context.format)
        }
        Format::Name => Ok(listing.items.iter().map(|item| format!("{}/{}\n", kind.word, (kind.name)(item))).collect()),
        Format::Table | Format::Wide => {
            let shown: Vec<&Column> = kind.columns.iter().filter(|column| !column.wide || context.format == Format::Wide).collect();
            let with_namespace = with_namespace && kind.columns.iter().all(|column| column.header != "NAMESPACE");
            let mut header: Vec<&str> = shown.iter().map(|column| column.header).collect();
            let row = |item: &Value| {
                let first = with_namespace.then(|| text(item, &["namespace"])).into_iter();
                first.chain(shown.iter().map(|column| (column.cell)(item, context.now))).collect()
            };
            if with_namespace {
                header.insert(0, "NAMESPACE");
            }
            let rows: Vec<Vec<String>> = listing.items.iter().map(row).collect();
            Ok(lines(context, &header, &rows))
        }
    }
}

fn lines(context: &Context, header: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return "No objects found.\n".to_owned();
    }
    table::render(context.headers.then_some(header), rows)
}

async fn endpoints(context: &Context, name: Option<&str>, namespace: &Namespace) -> Result<String, Failure> {
    let one_namespace = if namespace.all_namespaces { "" } else { namespace.namespace.as_str() };
    let request = object([("namespace", json!(one_namespace))]);
    let mut services = context.client.list("lb.ServiceCatalogService/ListServices", "services", request).await?;
    services.items.retain(|service| name.is_none_or(|name| own_name(service) == name));
    if let Some(name) = name.filter(|_| services.items.is_empty()) {
        return Err(Failure::Negative(format!("error: service `{name}` does not exist in namespace `{one_namespace}`")));
    }
    let (mut rows, mut all) = (Vec::new(), Vec::new());
    for service in &services.items {
        let request = object([("namespace", service["namespace"].clone()), ("service", service["name"].clone())]);
        let found = context.client.list("lb.ServiceCatalogService/ListEndpoints", "endpoints", request).await?;
        rows.push(vec![own_name(service), endpoint_addresses(&found.items, true), endpoint_addresses(&found.items, false)]);
        all.push(json!({ "namespace": service["namespace"], "service": service["name"], "endpoints": found.items }));
    }
    match context.format {
        Format::Json | Format::Yaml => data(&json!({ "services": all }), context.format),
        Format::Table | Format::Wide | Format::Name => Ok(lines(context, &["NAME", "ENDPOINTS", "NOT READY"], &rows)),
    }
}

fn endpoint_addresses(endpoints: &[Value], ready: bool) -> String {
    let wanted = endpoints.iter().filter(|endpoint| endpoint["ready"].as_bool().unwrap_or(false) == ready);
    let addresses = wanted.flat_map(|endpoint| {
        let address = text(endpoint, &["address"]);
        let bracketed = if address.contains(':') { format!("[{address}]") } else { address.clone() };
        let ports: Vec<String> = items(endpoint, &["ports"]).map(|port| format!("{bracketed}:{}", text(port, &["port"]))).collect();
        if ports.is_empty() { vec![address] } else { ports }
    });
    let addresses: Vec<String> = addresses.collect();
    if addresses.is_empty() { "<none>".to_owned() } else { addresses.join(",") }
}

async fn records(context: &Context, filter: &str) -> Result<String, Failure> {
    let request = object([("filter", json!(filter))]);
    let listing = context.client.list("dns.DnsService/ListRecords", "records", request).await?;
    match context.format {
        Format::Json | Format::Yaml => data(&json!({ "records": listing.items }), context.format),
        Format::Table | Format::Wide | Format::Name => {
            let cell = |record: &Value, key: &str| text(record, &[key]);
            let row = |record: &Value| ["name", "ttlSeconds", "type", "data"].map(|key| cell(record, key)).to_vec();
            let rows: Vec<Vec<String>> = listing.items.iter().map(row).collect();
            Ok(lines(context, &["NAME", "TTL", "TYPE", "DATA"], &rows))
        }
    }
}

async fn network(context: &Context) -> Result<String, Failure> {
    let answer = context.client.call("ipam.ComputeNetworkService/GetComputeNetwork", json!({})).await?;
    match context.format {
        Format::Json | Format::Yaml => data(&answer, context.format),
        Format::Table | Format::Wide | Format::Name => {
            let network = &answer["network"];
            let list = |key: &str| joined(items(network, &[key]));
            let row = vec![
                text(network, &["interface"]),
                list("nodeRange"),
                list("externalRange"),
                list("podSubnet"),
                list("serviceSubnet"),
            ];
            Ok(lines(context, &["INTERFACE", "NODE RANGE", "EXTERNAL RANGE", "POD SUBNET", "SERVICE SUBNET"], &[row]))
        }
    }
}
