//! Deadlines: the client's silence, and the length of a message's transmission.

use std::time::Instant;

use super::{Session, State};
use crate::dialogue::{CloseReason, Output, Role};
use crate::reply::table;

impl Session {
    /// A tick also makes the session name its wake-up again: a driver that starts anew, as after the TLS handshake, has
    /// forgotten the one it knew.
    pub(super) fn handle_tick(&mut self, now: Instant) {
        self.announced = None;
        match self.deadline {
            Some(deadline) if deadline <= now => {
                // Within the TLS handshake a line of clear text would only confuse.
                if !matches!(self.state, State::AwaitTls) {
                    self.reply(&table::TIMED_OUT);
                }
                self.close(CloseReason::TimedOut);
            }
            Some(_) => {}
            None => self.restart_clock(now),
        }
    }

    /// The client has sent a whole line or some content: count its silence from now. Half a line is no sign of life,
    /// or a byte a minute would hold a connection for ever.
    pub(super) fn restart_clock(&mut self, now: Instant) {
        let settings = &self.settings;
        self.deadline = match &self.state {
            State::Closed => None,
            State::ExpectContent(_, last) => Some((now + settings.data_timeout).min(*last)),
            _ if self.login.is_none() && self.role == Role::Submission => Some(now + settings.login_timeout),
            _ => Some(now + settings.command_timeout),
        };
    }

    /// While a question is open the silence is ours, not the client's.
    pub(super) fn announce_deadline(&mut self) {
        if matches!(self.state, State::AwaitAnswer(_)) {
            self.deadline = None;
        }
        if let Some(deadline) = self.deadline
            && self.announced.is_none_or(|announced| announced > deadline)
        {
            self.announced = Some(deadline);
            self.outputs.push_back(Output::WakeAt(deadline));
        }
    }
}
