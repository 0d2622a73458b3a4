//! The command line of `polder`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::output::Format;
use crate::up::UpArgs;

/// Polder: addresses, load balancing and names for clusters on machines you own.
#[derive(Debug, Parser)]
#[command(name = "polder", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// Where and how to ask.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What every verb understands.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The gRPC address of Polder; several, by comma, are tried in turn.
    #[arg(long, global = true, env = "POLDER_SERVER", default_value = "http://127.0.0.1:7653")]
    pub server: String,
    /// The address of the IPAM service where it is not `--server`.
    #[arg(long = "ipam-server", global = true, env = "POLDER_IPAM")]
    pub ipam: Option<String>,
    /// The address of the LB service where it is not `--server`.
    #[arg(long = "lb-server", global = true, env = "POLDER_LB")]
    pub lb: Option<String>,
    /// The address of the DNS service where it is not `--server`.
    #[arg(long = "dns-server", global = true, env = "POLDER_DNS")]
    pub dns: Option<String>,
    /// The form of the output.
    #[arg(short, long, global = true, value_enum, default_value_t)]
    pub output: Format,
    /// Leave out the header line of tables.
    #[arg(long, global = true)]
    pub no_headers: bool,
}

/// The namespace that a verb looks at.
#[derive(Debug, Clone, Args)]
pub struct Namespace {
    /// The namespace.
    #[arg(short, long, default_value = "default")]
    pub namespace: String,
    /// All namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
}

/// What may happen to who holds addresses.
#[derive(Debug, Clone, Args)]
pub struct Holders {
    /// Let holders of addresses that leave their pool get others.
    #[arg(long)]
    pub allow_eviction: bool,
    /// Accept a warning about the compute network, by its reason: `ADDRESS_ANSWERS_ARP`.
    #[arg(long, value_name = "REASON")]
    pub accept: Vec<String>,
}

fn plan_of(text: &str) -> Result<(String, String), String> {
    let (document, etag) = text.split_once('=').ok_or("write DOCUMENT=ETAG, as `polder plan` prints it")?;
    Ok((document.to_owned(), etag.to_owned()))
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run everything in one process: IPAM, LB, DNS, gateway.
    Up(Box<UpArgs>),
    /// List objects of a kind, or show one.
    Get {
        /// pools, services, nodes, allocations, namespaces, reservations, endpoints, records, network
        kind: String,
        /// The name of one object; of records, the name they are of.
        name: Option<String>,
        /// Where to look.
        #[command(flatten)]
        namespace: Namespace,
        /// Only what this filter takes: `pool = "external" AND ready = true`; of endpoints, those of the services it takes.
        #[arg(long, default_value = "")]
        filter: String,
    },
    /// Make what manifests describe, or bring it up to date.
    Apply {
        /// A file, a folder, or `-` for standard input; may be given several times.
        #[arg(short, long = "filename", required = true)]
        filename: Vec<PathBuf>,
        /// Check each document against the state as it is, and show what would happen; change nothing.
        #[arg(long)]
        dry_run: bool,
        /// What may happen to who holds addresses.
        #[command(flatten)]
        holders: Holders,
        /// Change a pool or the network only as `polder plan` has shown: `pool/NAME=ETAG`, `computenetwork=ETAG`.
        #[arg(long, value_parser = plan_of, value_name = "DOCUMENT=ETAG")]
        if_match: Vec<(String, String)>,
    },
    /// Show what applying manifests would change, who would lose which address, and the command that does exactly that.
    Plan {
        /// A file, a folder, or `-` for standard input; may be given several times.
        #[arg(short, long = "filename", required = true)]
        filename: Vec<PathBuf>,
        /// What may happen to who holds addresses.
        #[command(flatten)]
        holders: Holders,
    },
    /// Delete an object, or what manifests describe.
    Delete {
        /// pool, service, node, pod, namespace, reservation
        #[arg(required_unless_present = "filename")]
        kind: Option<String>,
        /// Its name.
        #[arg(required_unless_present = "filename")]
        name: Option<String>,
        /// Its namespace, for kinds that have one.
        #[arg(short, long, default_value = "default")]
        namespace: String,
        /// A file, a folder, or `-`.
        #[arg(short, long = "filename", conflicts_with_all = ["kind", "name"])]
        filename: Vec<PathBuf>,
        /// Also when it holds addresses (nodes).
        #[arg(long)]
        force: bool,
    },
    /// Keep a node from taking new pods.
    Drain {
        /// The node.
        node: String,
        /// End the drain: it takes new pods again.
        #[arg(long)]
        end: bool,
    },
    /// Give an object another name; what it holds stays.
    Rename {
        /// pool
        kind: String,
        /// The name now.
        from: String,
        /// The new name.
        to: String,
    },
    /// Say who holds an address.
    Who {
        /// The address.
        address: String,
        /// At this time (RFC 3339) instead of now.
        #[arg(long)]
        at: Option<String>,
    },
    /// Say why a service is as it is.
    Why {
        /// `NAMESPACE/NAME` of a service, or the word `service` and then that.
        kind_or_name: String,
        /// `NAMESPACE/NAME`, after `service`.
        name: Option<String>,
    },
    /// Ask the name server, and say where its answer is from.
    Dig {
        /// The name; short ones are taken as `name.namespace`.
        name: String,
        /// The type of record.
        #[arg(default_value = "A")]
        record_type: String,
    },
    /// Show who held an address when.
    History {
        /// The address.
        address: String,
    },
    /// Explain a reason code.
    Explain {
        /// The code, such as POOL_OVERLAP.
        reason: String,
    },
    /// Audit the whole state.
    Check {
        /// Repair what can be repaired without a doubt.
        #[arg(long)]
        fix: bool,
    },
    /// Exit with 0 when the server is ready to serve.
    Health,
}
