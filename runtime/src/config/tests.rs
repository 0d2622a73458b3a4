use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ConfigError, Configured, Origin, Override, ProcessConfig, Sources, dump, load};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Example {
    #[serde(flatten)]
    process: ProcessConfig,
    workers: u16,
    upstreams: Vec<String>,
}

impl Default for Example {
    fn default() -> Self {
        Self { process: ProcessConfig::default().with_grpc(7661), workers: 2, upstreams: vec![] }
    }
}

impl Configured for Example {
    fn process(&self) -> &ProcessConfig {
        &self.process
    }
}

struct Given {
    folder: tempfile::TempDir,
    sources: Sources,
}

impl Given {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), sources: Sources::default() }
    }

    fn file(mut self, text: &str) -> Self {
        let path = self.folder.path().join("polder.toml");
        std::fs::write(&path, text).unwrap();
        self.sources.file = Some(path);
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.sources.environment.push((name.into(), value.into()));
        self
    }

    fn flag(mut self, key: &str, value: &str) -> Self {
        self.sources.flags.push(Override::new(key, value, "--set"));
        self
    }

    fn load(&self) -> Result<Example, ConfigError> {
        load(&self.sources)
    }
}

#[test]
fn without_sources_the_defaults_hold() {
    assert_eq!(Given::new().load().unwrap(), Example::default());
}

#[test]
fn the_later_layer_wins_value_by_value() {
    let given = Given::new()
        .file("workers = 3\nstore = 'embedded:/file'\ndrain_timeout = '1s'\n[telemetry]\nlog_filter = 'warn'\n")
        .env("POLDER_WORKERS", "4")
        .env("POLDER_STORE", "embedded:/env")
        .env("POLDER_TELEMETRY_LOG_FORMAT", "json")
        .flag("store", "embedded:/flag");
    let config = given.load().unwrap();
    assert_eq!(config.process.store, "embedded:/flag");
    assert_eq!(config.workers, 4);
    assert_eq!(config.process.drain_timeout.to_string(), "1s");
    assert_eq!(config.process.telemetry.log_filter, "warn");
    assert_eq!(config.process.telemetry.log_format, crate::telemetry::LogFormat::Json);
}

#[test]
fn text_becomes_the_type_of_its_key() {
    let given = Given::new()
        .env("POLDER_INSECURE", "true")
        .env("POLDER_UPSTREAMS", "http://a:1, http://b:2")
        .env("POLDER_LIMITS_CALLS", "7")
        .env("POLDER_METRICS_LISTEN", "127.0.0.1:0");
    let config = given.load().unwrap();
    assert!(config.process.insecure);
    assert_eq!(config.upstreams, ["http://a:1", "http://b:2"]);
    assert_eq!(config.process.limits.calls, 7);
    assert_eq!(config.process.metrics_listen.unwrap().port(), 0);
}

#[test]
fn an_unknown_key_in_a_file_is_named_with_the_one_that_was_meant() {
    let given = Given::new().file("[telemetry]\nlog_fromat = 'json'\n");
    let error = given.load().unwrap_err();
    assert!(error.to_string().contains("`telemetry.log_fromat`"), "{error}");
    assert!(error.to_string().contains("did you mean `telemetry.log_format`"), "{error}");
    assert!(error.to_string().contains("polder.toml"), "{error}");
}

#[test]
fn an_unknown_table_is_named() {
    let error = Given::new().file("[nonsense]\nx = 1\n").load().unwrap_err();
    assert!(matches!(&error, ConfigError::UnknownKey { key, .. } if key == "nonsense"), "{error}");
}

#[test]
fn an_unknown_key_of_a_flag_is_refused_but_a_foreign_variable_is_not() {
    assert!(matches!(Given::new().flag("wrokers", "3").load(), Err(ConfigError::UnknownKey { .. })));
    assert!(Given::new().env("POLDER_IPAM_SERVICE_HOST", "10.0.0.1").load().is_ok());
}

#[test]
fn a_bad_value_is_named_with_its_key_and_its_origin() {
    let error = Given::new().env("POLDER_GRPC_LISTEN", "localhost").load().unwrap_err();
    let expected = Origin::Environment("POLDER_GRPC_LISTEN".into());
    assert!(
        matches!(&error, ConfigError::BadValue { key, value, origin, .. }
            if key == "grpc_listen" && value == "localhost" && *origin == expected),
        "{error}"
    );
    let error = Given::new().env("POLDER_WORKERS", "many").load().unwrap_err();
    assert!(error.to_string().starts_with("`workers` cannot be `many`"), "{error}");
    let error = Given::new().file("workers = 70000").load().unwrap_err();
    assert!(matches!(&error, ConfigError::BadValue { key, .. } if key == "workers"), "{error}");
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_refused_by_name() {
    let mut given = Given::new();
    given.sources.file = Some(PathBuf::from("/nowhere/polder.toml"));
    assert!(given.load().unwrap_err().to_string().contains("/nowhere/polder.toml"));
    let error = Given::new().file("workers = [").load().unwrap_err();
    assert!(matches!(error, ConfigError::NotToml { .. }), "{error}");
}

#[test]
fn what_is_dumped_loads_to_the_same() {
    let config = Given::new().env("POLDER_UPSTREAMS", "http://a:1").flag("limits.calls", "9").load().unwrap();
    let text = dump(&config).unwrap();
    assert_eq!(Given::new().file(&text).load().unwrap(), config, "{text}");
}
