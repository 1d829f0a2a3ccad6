//! The result of an update that a provider has taken.

use serde::{Deserialize, Serialize};

use crate::records::RecordSet;

/// An update that the provider has taken, as a whole or but for some sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The sets that it did not take. The others are published.
    pub refused: Vec<Refused>,
}

/// A set that a provider does not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The set.
    pub set: RecordSet,
    /// The provider's reason: a sentence, or several.
    pub reason: String,
}
