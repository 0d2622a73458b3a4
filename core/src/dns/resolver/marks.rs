//! How answers of a server that is asked by UDP show that they are its own (RFC 5452 §4): the number, the port that the kernel drew, the
//! cookie, and the letters of the name, of which some are capitals by chance. What somebody else may have sent is dropped or asked for by
//! TCP; what comes by TCP is the server's, and shows what it can do.

use super::asking::Asking;
use super::cookie::{Cookie, Known, Taken};
use super::question::Key;
use super::response::{Answer, Unusable};

/// What is known of one server: bounded, whatever it sends.
#[derive(Debug, Clone, Copy, Default)]
pub struct Marks {
    cookies: Known,
    /// It does not send names back as they were sent: their letters say nothing.
    changes_letters: bool,
}

impl Marks {
    /// How it is asked under the number `id`, with `own` as [our cookie](Cookie::of) and the letters that `draw` says.
    #[must_use]
    pub fn asking(&self, (id, edns): (u16, bool), own: Cookie, draw: u128) -> Asking {
        let capitals = if self.changes_letters { 0 } else { draw };
        Asking { id, edns, cookie: edns.then(|| self.cookies.shown(own)), is_padded: false, capitals }
    }

    /// Whether it was found not to send names back as they were sent.
    #[must_use]
    pub const fn changes_letters(&self) -> bool {
        self.changes_letters
    }

    /// Reads what came by UDP. What is kept of the name is in small letters.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn read(&mut self, asking: &Asking, key: &Key, message: &mut [u8]) -> Result<Answer, Unusable> {
        let is_repeated = is_repeated(asking, key, message);
        let read = Answer::read(key, asking.id, message);
        if read == Err(Unusable::Foreign) {
            return read;
        }
        match asking.cookie.map(|shown| self.cookies.take(&shown, message)) {
            Some(Taken::Foreign) => Err(Unusable::Foreign),
            Some(Taken::Missing) => Err(Unusable::Doubtful),
            // Names that were sent in small letters tell nothing.
            Some(Taken::Good) | None if is_repeated || self.changes_letters => read,
            Some(Taken::Good) | None => Err(Unusable::Doubtful),
        }
    }

    /// Reads what came by TCP: what it lacks the server does not have.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn read_safe(&mut self, asking: &Asking, key: &Key, message: &mut [u8]) -> Result<Answer, Unusable> {
        let is_repeated = is_repeated(asking, key, message);
        let read = Answer::read(key, asking.id, message);
        if read == Err(Unusable::Foreign) {
            return read;
        }
        if asking.cookie.is_some_and(|shown| self.cookies.take_safe(&shown, message) == Taken::Foreign) {
            return Err(Unusable::Foreign);
        }
        self.changes_letters |= !is_repeated;
        read
    }
}

/// Whether the letters of the question are those that were sent. A server that could not read it may have left it out.
fn is_repeated(asking: &Asking, key: &Key, message: &mut [u8]) -> bool {
    message.get(4..6) != Some(&[0, 1]) || asking.takes_back(key, message)
}
