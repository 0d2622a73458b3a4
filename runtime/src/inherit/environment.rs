//! Sockets that the service manager opened (`sd_listen_fds(3)` of systemd): they are the file descriptors from 3 on, and three
//! variables say how many they are, for which process, and what they are called.

#![expect(unsafe_code, reason = "a file descriptor that is only known by its number")]

use std::os::fd::{BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::{FdFlags, fcntl_setfd};

use super::{InheritError, Passed};

/// The first of them.
const FIRST: RawFd = 3;
/// More than any unit lists.
const MOST: RawFd = 1024;

/// Whether they have been taken: after that their numbers belong to somebody else.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The sockets that were passed to this process; none when there are none, or they were taken before. To be called before the process
/// opens anything.
///
/// # Errors
/// [`InheritError`] when the variables say what is not so, and for sockets that cannot be used.
pub(crate) fn passed() -> Result<Vec<Passed>, InheritError> {
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Ok(Vec::new());
    }
    let [pid, count, names] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"].map(|name| std::env::var(name).ok());
    let announced = announced(std::process::id(), pid.as_deref(), count.as_deref(), names.as_deref())?;
    announced.into_iter().map(|(number, name)| Passed::new(take(number)?, name)).collect()
}

fn take(number: RawFd) -> Result<OwnedFd, InheritError> {
    // SAFETY: the number is borrowed for this one call, which says whether anything is open under it.
    let open = fcntl_setfd(unsafe { BorrowedFd::borrow_raw(number) }, FdFlags::CLOEXEC);
    open.map_err(|_| InheritError::Announced {
        variable: "LISTEN_FDS",
        value: count(number).to_string(),
        wanted: format!("at most {}, since {number} is not open", count(number) - 1),
    })?;
    // SAFETY: it is open, the manager opened it for this process alone, and nobody takes it a second time.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// How many there are up to this one.
const fn count(number: RawFd) -> RawFd {
    number - FIRST + 1
}

/// The numbers and names of what was announced to the process `own`. What was announced to another one is not ours: variables are
/// inherited by children.
fn announced(own: u32, pid: Option<&str>, count: Option<&str>, names: Option<&str>) -> Result<Vec<(RawFd, String)>, InheritError> {
    let Some((pid, count)) = pid.zip(count) else { return Ok(Vec::new()) };
    let bad = |variable, value: &str, wanted: &str| InheritError::Announced {
        variable,
        value: value.to_owned(),
        wanted: wanted.to_owned(),
    };
    if pid.parse::<u32>().map_err(|_| bad("LISTEN_PID", pid, "the number of a process"))? != own {
        return Ok(Vec::new());
    }
    let number = count.parse::<RawFd>().ok().filter(|count| (0..=MOST).contains(count));
    let number = number.ok_or_else(|| bad("LISTEN_FDS", count, "a number of sockets, at most 1024"))?;
    let mut names = names.unwrap_or_default().split(':');
    let name = |number: RawFd| match names.next() {
        Some(name) if !name.is_empty() => format!("`{name}`"),
        _ => format!("file descriptor {number}"),
    };
    let numbers = FIRST..FIRST + number;
    Ok(numbers.clone().zip(numbers.map(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_have_numbers_and_perhaps_names() {
        let three = announced(7, Some("7"), Some("3"), Some("dns:")).unwrap();
        let named = [(3, "`dns`"), (4, "file descriptor 4"), (5, "file descriptor 5")];
        assert_eq!(three, named.map(|(number, name)| (number, name.to_owned())));
        assert!(announced(7, Some("7"), Some("0"), None).unwrap().is_empty());
    }

    #[test]
    fn what_is_for_another_process_is_not_ours() {
        assert!(announced(7, Some("8"), Some("3"), None).unwrap().is_empty());
        assert!(announced(7, None, Some("3"), None).unwrap().is_empty());
        assert!(announced(7, Some("7"), None, None).unwrap().is_empty());
    }

    #[test]
    fn a_variable_that_says_nothing_is_named() {
        for (pid, count, named) in [("me", "1", "LISTEN_PID"), ("7", "-1", "LISTEN_FDS"), ("7", "1025", "LISTEN_FDS")] {
            let refused = announced(7, Some(pid), Some(count), None).unwrap_err().to_string();
            assert!(refused.contains(named), "{refused}");
        }
    }
}
