//! The state that names follow from, in a file: a server that starts while the store is away answers with it.
//!
//! The file has the stored form of every record that names are computed from, so that a later build, or one with other settings,
//! makes its own names of it; then what other programs have stored, key and value, in the same form. It is written under another name, by
//! one process at a time, and then takes the place of the one before: a crash leaves the old file or the new one. A sum over everything
//! tells a damaged file, which is not read.
//!
//! ```text
//! "polder names 2\n", revision u64, time of saving u64 (microseconds), where the parts of the state stand u64 each
//! for each record: key length u32, key, value length u32, value        ends with a key length of u32::MAX
//! SHA-256 of everything before
//! ```

mod file;

use std::fs::{File, Metadata, TryLockError};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polder_core::cluster::{Change, Cluster};
use polder_core::dns::Heads;
use polder_core::dns::skydns::View;
use polder_core::id::Revision;
use polder_core::schema::Schema as _;
use polder_core::time::Timestamp;
use polder_core::{dns, ipam, lb};
use polder_proto::stored::ForNames;
use polder_proto::stored::dns::skydns;
use sha2::{Digest as _, Sha256};

use crate::names::State;
use crate::skydns::Book;

pub(crate) use self::file::SavedFile;

const MAGIC: &[u8] = b"polder names 2\n";
const END: u32 = u32::MAX;
/// The longest key and the longest value that are read: far more than any that is stored.
const MOST: usize = 16 << 20;
const SUM: usize = 32;

/// What a file has.
pub(crate) struct Saved {
    pub(crate) cluster: Cluster,
    /// What other programs had stored.
    pub(crate) imported: View,
    /// Where its parts stand.
    pub(crate) heads: Heads,
    /// The newest revision that is in it.
    pub(crate) revision: Revision,
    /// When it was saved.
    pub(crate) at: Timestamp,
}

/// Puts the state into the file, and says how many bytes that took.
///
/// # Errors
/// Those of the file system; the file is what it was then.
fn save(path: &Path, state: &State, at: Timestamp) -> io::Result<u64> {
    let partial = partial(path);
    let mut out = Summed::new(BufWriter::new(alone(&partial)?));
    out.write_all(MAGIC)?;
    for number in [state.revision.0, at.0].into_iter().chain(state.heads.to_numbers()) {
        out.write_all(&number.to_be_bytes())?;
    }
    for change in records(&state.cluster) {
        let stored = ForNames::encode(&change);
        [Some(stored.key), stored.value].into_iter().flatten().try_for_each(|part| out.put_part(&part))?;
    }
    for (key, entry) in state.imported.view.entries() {
        out.put_part(key.as_bytes())?;
        out.put_part(&skydns::encode(entry))?;
    }
    out.write_all(&END.to_be_bytes())?;
    let (sum, length) = (out.sum.finalize(), out.length);
    out.inner.write_all(&sum)?;
    out.inner.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    std::fs::rename(&partial, path)?;
    // The new name lasts only when the folder is on the disk too.
    File::open(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new(".")))?.sync_all()?;
    Ok(length + SUM as u64)
}

/// The file under its other name, empty, for this process alone: one that takes the place of another saves to the same file.
fn alone(partial: &Path) -> io::Result<File> {
    let file = File::options().write(true).create(true).truncate(false).open(partial)?;
    let taken = || io::Error::new(io::ErrorKind::WouldBlock, "another process saves to it just now");
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => taken(),
        TryLockError::Error(error) => error,
    })?;
    // Whoever had the lock may have given the file its name meanwhile: it must not be written to any more.
    let place = |file: Metadata| (file.dev(), file.ino());
    if std::fs::metadata(partial).map(place).ok() != Some(place(file.metadata()?)) {
        return Err(taken());
    }
    file.set_len(0)?;
    Ok(file)
}

/// What the file has; `None` where there is none. What other programs had stored is taken into the book, where there is one.
///
/// # Errors
/// Those of the file system, and [`io::ErrorKind::InvalidData`] for a file that is damaged or of another kind.
fn load(path: &Path, mut book: Option<Book>) -> io::Result<Option<Saved>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut file = Summed::new(BufReader::new(file));
    let mut magic = [0; MAGIC.len()];
    file.read_exact(&mut magic)?;
    if magic != MAGIC {
        return Err(damaged("it does not begin as such a file"));
    }
    let (revision, at) = (Revision(file.number()?), Timestamp(file.number()?));
    let mut numbers = [0; Heads::COUNT];
    for number in &mut numbers {
        *number = file.number()?;
    }
    let mut cluster = Cluster::default();
    while let Some(key) = file.part()? {
        let value = file.part()?.ok_or_else(|| damaged("it ends within a record"))?;
        match (ForNames::decode(&key, Some(&value)).map_err(|corrupt| damaged(&corrupt.to_string()))?, &mut book) {
            (Some(change), _) => cluster.apply(&change),
            // A key of another service, or under another prefix than that of now, says nothing here.
            (None, Some(book)) => drop(book.take(&key.into(), Some(&value.into()))),
            (None, None) => {}
        }
    }
    let mut sum = [0; SUM];
    let wanted = file.sum.finalize();
    file.inner.read_exact(&mut sum)?;
    if sum != *wanted || file.inner.read(&mut [0])? > 0 {
        return Err(damaged("its sum is not that of its content"));
    }
    Ok(Some(Saved { cluster, imported: recalled(book), heads: Heads::from_numbers(numbers), revision, at }))
}

/// What a file had of other programs. One without any may be from before they were followed: it says nothing.
fn recalled(book: Option<Book>) -> View {
    let Some(mut book) = book else { return View::default() };
    if !book.view().is_empty() {
        book.is_read();
    }
    book.view().clone()
}

fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

/// Everything that names follow from.
fn records(cluster: &Cluster) -> impl Iterator<Item = Change> {
    use dns::zones::Change::{RecordSet, Resolver, Zone};
    let pools = cluster.ipam.pools().map(|pool| ipam::Change::Pool(pool.name.clone(), Some(Arc::clone(pool))));
    let namespaces = cluster.ipam.namespaces().map(|space| ipam::Change::Namespace(space.name.clone(), Some(Arc::clone(space))));
    let named = cluster.ipam.allocations(None).filter(|(_, held)| held.is_held() && held.owner.namespace.is_some());
    let pods = named.map(|(uid, held)| ipam::Change::Allocation(uid, Some(Arc::clone(held))));
    let whole = cluster.lb.services().map(|service| lb::Change::Brief(service.key.clone(), Some(lb::Brief::of(service))));
    let brief = cluster.lb.briefs().filter_map(|brief| Some(lb::Change::Brief(brief.key()?, Some(brief.to_brief()))));
    let services = whole.chain(brief);
    let zones = cluster.dns.zones().map(|zone| Zone(zone.name.clone(), Some(Arc::clone(zone))));
    let sets = cluster.dns.all_sets().map(|set| RecordSet(Arc::clone(&set.key), Some(Arc::clone(set))));
    let resolver = cluster.dns.resolver().map(|settings| Resolver(Some(Arc::clone(settings))));
    let addresses = pools.chain(namespaces).chain(pods).map(Change::Ipam);
    addresses.chain(services.map(Change::Lb)).chain(zones.chain(sets).chain(resolver).map(Change::Dns))
}

/// Counts and sums what goes through it.
struct Summed<T> {
    inner: T,
    sum: Sha256,
    length: u64,
}

impl<T> Summed<T> {
    fn new(inner: T) -> Self {
        Self { inner, sum: Sha256::new(), length: 0 }
    }
}

impl<T: Write> Summed<T> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.length += bytes.len() as u64;
        self.inner.write_all(bytes)
    }

    /// A key or a value, after its length.
    fn put_part(&mut self, part: &[u8]) -> io::Result<()> {
        self.write_all(&u32::try_from(part.len()).map_err(io::Error::other)?.to_be_bytes())?;
        self.write_all(part)
    }
}

impl<T: Read> Summed<T> {
    fn read_exact(&mut self, into: &mut [u8]) -> io::Result<()> {
        self.inner.read_exact(into)?;
        self.sum.update(into);
        Ok(())
    }

    fn number(&mut self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.read_exact(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    /// The next key or value; `None` at the end.
    fn part(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = [0; 4];
        self.read_exact(&mut bytes)?;
        let length = match u32::from_be_bytes(bytes) {
            END => return Ok(None),
            length => {
                usize::try_from(length).ok().filter(|length| *length <= MOST).ok_or_else(|| damaged("a length is too large"))?
            }
        };
        let mut part = vec![0; length];
        self.read_exact(&mut part)?;
        Ok(Some(part))
    }
}

#[cfg(test)]
mod tests {
    use crate::skydns::Imported;

    use super::*;

    fn state(revision: u64) -> State {
        let mut cluster = Cluster::default();
        let pool = polder_core::testing::pool("service", ipam::Purpose::ClusterService, &["172.28.0.0/16"]);
        cluster.apply(&Change::Ipam(ipam::Change::Pool(pool.name.clone(), Some(Arc::new(pool)))));
        let pod = polder_core::testing::pod(7);
        cluster.apply(&Change::Ipam(ipam::Change::Allocation(pod.meta.uid, Some(Arc::new(pod)))));
        let (heads, revision) = (Heads::at(Revision(revision - 1)), Revision(revision));
        State { cluster, heads, revision, imported: Imported::default(), is_read: true }
    }

    #[test]
    fn what_is_saved_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names");
        assert!(load(&path, None).unwrap().is_none());
        for revision in [7, 8] {
            let length = save(&path, &state(revision), Timestamp(9)).unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().len(), length);
            let saved = load(&path, None).unwrap().unwrap();
            assert_eq!((saved.heads, saved.revision, saved.at), (state(revision).heads, Revision(revision), Timestamp(9)));
            let stored = |cluster: &Cluster| records(cluster).map(|change| ForNames::encode(&change)).collect::<Vec<_>>();
            assert_eq!(stored(&saved.cluster), stored(&state(7).cluster));
            assert_eq!(stored(&saved.cluster).len(), 2);
        }
        assert!(!partial(&path).exists());
    }

    #[test]
    fn two_processes_never_write_to_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names");
        save(&path, &state(7), Timestamp(9)).unwrap();
        let other = alone(&partial(&path)).unwrap();
        assert_eq!(save(&path, &state(8), Timestamp(9)).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(load(&path, None).unwrap().unwrap().revision, Revision(7));
        drop(other);
        save(&path, &state(8), Timestamp(9)).unwrap();
        assert_eq!(load(&path, None).unwrap().unwrap().revision, Revision(8));
    }

    #[test]
    fn a_damaged_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names");
        save(&path, &state(7), Timestamp(9)).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for place in 0..whole.len() {
            let mut bad = whole.clone();
            bad[place] ^= 1;
            std::fs::write(&path, &bad).unwrap();
            assert!(load(&path, None).is_err(), "byte {place}");
            std::fs::write(&path, &whole[..place]).unwrap();
            assert!(load(&path, None).is_err(), "{place} bytes");
        }
        std::fs::write(&path, [whole, vec![0]].concat()).unwrap();
        assert!(load(&path, None).is_err());
    }
}
