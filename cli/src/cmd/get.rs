//! `polder get`: lists of objects, or one.

mod views;

use polder_core::reason::Reason;
use serde_json::{Value, json};

use super::{Context, missing, object, qualified};
use crate::args::Namespace;
use crate::client::Listing;
use crate::failure::Failure;
use crate::output::columns::{self, Column, text};
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
    /// What is said when there is none of that name.
    missing: Reason,
}

fn own_name(value: &Value) -> String {
    text(value, &["name"])
}

const KINDS: [Kind; 10] = [
    Kind {
        word: "pool",
        names: &["pool", "pools"],
        method: "ipam.PoolService/ListPools",
        items: "pools",
        namespaced: false,
        columns: columns::POOLS,
        name: own_name,
        missing: Reason::PoolNotFound,
    },
    Kind {
        word: "node",
        names: &["node", "nodes", "no"],
        method: "ipam.NodeService/ListNodes",
        items: "nodes",
        namespaced: false,
        columns: columns::NODES,
        name: own_name,
        missing: Reason::NodeNotFound,
    },
    Kind {
        word: "namespace",
        names: &["namespace", "namespaces", "ns"],
        method: "ipam.NamespaceService/ListNamespaces",
        items: "namespaces",
        namespaced: false,
        columns: columns::NAMESPACES,
        name: own_name,
        missing: Reason::NamespaceNotFound,
    },
    Kind {
        word: "reservation",
        names: &["reservation", "reservations"],
        method: "ipam.PoolService/ListReservations",
        items: "reservations",
        namespaced: false,
        columns: columns::RESERVATIONS,
        name: own_name,
        missing: Reason::ReservationNotFound,
    },
    Kind {
        word: "allocation",
        names: &["allocation", "allocations", "pod", "pods", "po"],
        method: "ipam.AllocationService/ListAllocations",
        items: "allocations",
        namespaced: true,
        columns: columns::ALLOCATIONS,
        name: |allocation| text(allocation, &["owner", "name"]),
        missing: Reason::AllocationNotFound,
    },
    Kind {
        word: "service",
        names: &["service", "services", "svc"],
        method: "lb.ServiceCatalogService/ListServices",
        items: "services",
        namespaced: true,
        columns: columns::SERVICES,
        name: own_name,
        missing: Reason::ServiceNotFound,
    },
    Kind {
        word: "bgp-peer",
        names: &["bgp-peer", "bgp-peers", "bgppeer", "bgppeers"],
        method: "lb.AnnouncementService/ListBgpPeers",
        items: "bgpPeers",
        namespaced: false,
        columns: columns::BGP_PEERS,
        name: own_name,
        missing: Reason::BgpPeerNotFound,
    },
    Kind {
        word: "bgp-advertisement",
        names: &["bgp-advertisement", "bgp-advertisements", "bgpadvertisement", "bgpadvertisements"],
        method: "lb.AnnouncementService/ListBgpAdvertisements",
        items: "bgpAdvertisements",
        namespaced: false,
        columns: columns::BGP_ADVERTISEMENTS,
        name: own_name,
        missing: Reason::BgpAdvertisementNotFound,
    },
    Kind {
        word: "zone",
        names: &["zone", "zones"],
        method: "dns.DnsService/ListZones",
        items: "zones",
        namespaced: false,
        columns: columns::ZONES,
        name: own_name,
        missing: Reason::ZoneNotFound,
    },
    Kind {
        word: "announcement",
        names: &["announcement", "announcements"],
        method: "lb.AnnouncementService/ListAnnouncements",
        items: "announcements",
        namespaced: false,
        columns: columns::ANNOUNCEMENTS,
        name: |announcement| text(announcement, &["address"]),
        missing: Reason::AnnouncementNotFound,
    },
];

/// The text of `polder get KIND [NAME]`.
///
/// # Errors
/// [`Failure::Usage`] for an unknown kind; what the server refused, and in its words that there is no object of that name.
pub async fn run(
    context: &Context,
    kind: &str,
    name: Option<&str>,
    namespace: &Namespace,
    filter: &str,
) -> Result<String, Failure> {
    let listed = list(context, kind, name, namespace, filter).await?;
    if listed.is_empty() {
        // Not on standard output, where a script would count it as an object.
        eprintln!("No objects found.");
    }
    Ok(listed)
}

async fn list(context: &Context, kind: &str, name: Option<&str>, namespace: &Namespace, filter: &str) -> Result<String, Failure> {
    match kind {
        "endpoints" | "ep" => return views::endpoints(context, name, namespace, filter).await,
        "record-sets" | "record-set" | "recordsets" | "recordset" => return views::record_sets(context, name, filter).await,
        "records" | "record" => return views::records(context, name, filter).await,
        "network" | "computenetwork" | "clusternetwork" => return views::network(context, name, filter).await,
        _ => {}
    }
    let Some(kind) = KINDS.iter().find(|known| known.names.contains(&kind)) else {
        let known: Vec<&str> = KINDS.iter().map(|kind| kind.names[kind.names.len().min(2) - 1]).collect();
        return Err(Failure::Usage(format!(
            "`{kind}` is not a kind; there are {}, endpoints, recordsets, records, network",
            known.join(", ")
        )));
    };
    let one_namespace = if kind.namespaced && !namespace.all_namespaces { namespace.namespace.as_str() } else { "" };
    let request = object([("namespace", json!(one_namespace)), ("filter", json!(filter))]);
    let mut listing = context.client.list(kind.method, kind.items, request).await?;
    let Some(name) = name else {
        return show(context, kind, &listing, kind.namespaced && namespace.all_namespaces);
    };
    listing.items.retain(|item| (kind.name)(item) == name);
    if listing.items.is_empty() {
        return Err(missing(kind.missing, kind.word, &qualified(one_namespace, name)));
    }
    show(context, kind, &listing, false)
}

/// Nodes, pods and services of all namespaces, as tables: what has been assigned. A table without rows is left out.
///
/// # Errors
/// What the server refused.
pub async fn overview(context: &Context) -> Result<String, Failure> {
    let everywhere = Namespace { namespace: String::new(), all_namespaces: true };
    let mut tables = Vec::new();
    for kind in ["nodes", "pods", "services"] {
        tables.push(list(context, kind, None, &everywhere, "").await?);
    }
    tables.retain(|table| !table.is_empty());
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
    if rows.is_empty() { String::new() } else { table::render(context.headers.then_some(header), rows) }
}
