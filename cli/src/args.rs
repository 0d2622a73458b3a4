//! The command line of `polder`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::duration;
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

/// How long `--wait` waits when it does not say.
const WAIT: &str = "60s";

/// The longest wait that the services take.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

fn wait_of(text: &str) -> Result<Duration, String> {
    let length = duration::parse(text).ok_or("write a length of time such as 30s or 2m")?;
    if length.is_zero() || length > LONGEST_WAIT {
        return Err("the services wait for up to 5m".to_owned());
    }
    Ok(length)
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
        /// pools, services, nodes, allocations, namespaces, reservations, bgp-peers, bgp-advertisements, announcements,
        /// endpoints, zones, recordsets, records, network
        kind: String,
        /// The name of one object; of records, the name they are of; of record sets, their zone; of an announcement, the address.
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
        /// Wait until every live node and name server has what was changed, at most this long, 5m at the longest; else exit
        /// with 6. What was changed stands.
        #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = WAIT, value_parser = wait_of, conflicts_with = "dry_run")]
        wait: Option<Duration>,
    },
    /// Print what `apply` would make of manifests as Polder's own documents, without asking a server. What cannot be carried
    /// over is printed as notes; exit code 0, with `--strict` 1 when there are any.
    Convert {
        /// A file, a folder, or `-` for standard input; may be given several times.
        #[arg(short, long = "filename", required = true)]
        filename: Vec<PathBuf>,
        /// Exit with 1 when something cannot be carried over; everything else is printed nevertheless.
        #[arg(long)]
        strict: bool,
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
        /// pool, service, node, pod, namespace, reservation, bgp-peer, bgp-advertisement, zone, recordset
        #[arg(required_unless_present = "filename")]
        kind: Option<String>,
        /// Its name; of a record set its path: `example.com/www/A`.
        #[arg(required_unless_present = "filename")]
        name: Option<String>,
        /// Its namespace, for kinds that have one.
        #[arg(short, long, default_value = "default")]
        namespace: String,
        /// A file, a folder, or `-`.
        #[arg(short, long = "filename", conflicts_with_all = ["kind", "name"])]
        filename: Vec<PathBuf>,
        /// Also when it holds addresses (nodes), or has records (zones).
        #[arg(long)]
        force: bool,
        /// Wait until every live node and name server knows that it is gone, at most this long, 5m at the longest; else exit
        /// with 6.
        #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = WAIT, value_parser = wait_of)]
        wait: Option<Duration>,
    },
    /// Make a zone what a zone file says: its SOA, its name servers, and all its records; those that the file does not have are
    /// deleted. Everything is checked before anything changes.
    Import {
        /// zone
        kind: String,
        /// The file, or `-` for standard input.
        file: PathBuf,
        /// The zone, where the file has no SOA record that says it.
        #[arg(long, value_name = "ZONE")]
        name: Option<String>,
        /// Allow several transactions where one is not enough: 100 record sets each.
        #[arg(long)]
        in_parts: bool,
        /// Check the file against the state as it is, and show what would happen; change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Print a zone as a zone file.
    Export {
        /// zone
        kind: String,
        /// Its name.
        name: String,
    },
    /// Keep a node from taking new pods, or move the external addresses that it answers for to other nodes.
    Drain {
        /// The node.
        node: String,
        /// Its announcements, not its pods.
        #[arg(long)]
        announcements: bool,
        /// End the drain: it takes new pods again, or answers for addresses again.
        #[arg(long)]
        end: bool,
    },
    /// Move an external address to another node, without losing a connection.
    Move {
        /// announcement
        kind: String,
        /// The address.
        address: String,
        /// The node, where it stays while it can; without it Polder chooses, now and later.
        #[arg(long, value_name = "NODE")]
        to: Option<String>,
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
    /// Say why a service is as it is, or why a name is answered as it is.
    Why {
        /// `NAMESPACE/NAME` of a service, or the word `service` and then that, or the word `name` and then one of DNS.
        kind_or_name: String,
        /// `NAMESPACE/NAME`, after `service`; a name of DNS, after `name`.
        name: Option<String>,
        /// The type of record, after a name of DNS.
        #[arg(default_value = "A")]
        record_type: String,
        /// The namespace of a service without one, or of the pod that asks for a name.
        #[arg(short, long, default_value = "default")]
        namespace: String,
        /// The address of whoever asks for a name, for the view that it is in.
        #[arg(long, default_value = "")]
        client: String,
    },
    /// Ask the name server, and say where its answer is from.
    Dig {
        /// The name; short ones are taken as `name.namespace`.
        name: String,
        /// The type of record.
        #[arg(default_value = "A")]
        record_type: String,
        /// The namespace of the pod that asks: its search list and its view are used.
        #[arg(short, long, default_value = "default")]
        namespace: String,
        /// The address of whoever asks, for the view that it is in.
        #[arg(long, default_value = "")]
        client: String,
    },
    /// Show what a name server has seen of its clients; every replica tells its own.
    Dns {
        /// What to show.
        #[command(subcommand)]
        what: DnsVerb,
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

/// What a name server has seen.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum DnsVerb {
    /// The names that were asked for most in the last five to ten minutes.
    Top {
        /// How many, at most 500.
        #[arg(short = 'n', long, default_value_t = 20)]
        limit: u32,
    },
    /// The queries that could not be answered lately, the newest first.
    Failures {
        /// How many, at most 256.
        #[arg(short = 'n', long, default_value_t = 20)]
        limit: u32,
    },
}
