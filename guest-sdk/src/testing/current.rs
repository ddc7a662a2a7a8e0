//! Which organization `trace!` writes to.

use std::cell::RefCell;
use std::rc::Rc;

use super::world::World;

thread_local! {
    /// The organizations whose steps run on this thread, the innermost last: `trace!` has no context to go by.
    static CURRENT: RefCell<Vec<Rc<RefCell<World>>>> = const { RefCell::new(Vec::new()) };
}

/// While it lives, `trace!` writes to the organization.
pub(super) struct Entered(());

pub(super) fn enter(world: &Rc<RefCell<World>>) -> Entered {
    CURRENT.with_borrow_mut(|current| current.push(Rc::clone(world)));
    Entered(())
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|current| drop(current.pop()));
    }
}

/// The organization whose step runs, the innermost.
#[cfg(feature = "http")]
pub(super) fn current() -> Option<Rc<RefCell<World>>> {
    CURRENT.with_borrow(|current| current.last().cloned())
}

pub(crate) fn trace(line: &str) {
    match CURRENT.with_borrow(|current| current.last().cloned()) {
        Some(world) => world.borrow_mut().traces.push(line.to_owned()),
        None => eprintln!("{line}"),
    }
}

/// Stops a step whose source has a mistake that a host would only trace.
#[expect(clippy::panic, reason = "it is how a test fails, and only a panic says where")]
#[cold]
#[track_caller]
pub(crate) fn fail(mistake: &str) -> ! {
    panic!("{mistake}");
}
