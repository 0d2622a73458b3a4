//! Saying that a process serves, for people and for scripts.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Map, Value};

use super::{Addresses, Running};

impl Running {
    /// Prints where the process can be reached, and writes it into the file that `ready_file` names, as one JSON object:
    /// `{"grpc": "127.0.0.1:7653", "dns": "127.0.0.1:5300"}`. The file appears whole. `more` are addresses that components have
    /// bound by themselves.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn announce(&self, more: &[(&str, SocketAddr)]) -> io::Result<()> {
        let bound = bound(self.addresses, more);
        let parts: Vec<String> = bound.iter().map(|(name, at)| format!("{name} {at}")).collect();
        tracing::info!("{} serves: {}", self.process.program.name, parts.join(", "));
        match &self.process.config.ready_file {
            Some(path) => write(path, &bound),
            None => Ok(()),
        }
    }
}

fn bound<'a>(addresses: Addresses, more: &[(&'a str, SocketAddr)]) -> Vec<(&'a str, SocketAddr)> {
    let own = [("grpc", addresses.grpc), ("http", addresses.http), ("metrics", addresses.metrics)];
    own.into_iter().filter_map(|(name, at)| Some((name, at?))).chain(more.iter().copied()).collect()
}

fn write(path: &Path, bound: &[(&str, SocketAddr)]) -> io::Result<()> {
    let mut object = Map::new();
    for (name, at) in bound {
        // Of several addresses of one kind the first is the one to ask.
        object.entry(*name).or_insert_with(|| Value::from(at.to_string()));
    }
    let partial = path.with_extension("partial");
    std::fs::write(&partial, Value::Object(object).to_string())?;
    std::fs::rename(partial, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_names_every_address() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ready");
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let addresses = Addresses { grpc: Some(at(1)), http: None, metrics: Some(at(2)) };
        write(&path, &bound(addresses, &[("dns", at(3)), ("dns", at(4))])).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text, r#"{"dns":"127.0.0.1:3","grpc":"127.0.0.1:1","metrics":"127.0.0.1:2"}"#);
    }
}
