//! Whom upstreams that are asked over TLS have to be certified by.

use std::path::{Path, PathBuf};

use polder_runtime::server::tls::{TlsError, connector};
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

use crate::DOT;

/// See the module.
pub(crate) struct Trust {
    /// Where the authorities were looked for; `None`: the system's.
    file: Option<PathBuf>,
    /// Set up at the first use, where they are the system's: whoever asks nobody over TLS need not have any.
    ready: OnceCell<TlsConnector>,
}

impl Trust {
    /// The authorities of the file; of the system, where its name is empty.
    ///
    /// # Errors
    /// [`TlsError`] for a file that cannot be used.
    pub(crate) fn open(file: &Path) -> Result<Self, TlsError> {
        let file = (!file.as_os_str().is_empty()).then(|| file.to_owned());
        let ready = file.as_deref().map(|file| connector(Some(file), DOT)).transpose()?;
        Ok(Self { file, ready: OnceCell::new_with(ready) })
    }

    /// The client's side of TLS. All connections share its memory of sessions. A bundle of the system that is not there is looked for again
    /// the next time.
    pub(super) async fn connector(&self) -> Result<&TlsConnector, String> {
        let file = self.file.clone();
        let read = || async move {
            match tokio::task::spawn_blocking(move || connector(file.as_deref(), DOT)).await {
                Ok(Ok(connector)) => Ok(connector),
                Ok(Err(error)) => Err(format!(
                    "nobody is trusted to certify it: {error}; install the package `ca-certificates`, or set `dns.upstream_ca_file`"
                )),
                Err(error) => Err(format!("the authorities could not be read: {error}")),
            }
        };
        self.ready.get_or_try_init(read).await
    }
}
