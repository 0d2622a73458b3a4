//! Finds the binding for an HTTP request.
//!
//! Each HTTP method has routes of its own, so that `POST /v1/nodes/register` does not hide the node that is named `register`
//! from `GET /v1/nodes/{name}`.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;
use matchit::Router;
use percent_encoding::percent_decode_str;

use super::bindings::{AnnotationError, Binding};

/// Every binding, by HTTP method and path.
pub(crate) struct RouteTable(HashMap<Method, Router<Arc<Binding>>>);

/// What a method and a path lead to.
pub(crate) enum Found {
    /// An RPC, with the values of the path's variables in their order.
    Binding(Arc<Binding>, Vec<String>),
    /// Nothing with this method; these methods lead somewhere.
    OtherVerbs(Vec<Method>),
    /// Nothing at all.
    Nothing,
}

impl RouteTable {
    /// The table of these bindings.
    ///
    /// # Errors
    /// Two bindings have the same method and path.
    pub(crate) fn new(bindings: &[Arc<Binding>]) -> Result<Self, AnnotationError> {
        let mut table: HashMap<Method, Router<Arc<Binding>>> = HashMap::new();
        for binding in bindings {
            let routes = table.entry(binding.verb.clone()).or_default();
            routes.insert(binding.template.route.clone(), Arc::clone(binding)).map_err(|error| AnnotationError {
                rpc: binding.rpc.full_name().to_owned(),
                problem: format!("{} {}: {error}", binding.verb, binding.template.text),
            })?;
        }
        Ok(Self(table))
    }

    /// Finds what `verb` and `path` (not decoded) lead to.
    pub(crate) fn find(&self, verb: &Method, path: &str) -> Found {
        if let Some(Ok(matched)) = self.0.get(verb).map(|routes| routes.at(path)) {
            let values = matched.params.iter().map(|(_, text)| percent_decode_str(text).decode_utf8_lossy().into_owned());
            return Found::Binding(Arc::clone(matched.value), values.collect());
        }
        let mut others: Vec<_> =
            self.0.iter().filter(|(_, routes)| routes.at(path).is_ok()).map(|(other, _)| other.clone()).collect();
        if others.is_empty() {
            return Found::Nothing;
        }
        others.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        Found::OtherVerbs(others)
    }
}
