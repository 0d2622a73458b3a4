//! Records that other programs store in the way of SkyDNS, which CoreDNS' plugin `etcd` reads and ExternalDNS' provider `coredns` writes.
//!
//! ```text
//! /skydns/org/example/www          {"host": "192.0.2.7"}                                www.example.org A
//! /skydns/org/example/www/4ac3b8   {"host": "192.0.2.8", "targetstrip": 1}              www.example.org A
//! /skydns/org/example/db/a         {"host": "192.0.2.9", "port": 5432}                  db.example.org, a.db.example.org A and SRV
//! /skydns/arpa/in-addr/192/0/2/7   {"host": "www.example.org"}                          7.2.0.192.in-addr.arpa PTR
//! ```
//!
//! [`Entry`] is a key with its value, checked; [`View`] has all of them and says which records follow at which names. Nobody but the
//! programs that store them decides on entries: what cannot be understood is left out, with a reason, and never a refusal.

mod entry;
mod place;
mod view;

pub use self::entry::{Entry, Fields, Host, MOST_KEY, MOST_VALUE, Unusable, Why};
pub use self::view::{Key, View};

#[cfg(test)]
mod tests;
