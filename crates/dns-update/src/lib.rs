//! DNS providers: the records of the owner's name, changed over their APIs, so that the box follows every change of its
//! address by itself and answers a certificate authority.
//!
//! | protocol | for | records |
//! |---|---|---|
//! | deSEC | `dedyn.io` and domains there | all |
//! | RFC 2136 with TSIG | a name server of one's own | all |
//! | DuckDNS | `NAME.duckdns.org` | addresses, one text |
//! | dyndns2 | many others | addresses |
//!
//! Pure: the sets that are wanted ([`RecordSets`]), the changes that lead to them ([`Changes`]), the time of an update
//! ([`UpdateSchedule`]), the settings ([`ProviderSettings`]) and the readers of answers ([`answers`]). With IO:
//! [`DnsProvider`].
//!
//! ```text
//! RecordSets ─► UpdateSchedule::next ─ Send(changes) ─► begin, keep the state ─► DnsProvider::apply ─► settle, keep the state
//! ```
//!
//! Names and types for which this box wants no records are left alone, and so are other people's texts at the name itself;
//! any other set that it writes takes the place of the one before, whoever wrote that. No error, log line or `Debug` text has a secret in it.
#![forbid(unsafe_code)]

mod answer;
pub mod answers;
mod applied;
mod desec;
mod duckdns;
mod dyndns2;
mod error;
mod http;
mod name;
mod provider;
mod rdata;
mod records;
mod rfc2136;
mod schedule;
mod settings;
mod template;

pub use applied::{Applied, Refused};
pub use error::{Remedy, UpdateError};
pub use name::{NameError, RecordName};
pub use provider::DnsProvider;
pub use rdata::{Rdata, RdataError, RecordKind};
pub use records::{ADDRESS_TTL, CHALLENGE_TTL, Changes, RECORD_TTL, RecordSet, RecordSets};
pub use schedule::{Limits, Permission, Purpose, ScheduleState, Step, UpdateSchedule};
pub use settings::{Capabilities, DESEC_URL, DUCKDNS_URL, ProviderSettings, SettingsError, TsigAlgorithm};
