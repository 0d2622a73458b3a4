//! Why something was refused: the one list of reasons for API, CLI, page and docs.
//!
//! A [`Reason`] is stable: clients match on it, never on text. Each reason belongs to exactly one [`Kind`], and the edge maps
//! kinds to gRPC codes in one place. The enum `polder.type.v1.ErrorReason` mirrors this list, a test holds the two together,
//! and its comments are the catalogue that `polder explain REASON` prints.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

/// The class of a refusal: what a caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request can never succeed as it is; mend it.
    Invalid,
    /// A named object does not exist.
    NotFound,
    /// What should be made, or asked for by name, exists or is held already.
    Exists,
    /// The state of the system forbids it now; change that first.
    Precondition,
    /// A pool, quota or limit is used up.
    Exhausted,
    /// Somebody else changed the object; read it again and retry.
    Aborted,
    /// The caller may not do this.
    Denied,
    /// A revision to resume from is gone; start again from a snapshot.
    OutOfRange,
    /// The store or a peer cannot be reached now; retry.
    Unavailable,
    /// The outcome is unknown at the deadline; retry with the same request id.
    Deadline,
    /// This is not built yet.
    Unimplemented,
    /// A defect or damaged data.
    Internal,
}

macro_rules! reasons {
    ($($variant:ident = $text:literal, $number:literal, $kind:ident;)*) => {
        /// A stable code for a refusal or an unhappy condition.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the catalogue is the proto enum ErrorReason, whose comments the CLI prints")]
        pub enum Reason { $($variant,)* }

        impl Reason {
            /// Every reason, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable text, as in `google.rpc.ErrorInfo.reason`.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $text,)* } }

            /// The number in `polder.type.v1.ErrorReason`.
            #[must_use]
            pub const fn number(self) -> i32 { match self { $(Self::$variant => $number,)* } }

            /// The class, from which the gRPC code follows.
            #[must_use]
            pub const fn kind(self) -> Kind { match self { $(Self::$variant => Kind::$kind,)* } }
        }
    };
}

reasons! {
    // The shape of a request.
    InvalidArgument = "INVALID_ARGUMENT", 1, Invalid;
    FieldRequired = "FIELD_REQUIRED", 2, Invalid;
    FieldTooLong = "FIELD_TOO_LONG", 3, Invalid;
    NameMalformed = "NAME_MALFORMED", 4, Invalid;
    AddressMalformed = "ADDRESS_MALFORMED", 5, Invalid;
    RangeMalformed = "RANGE_MALFORMED", 6, Invalid;
    RangeReversed = "RANGE_REVERSED", 7, Invalid;
    SelectorMalformed = "SELECTOR_MALFORMED", 8, Invalid;
    LabelMalformed = "LABEL_MALFORMED", 9, Invalid;
    FilterMalformed = "FILTER_MALFORMED", 10, Invalid;
    PageTokenMalformed = "PAGE_TOKEN_MALFORMED", 11, Invalid;
    FamilyMismatch = "FAMILY_MISMATCH", 12, Invalid;
    PortMalformed = "PORT_MALFORMED", 13, Invalid;
    RequestIdMalformed = "REQUEST_ID_MALFORMED", 14, Invalid;
    RequestIdReused = "REQUEST_ID_REUSED", 15, Invalid;
    RequestTooLarge = "REQUEST_TOO_LARGE", 16, Invalid;
    FieldImmutable = "FIELD_IMMUTABLE", 17, Invalid;
    DuplicateValue = "DUPLICATE_VALUE", 18, Invalid;
    ConflictingFields = "CONFLICTING_FIELDS", 19, Invalid;
    AddressNotInPool = "ADDRESS_NOT_IN_POOL", 20, Invalid;
    CountOutOfBounds = "COUNT_OUT_OF_BOUNDS", 21, Invalid;
    RecordMalformed = "RECORD_MALFORMED", 22, Invalid;

    // Objects by name.
    NamespaceNotFound = "NAMESPACE_NOT_FOUND", 40, NotFound;
    PoolNotFound = "POOL_NOT_FOUND", 41, NotFound;
    NodeNotFound = "NODE_NOT_FOUND", 42, NotFound;
    AllocationNotFound = "ALLOCATION_NOT_FOUND", 43, NotFound;
    ReservationNotFound = "RESERVATION_NOT_FOUND", 44, NotFound;
    ServiceNotFound = "SERVICE_NOT_FOUND", 45, NotFound;
    ZoneNotFound = "ZONE_NOT_FOUND", 46, NotFound;
    RecordSetNotFound = "RECORD_SET_NOT_FOUND", 47, NotFound;
    BgpPeerNotFound = "BGP_PEER_NOT_FOUND", 48, NotFound;
    BgpAdvertisementNotFound = "BGP_ADVERTISEMENT_NOT_FOUND", 49, NotFound;
    AnnouncementNotFound = "ANNOUNCEMENT_NOT_FOUND", 50, NotFound;
    NetworkNotFound = "NETWORK_NOT_FOUND", 51, NotFound;
    ViewNotFound = "VIEW_NOT_FOUND", 52, NotFound;
    AlreadyExists = "ALREADY_EXISTS", 60, Exists;
    AddressInUse = "ADDRESS_IN_USE", 61, Exists;
    HandleInUse = "HANDLE_IN_USE", 62, Exists;

    // Pools and addresses.
    PoolOverlap = "POOL_OVERLAP", 80, Precondition;
    PoolInUse = "POOL_IN_USE", 81, Precondition;
    PoolDraining = "POOL_DRAINING", 82, Precondition;
    PoolDisabled = "POOL_DISABLED", 83, Precondition;
    NoEligiblePool = "NO_ELIGIBLE_POOL", 84, Precondition;
    PoolExhausted = "POOL_EXHAUSTED", 85, Exhausted;
    BlockLimit = "BLOCK_LIMIT", 86, Exhausted;
    QuotaExceeded = "QUOTA_EXCEEDED", 87, Exhausted;
    AddressReserved = "RESERVED_ADDRESS", 88, Precondition;
    AddressCooling = "ADDRESS_COOLING", 89, Precondition;
    AddressQuarantined = "ADDRESS_QUARANTINED", 90, Precondition;
    NodeInUse = "NODE_IN_USE", 91, Precondition;
    NodeDraining = "NODE_DRAINING", 92, Precondition;
    NamespaceInUse = "NAMESPACE_IN_USE", 93, Precondition;
    NamespaceNotAllowed = "NAMESPACE_NOT_ALLOWED", 94, Denied;
    AllocationUidMismatch = "ALLOCATION_UID_MISMATCH", 95, Aborted;
    ReservationInUse = "RESERVATION_IN_USE", 96, Precondition;
    NodeLost = "NODE_LOST", 97, Precondition;
    NodeNotSeen = "NODE_NOT_SEEN", 98, Precondition;
    NodeUidMismatch = "NODE_UID_MISMATCH", 99, Aborted;
    NodeLimit = "NODE_LIMIT", 100, Exhausted;

    // The compute network page.
    RangeTooSmall = "RANGE_TOO_SMALL", 110, Precondition;
    RangeOutsideSubnet = "RANGE_OUTSIDE_SUBNET", 111, Precondition;
    RangeOverlap = "RANGE_OVERLAP", 112, Precondition;
    RangeHasNetworkOrBroadcast = "RANGE_HAS_NETWORK_OR_BROADCAST", 113, Precondition;
    RangeHasGateway = "RANGE_HAS_GATEWAY", 114, Precondition;
    RangeHasInterfaceAddress = "RANGE_HAS_INTERFACE_ADDRESS", 115, Precondition;
    SubnetInUseOnHost = "SUBNET_IN_USE_ON_HOST", 116, Precondition;
    SubnetHostBits = "SUBNET_HOST_BITS", 117, Precondition;
    AddressAnswersArp = "ADDRESS_ANSWERS_ARP", 118, Precondition;
    ProxyArpSuspected = "PROXY_ARP_SUSPECTED", 119, Precondition;
    NoExternalAddresses = "NO_EXTERNAL_ADDRESSES", 120, Precondition;
    RangeInUseShrink = "RANGE_IN_USE_SHRINK", 121, Precondition;
    FieldLocked = "FIELD_LOCKED", 122, Precondition;

    // Services.
    SharingPortConflict = "SHARING_PORT_CONFLICT", 140, Precondition;
    SharingKeyMismatch = "SHARING_KEY_MISMATCH", 141, Precondition;
    SharingBackendMismatch = "SHARING_BACKEND_MISMATCH", 142, Precondition;
    SharingNamespaceNotAllowed = "SHARING_NAMESPACE_NOT_ALLOWED", 143, Denied;
    NoReadyEndpoints = "NO_READY_ENDPOINTS", 144, Precondition;
    LoadBalancerClassForeign = "LOAD_BALANCER_CLASS_FOREIGN", 145, Precondition;
    TypeNotOffered = "TYPE_NOT_OFFERED", 146, Precondition;
    NotAnnounced = "NOT_ANNOUNCED", 147, Precondition;
    NodeNotEligible = "NODE_NOT_ELIGIBLE", 149, Precondition;
    BgpPeerDuplicate = "BGP_PEER_DUPLICATE", 153, Precondition;
    BgpPeerInUse = "BGP_PEER_IN_USE", 154, Precondition;
    BgpAdvertisementConflict = "BGP_ADVERTISEMENT_CONFLICT", 155, Precondition;
    BgpSessionDown = "BGP_SESSION_DOWN", 156, Precondition;
    NotProgrammed = "NOT_PROGRAMMED", 157, Precondition;

    // Names.
    ZoneOverlap = "ZONE_OVERLAP", 160, Precondition;
    ZoneNotEmpty = "ZONE_NOT_EMPTY", 161, Precondition;
    CnameConflict = "CNAME_CONFLICT", 162, Precondition;
    NameDelegated = "NAME_DELEGATED", 163, Precondition;
    NameNotServed = "NAME_NOT_SERVED", 164, Precondition;
    ViewInUse = "VIEW_IN_USE", 165, Precondition;
    NotServedYet = "NOT_SERVED_YET", 166, Deadline;

    // Concurrency, watches, the store.
    EtagMismatch = "ETAG_MISMATCH", 180, Aborted;
    ResumeTokenCompacted = "RESUME_TOKEN_COMPACTED", 181, OutOfRange;
    WatchLagged = "WATCH_LAGGED", 182, OutOfRange;
    Overloaded = "OVERLOADED", 183, Exhausted;
    StoreUnavailable = "STORE_UNAVAILABLE", 184, Unavailable;
    StoreNoSpace = "STORE_NOSPACE", 185, Unavailable;
    CommitContended = "COMMIT_CONTENDED", 186, Unavailable;
    OutcomeUnknown = "OUTCOME_UNKNOWN", 187, Deadline;
    NotSynced = "NOT_SYNCED", 188, Unavailable;
    ShuttingDown = "SHUTTING_DOWN", 189, Unavailable;
    PeerUnavailable = "PEER_UNAVAILABLE", 190, Unavailable;
    PermissionDenied = "PERMISSION_DENIED", 191, Denied;
    NotImplemented = "NOT_IMPLEMENTED", 192, Unimplemented;
    DataCorrupt = "DATA_CORRUPT", 193, Internal;
    Internal = "INTERNAL", 194, Internal;
    NotLeading = "NOT_LEADING", 195, Unavailable;
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Reason {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == text).ok_or(())
    }
}

/// One bad field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The path of the field in the request, in proto field names: `pool.ranges[1]`.
    pub field: String,
    /// What is wrong with it.
    pub reason: Reason,
    /// One sentence: the value, what is wrong, what to do.
    pub description: String,
}

/// One object that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// What kind of condition failed: a reason's text.
    pub reason: Reason,
    /// The object: `allocations/4f…`, `pools/external`.
    pub subject: String,
    /// One sentence about it.
    pub description: String,
}

/// A request that was refused: nothing has changed.
///
/// It says what happened with the values, why, and what to do. The message is for people, everything else for programs. The
/// content is read through [`std::ops::Deref`]; it is boxed so that results stay small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(Box<RefusalContent>);

/// What a [`Refusal`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalContent {
    /// The stable code.
    pub reason: Reason,
    /// For people: what happened, why, and what to do.
    pub message: String,
    /// Every value that the message names, by a stable key.
    pub metadata: BTreeMap<String, String>,
    /// Every bad field, when the request itself is wrong.
    pub violations: Vec<Violation>,
    /// Every object that stands in the way.
    pub obstacles: Vec<Obstacle>,
    /// The object that is missing, exists, or is full: (kind, name), as `("pool", "external")`.
    pub resource: Option<(String, String)>,
    /// When it makes sense to try again.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal with a reason and a sentence for people.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self(Box::new(RefusalContent {
            reason,
            message: message.into(),
            metadata: BTreeMap::new(),
            violations: Vec::new(),
            obstacles: Vec::new(),
            resource: None,
            retry_after: None,
        }))
    }

    /// Adds one value that the message names.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.metadata.insert(key.to_owned(), value.to_string());
        self
    }

    /// Names the object concerned.
    #[must_use]
    pub fn about(mut self, kind: &str, name: impl fmt::Display) -> Self {
        self.resource = Some((kind.to_owned(), name.to_string()));
        self
    }

    /// Adds an object that stands in the way.
    #[must_use]
    pub fn blocked_by(mut self, obstacle: Obstacle) -> Self {
        self.obstacles.push(obstacle);
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_in(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The class of the refusal.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.reason.kind()
    }

    /// An object that does not exist; `reason` must be one of the `…NotFound` reasons.
    #[must_use]
    pub fn missing(reason: Reason, kind: &str, name: impl fmt::Display) -> Self {
        let message = format!("{kind} `{name}` does not exist. `polder get {kind}s` lists what there is.");
        Self::new(reason, message).with(kind, &name).about(kind, name)
    }
}

impl Deref for Refusal {
    type Target = RefusalContent;

    fn deref(&self) -> &RefusalContent {
        &self.0
    }
}

impl DerefMut for Refusal {
    fn deref_mut(&mut self) -> &mut RefusalContent {
        &mut self.0
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}

impl std::error::Error for Refusal {}

/// Collects every bad field of a request before it is refused, so that the caller sees all of them at once.
#[derive(Debug, Default)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes one bad field.
    pub fn add(&mut self, field: impl Into<String>, reason: Reason, description: impl Into<String>) {
        self.0.push(Violation { field: field.into(), reason, description: description.into() });
    }

    /// Takes the value out of a parse, or notes why `field` is bad.
    pub fn take<T>(&mut self, field: impl Into<String>, parsed: Result<T, Malformed>) -> Option<T> {
        parsed.map_err(|error| self.add(field, error.reason, error.description)).ok()
    }

    /// Whether any field is bad so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many faults are noted so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether the field is bad so far, or something in it.
    #[must_use]
    pub fn names(&self, field: &str) -> bool {
        let within = |rest: &str| rest.is_empty() || rest.starts_with(['.', '[']);
        self.0.iter().any(|violation| violation.field.strip_prefix(field).is_some_and(within))
    }

    /// Takes over those of `more` that are kept in view of what is noted so far.
    pub fn absorb(&mut self, more: Self, keep: impl Fn(&Self, &Violation) -> bool) {
        let kept: Vec<Violation> = more.0.into_iter().filter(|violation| keep(self, violation)).collect();
        self.0.extend(kept);
    }

    /// `value` if every field was good, else the refusal that names all bad ones.
    ///
    /// # Errors
    /// The refusal, with the reason of the first bad field, and all of them in [`RefusalContent::violations`]. `value` missing without
    /// a noted violation is a defect of the caller and comes back as [`Reason::Internal`].
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Refusal> {
        match (self.0.first(), value) {
            (None, Some(value)) => Ok(value),
            (None, None) => Err(Refusal::new(Reason::Internal, "a request was refused without a reason")),
            (Some(first), _) => {
                let count = self.0.len();
                let mut message = format!("{}: {}", first.field, first.description);
                if count > 1 {
                    message.push_str(&format!(" ({} more bad fields are listed in the details.)", count - 1));
                }
                let mut refusal = Refusal::new(first.reason, message).with("field", &first.field);
                refusal.violations = self.0;
                Err(refusal)
            }
        }
    }
}

/// Text that does not parse as what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong.
    pub reason: Reason,
    /// One sentence: the value (shortened), what is wrong, what to do.
    pub description: String,
}

impl Malformed {
    /// A parse error with its reason.
    #[must_use]
    pub fn new(reason: Reason, description: impl Into<String>) -> Self {
        Self { reason, description: description.into() }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description)
    }
}

impl std::error::Error for Malformed {}

impl From<Malformed> for Refusal {
    fn from(error: Malformed) -> Self {
        Self::new(error.reason, error.description)
    }
}

/// A value as it may stand in a message: at most 64 characters of it, control characters escaped.
#[must_use]
pub fn shown(value: &str) -> String {
    const MOST: usize = 64;
    let mut text: String = value.chars().take(MOST).flat_map(char::escape_debug).collect();
    if value.chars().nth(MOST).is_some() {
        text.push_str(&format!("… ({} bytes)", value.len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn texts_and_numbers_are_unique() {
        let texts: HashSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        let numbers: HashSet<_> = Reason::ALL.iter().map(|reason| reason.number()).collect();
        assert_eq!((texts.len(), numbers.len()), (Reason::ALL.len(), Reason::ALL.len()));
    }

    #[test]
    fn every_bad_field_is_named() {
        let mut bad = Violations::new();
        bad.add("a", Reason::FieldRequired, "a is empty");
        bad.add("b", Reason::RangeReversed, "b runs backwards");
        let refusal = bad.finish(Some(())).unwrap_err();
        assert_eq!(refusal.reason, Reason::FieldRequired);
        assert_eq!(refusal.violations.len(), 2);
    }

    #[test]
    fn long_values_are_shortened_in_messages() {
        let text = shown(&"x".repeat(10 << 20));
        assert!(text.len() < 100, "{text}");
    }
}
