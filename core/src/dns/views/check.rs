//! What the fields of views must be.

use super::super::resolver::check::distinct;
use super::super::transfer::network;
use super::View;
use crate::net::Label;
use crate::reason::{Malformed, Reason, Violations};

/// The most views.
pub const MOST_VIEWS: usize = 32;
/// The most networks, and the most namespaces in each of its lists, that one view has: a query is compared with every network.
pub const MOST_ENTRIES: usize = 16;

/// A view as it is sent.
#[derive(Debug, Clone, Copy)]
pub struct Texts<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its networks.
    pub clients: &'a [String],
    /// Its namespaces of clients.
    pub client_namespaces: &'a [String],
    /// The namespaces that it sees.
    pub visible_namespaces: &'a [String],
}

/// One view beside those before it, every bad field named.
pub fn view(texts: Texts<'_>, before: &[View], field: &str, bad: &mut Violations) -> Option<View> {
    let name = texts.name.parse::<Label>().and_then(|name| match before.iter().any(|view| view.name == name) {
        true => Err(Malformed::new(Reason::DuplicateValue, format!("`{name}` is there already"))),
        false => Ok(name),
    });
    let name = bad.take(format!("{field}.name"), name);
    let at = format!("{field}.clients");
    if texts.clients.is_empty() && texts.client_namespaces.is_empty() {
        bad.add(at.as_str(), Reason::FieldRequired, "a view has clients: networks here, or namespaces in client_namespaces");
    }
    let clients = distinct(texts.clients, (MOST_ENTRIES, "networks"), network, &at, bad);
    let spaces = |texts: &[String], what: &str, bad: &mut Violations| -> Vec<Label> {
        distinct(texts, (MOST_ENTRIES, "namespaces"), str::parse, &format!("{field}.{what}"), bad)
    };
    let client_namespaces = spaces(texts.client_namespaces, "client_namespaces", bad);
    let visible_namespaces = spaces(texts.visible_namespaces, "visible_namespaces", bad);
    // A view that is there twice is told once.
    for (nth, space) in client_namespaces.iter().enumerate().filter(|_| name.is_some()) {
        if let Some(other) = before.iter().find(|view| view.client_namespaces.contains(space)) {
            let description = format!("the pods of `{space}` are in view `{}` already", other.name);
            bad.add(format!("{field}.client_namespaces[{nth}]"), Reason::DuplicateValue, description);
        }
    }
    name.map(|name| View { name, clients, client_namespaces, visible_namespaces })
}
