//! Columns of an image that the step did not ask for.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::record::Side;

/// Which column it is, and whether its author was told. Not generic, so that a component holds it once.
pub(super) struct NotAsked {
    column: &'static str,
    image: &'static str,
    told: AtomicBool,
}

impl NotAsked {
    /// None if the column is not of an image, or is in the step's list.
    pub(super) fn of(column: &'static str, side: Side) -> Option<Self> {
        let (image, asked) = match side {
            Side::Before(asked) => ("before", asked),
            Side::After(asked) => ("after", asked),
            Side::Target | Side::Output => return None,
        };
        (!asked.contains(&column)).then_some(Self { column, image, told: AtomicBool::new(false) })
    }

    /// Tells the author, the first time only: a step may read the column in a loop.
    #[cold]
    #[inline(never)]
    #[cfg_attr(not(target_arch = "wasm32"), track_caller)]
    pub(super) fn tell(&self) {
        if !self.told.swap(true, Ordering::Relaxed) {
            crate::trace::mistake(&self.to_string());
        }
    }
}

impl Clone for NotAsked {
    fn clone(&self) -> Self {
        Self {
            column: self.column,
            image: self.image,
            told: AtomicBool::new(self.told.load(Ordering::Relaxed)),
        }
    }
}

impl fmt::Display for NotAsked {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { column, image, .. } = self;
        write!(
            out,
            "`{column}` of `{image}` was not asked for: add it to {image}(..) of the step's #[step] attribute."
        )
    }
}
