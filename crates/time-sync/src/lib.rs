//! The clock of a box without a battery: SNTP (RFC 5905, section 14) with several servers, and the dates of web servers
//! where those are silent. No socket, no clock, no random bytes: the uptime, the calendar's time and chance are arguments.
//!
//! ```text
//! names, addresses ─▶ Sources ─▶ whom to ask ─▶ (request, reply) ─▶ packet ─▶ Sample ─┐
//!                        ▲ silence, kiss-o'-death                                     │ a round's samples
//!                        └─────────────────────────────                               ▼
//!          correction of the clock, time of the next round ◀─ Keeper ◀─ agreement, bounds
//! ```
//!
//! A [`Sample`] says what the calendar showed when the machine started, so that samples from before and after a step of
//! the calendar are comparable. A [`Keeper`] judges the samples of a round:
//!
//! * Of several servers that answer, more than half, and at least two, must agree ([`agreement`]): one liar never wins.
//! * A server that is the only one there is must say the same in [`keeper::LONE_ROUNDS`] rounds.
//! * The time must be within [`Bounds`]: not before the one that an earlier start of the machine has known, not long after
//!   the image was built.
//! * The time must not contradict the dates of web servers ([`dates`]), if those were needed since the start.
//!
//! Dates of web servers set the clock, to about a second, while no time server is believed: more than half of those that
//! answer, and at least two, must agree, within the same bounds.
//!
//! Leap seconds are not announced to the kernel: the second is there at the next round, as an offset.
//! The packets are not those of `rsntp`: it waits for one server after the other, reads the clock itself, keeps the root
//! delay and dispersion to itself, and believes a kiss-o'-death before it has looked whether it answers its request, so
//! that anybody could keep it from any server.
#![forbid(unsafe_code)]

pub mod agreement;
mod bounds;
pub mod dates;
mod frequency;
pub mod keeper;
mod nanoseconds;
pub mod packet;
mod sample;
mod schedule;
mod sources;

pub use bounds::{Bounds, OutOfBounds};
pub use dates::{WebDate, WebServer};
pub use keeper::{Correction, Keeper, Refusal, Round, Verdict};
pub use nanoseconds::Nanoseconds;
pub use sample::{Sample, SampleError};
pub use sources::{NoServer, Outcome, Server, Sources};
