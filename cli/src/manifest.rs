//! What `polder apply` takes: any number of YAML documents, Polder's own, Kubernetes', Calico's and MetalLB's.
//!
//! Documents are read (`document`), each is turned into the call that makes it true (`polder`, `kubernetes`, `calico`), and the
//! calls are brought into an order in which each finds what it needs (that of `Kind`). MetalLB's documents speak of each other, so
//! they are first collected from the whole run and then resolved (`metallb`). What a document says and Polder cannot carry over is
//! told as a note (`notes`), never dropped in silence. `print` writes intents as Polder's own documents.

pub mod calico;
pub mod document;
pub mod kubernetes;
pub mod metallb;
mod notes;
pub mod polder;
pub mod print;

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
    /// `lb.v1.BgpPeer`.
    BgpPeer,
    /// `lb.v1.BgpAdvertisement`.
    BgpAdvertisement,
    /// `dns.v1.Zone`.
    Zone,
    /// `dns.v1.RecordSet`.
    RecordSet,
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
            Self::BgpPeer => "bgp-peer",
            Self::BgpAdvertisement => "bgp-advertisement",
            Self::Zone => "zone",
            Self::RecordSet => "record-set",
            Self::Service => "service",
            Self::Endpoints => "endpointslice",
            Self::Allocation => "pod",
        }
    }

    /// The message that an intent's object is, in proto3 JSON.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Network => "polder.ipam.v1.ComputeNetwork",
            Self::Pool => "polder.ipam.v1.Pool",
            Self::Reservation => "polder.ipam.v1.Reservation",
            Self::Namespace => "polder.ipam.v1.Namespace",
            Self::Node => "polder.ipam.v1.RegisterNodeRequest",
            Self::BgpPeer => "polder.lb.v1.BgpPeer",
            Self::BgpAdvertisement => "polder.lb.v1.BgpAdvertisement",
            Self::Zone => "polder.dns.v1.Zone",
            Self::RecordSet => "polder.dns.v1.RecordSet",
            Self::Service => "polder.lb.v1.Service",
            Self::Endpoints => "polder.lb.v1.ServiceSpec",
            Self::Allocation => "polder.ipam.v1.AllocationSpec",
        }
    }
}

impl Intent {
    /// `service/web`, as in kubectl's messages.
    #[must_use]
    pub fn title(&self) -> String {
        match self.path().as_str() {
            "" => self.kind.word().to_owned(),
            path => format!("{}/{path}", self.kind.word()),
        }
    }

    /// The name, of a record set with its zone and its type: `example.com/www/A`.
    #[must_use]
    pub fn path(&self) -> String {
        let said = |key: &str| self.object.get(key).and_then(Value::as_str).unwrap_or_default();
        match self.kind {
            Kind::RecordSet => format!("{}/{}/{}", said("zone"), self.name, said("type")),
            _ => self.name.clone(),
        }
    }
}

/// What all manifests of a run describe together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Manifest {
    /// What is asked for, in the order in which it is to be applied.
    pub intents: Vec<Intent>,
    /// What could not be carried over of documents that are no object of their own here, each with the title of its document.
    pub notes: Vec<String>,
    /// How many documents there were.
    pub documents: usize,
}

impl Manifest {
    /// Everything that could not be carried over, each with the title of its document.
    pub fn all_notes(&self) -> impl Iterator<Item = String> {
        let of = |intent: &Intent| {
            let title = intent.title();
            intent.notes.iter().map(move |note| format!("{title}: {note}")).collect::<Vec<_>>()
        };
        self.intents.iter().flat_map(of).chain(self.notes.iter().cloned())
    }
}

/// Reads the manifests of one run, one after the other.
#[derive(Debug, Default)]
pub struct Reader {
    intents: Vec<Intent>,
    metallb: metallb::Config,
    documents: usize,
}

impl Reader {
    /// Takes the documents of one source.
    ///
    /// # Errors
    /// [`Failure::Usage`] naming the source, the document and the field.
    pub fn add(&mut self, source: &str, text: &str) -> Result<(), Failure> {
        for document in document::split(source, text)? {
            self.documents += 1;
            if self.metallb.takes(&document) {
                self.metallb.add(document)?;
            } else {
                let intent = intent(&document)?;
                document.check(&intent)?;
                self.intents.push(intent);
            }
        }
        Ok(())
    }

    /// What all of it describes.
    ///
    /// # Errors
    /// [`Failure::Usage`] naming the source, the document and the field of what speaks of something that it cannot have.
    pub fn finish(self) -> Result<Manifest, Failure> {
        let mut manifest = Manifest { intents: self.intents, notes: Vec::new(), documents: self.documents };
        self.metallb.resolve(&mut manifest)?;
        manifest.intents.sort_by_key(|intent| intent.kind);
        Ok(manifest)
    }
}

/// Reads one manifest that is a whole run.
///
/// # Errors
/// As [`Reader`].
pub fn read(source: &str, text: &str) -> Result<Manifest, Failure> {
    let mut reader = Reader::default();
    reader.add(source, text)?;
    reader.finish()
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
