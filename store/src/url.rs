//! Where a store is, as one line of text.

use std::path::PathBuf;
use std::str::FromStr;

use crate::error::Error;
use crate::etcd::EtcdConfig;

/// A store's place: `embedded:PATH` or `etcd://HOST:PORT[,HOST:PORT…][?user=…&password=…&ca=FILE&cert=FILE&key=FILE]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// The embedded store in a folder.
    Embedded(PathBuf),
    /// An etcd cluster.
    Etcd(EtcdConfig),
}

impl FromStr for StoreUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(path) = text.strip_prefix("embedded:").filter(|path| !path.is_empty()) {
            return Ok(Self::Embedded(path.into()));
        }
        let Some(rest) = text.strip_prefix("etcd://") else {
            return Err(invalid(format!("`{text}` is no store: write embedded:PATH or etcd://HOST:PORT,…")));
        };
        let (members, options) = rest.split_once('?').unwrap_or((rest, ""));
        let members: Vec<String> = members.trim_end_matches('/').split(',').map(str::to_owned).collect();
        for member in &members {
            let port = member.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
            if !matches!(port, Some(Ok(_))) {
                return Err(invalid(format!("`{member}` is no etcd member: write HOST:PORT")));
            }
        }
        Ok(Self::Etcd(with_options(EtcdConfig { members, ..EtcdConfig::default() }, options)?))
    }
}

fn with_options(mut config: EtcdConfig, options: &str) -> Result<EtcdConfig, Error> {
    let (mut user, mut password, mut cert, mut key) = (None, None, None, None);
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let value = unescaped(value).ok_or_else(|| invalid(format!("`{value}` has a broken % escape")))?;
        match name {
            "user" => user = Some(value),
            "password" => password = Some(value),
            "ca" => config.ca = Some(value.into()),
            "cert" => cert = Some(PathBuf::from(value)),
            "key" => key = Some(PathBuf::from(value)),
            _ => return Err(invalid(format!("`{name}` is no option of an etcd store: user, password, ca, cert, key are"))),
        }
    }
    config.user = user.map(|user| (user, password.unwrap_or_default()));
    config.identity = match (cert, key) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        _ => return Err(invalid("`cert` and `key` go together".to_owned())),
    };
    if config.identity.is_some() && config.ca.is_none() {
        return Err(invalid("`cert` and `key` need `ca`".to_owned()));
    }
    Ok(config)
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'%' {
            let (digits, after) = after.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn invalid(why: String) -> Error {
    Error::Invalid(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_by_url() {
        assert_eq!("embedded:./data".parse::<StoreUrl>().unwrap(), StoreUrl::Embedded("./data".into()));
        let url = "etcd://127.0.0.1:2379,[::1]:2380?user=polder&password=a%26b&ca=/c.pem".parse::<StoreUrl>().unwrap();
        let config = EtcdConfig {
            members: vec!["127.0.0.1:2379".into(), "[::1]:2380".into()],
            user: Some(("polder".into(), "a&b".into())),
            ca: Some("/c.pem".into()),
            identity: None,
        };
        assert_eq!(url, StoreUrl::Etcd(config));
    }

    #[test]
    fn what_is_no_store_is_refused() {
        for text in [
            "",
            "embedded:",
            "etcd://",
            "etcd://host",
            "etcd://:2379",
            "etcd://a:1,b",
            "redis://a:1",
            "etcd://a:1?x=1",
            "etcd://a:1?password=%zz",
            "etcd://a:1?ca=x&cert=y",
            "etcd://a:1?cert=x&key=y",
            "etcd://a:99999",
        ] {
            assert!(text.parse::<StoreUrl>().is_err(), "{text}");
        }
    }
}
