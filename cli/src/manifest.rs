//! What `polder apply` takes: any number of YAML documents, Polder's own, Kubernetes' and Calico's.
//!
//! Documents are read (`document`), each is turned into the call that makes it true (`polder`, `kubernetes`, `calico`), and the
//! calls are brought into an order in which each finds what it needs (that of `Kind`). What a document says and Polder cannot
//! carry over is told as a note (`notes`), never dropped in silence.

pub mod calico;
pub mod document;
pub mod kubernetes;
mod notes;
pub mod polder;

use serde_json::{Map, Value};

use crate::failure::Failure;
use document::Document;

/// What one document asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    /// What kind of object it is.
    pub kind: Kind,
    /// The namespace, for kinds that have one.
    pub namespace: String,
    /// The name; empty for the one compute network.
    pub name: String,
    /// The object as proto3 JSON of the API's message.
    pub object: Map<String, Value>,
    /// What could not be carried over, each a sentence with the path of the field.
    pub notes: Vec<String>,
}

/// The kinds of objects that a manifest can hold, in the order in which they are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `ipam.v1.ComputeNetwork`.
    Network,
    /// `ipam.v1.Pool`.
    Pool,
    /// `ipam.v1.Reservation`.
    Reservation,
    /// `ipam.v1.Namespace`.
    Namespace,
    /// `ipam.v1.RegisterNodeRequest`.
    Node,
    /// `lb.v1.Service`.
    Service,
    /// Endpoints given for a service without selector.
    Endpoints,
    /// `ipam.v1.AllocationSpec`, of a pod or of anything else.
    Allocation,
}

impl Kind {
    /// The word in messages: `service`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Network => "computenetwork",
            Self::Pool => "pool",
            Self::Reservation => "reservation",
            Self::Namespace => "namespace",
            Self::Node => "node",
            Self::Service => "service",
            Self::Endpoints => "endpointslice",
            Self::Allocation => "pod",
        }
    }
}

impl Intent {
    /// `service/web`, as in kubectl's messages.
    #[must_use]
    pub fn title(&self) -> String {
        match self.name.as_str() {
            "" => self.kind.word().to_owned(),
            name => format!("{}/{name}", self.kind.word()),
        }
    }
}

/// Reads manifests into intents, in the order in which they are to be applied.
///
/// # Errors
/// [`Failure::Usage`] naming the source, the document and the field.
pub fn read(source: &str, text: &str) -> Result<Vec<Intent>, Failure> {
    let documents = document::split(source, text)?;
    let mut intents = documents.iter().map(intent).collect::<Result<Vec<_>, _>>()?;
    intents.sort_by_key(|intent| intent.kind);
    Ok(intents)
}

fn intent(document: &Document) -> Result<Intent, Failure> {
    let found = match document.api_version.as_str() {
        "polder.dev/v1" => polder::intent(document),
        "v1" | "discovery.k8s.io/v1" => kubernetes::intent(document),
        "projectcalico.org/v3" | "crd.projectcalico.org/v1" => calico::intent(document),
        _ => None,
    };
    found.unwrap_or_else(|| {
        let what = format!("{} {}", document.api_version, document.kind);
        Err(document.wrong("kind", &format!("`{what}` is not a kind that polder applies; docs/manifests.md lists them")))
    })
}
