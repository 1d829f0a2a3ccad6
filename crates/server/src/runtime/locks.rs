//! A lock without poisoning. The product aborts at a panic (`panic = "abort"`), so a poisoned lock is seen in tests only,
//! and there one failure must not look like many.

use std::sync::{MutexGuard, PoisonError};

/// A [`std::sync::Mutex`] without poisoning.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
