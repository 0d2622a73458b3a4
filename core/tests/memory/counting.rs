//! An allocator that counts, for tests of what something takes of memory. Two crates have such a test, and each has this file as a module.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, with a count of what it has given and not got back.
pub(crate) struct Counting {
    live: AtomicUsize,
    most: AtomicUsize,
}

impl Counting {
    /// One that has given nothing yet.
    pub(crate) const fn new() -> Self {
        Self { live: AtomicUsize::new(0), most: AtomicUsize::new(0) }
    }

    /// How many bytes it has given and not got back.
    pub(crate) fn live(&self) -> usize {
        self.live.load(Ordering::SeqCst)
    }

    /// The most that there were of these since it was last asked.
    pub(crate) fn most(&self) -> usize {
        self.most.swap(self.live(), Ordering::SeqCst)
    }
}

// SAFETY: it is the system's allocator; counting beside it touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = self.live.fetch_add(layout.size(), Ordering::SeqCst) + layout.size();
        self.most.fetch_max(live, Ordering::SeqCst);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        self.live.fetch_sub(layout.size(), Ordering::SeqCst);
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}
