//! What is asked.

use std::fmt::Write as _;

use clap::ValueEnum;
use serde::Serialize;

use crate::state::NAMESPACE;

/// Questions of one file; the client begins again at its end.
const QUESTIONS: u32 = 200_000;
/// The domain that all names are in.
pub(super) const ZONE: &str = "cluster.local";

/// The questions of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Mix {
    /// Addresses of services that there are.
    Hits,
    /// 55 in 100 are such, 15 ask for the IPv6 address that a service does not have, and 30 for a name that there is not: what a
    /// resolver with a search list asks for a name of the world.
    Mixed,
}

impl Mix {
    /// Its name in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hits => "hits",
            Self::Mixed => "mixed",
        }
    }

    /// How many of a hundred answers say that there is no such name.
    pub(super) const fn missing(self) -> u32 {
        match self {
            Self::Hits => 0,
            Self::Mixed => 30,
        }
    }

    /// The questions, a line each. They leap over the services, so that no cache has the answer of the next.
    pub(super) fn questions(self, services: u32) -> String {
        let mut text = String::new();
        for number in 0..QUESTIONS {
            let service = u64::from(number) * 7919 % u64::from(services);
            let place = number * 37 % 100;
            // A String takes everything that is written to it.
            _ = match (self, place) {
                (Self::Mixed, 0..30) => writeln!(text, "api-{service}.example.com.{NAMESPACE}.svc.{ZONE} A"),
                (Self::Mixed, 30..45) => writeln!(text, "app-{service}.{NAMESPACE}.svc.{ZONE} AAAA"),
                _ => writeln!(text, "app-{service}.{NAMESPACE}.svc.{ZONE} A"),
            };
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_is_what_it_says() {
        let text = Mix::Mixed.questions(1000);
        let count = |wanted: &dyn Fn(&str) -> bool| text.lines().filter(|line| wanted(line)).count();
        let all = QUESTIONS as usize;
        assert_eq!(count(&|line| line.contains("example")), all * 30 / 100);
        assert_eq!(count(&|line| line.ends_with(" AAAA")), all * 15 / 100);
        assert_eq!(count(&|line| line.starts_with("app-") && line.ends_with(" A")), all * 55 / 100);
        assert_eq!(Mix::Hits.questions(10).lines().nth(1), Some("app-9.shop.svc.cluster.local A"));
    }
}
