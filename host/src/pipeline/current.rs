//! A value that many read and that is replaced as a whole.

use std::sync::{Arc, PoisonError, RwLock};

/// What there is now. Who has read it keeps what it was then.
#[derive(Debug, Default)]
pub struct Current<T>(RwLock<Arc<T>>);

impl<T> Current<T> {
    /// Begins with that.
    pub fn new(value: Arc<T>) -> Self {
        Self(RwLock::new(value))
    }

    /// What there is now.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another in its place.
    pub fn set(&self, value: Arc<T>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = value;
    }
}
