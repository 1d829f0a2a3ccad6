//! Deadlines: the client's silence, the time without a login or a message, and the length of a message's transmission.

use std::time::{Duration, Instant};

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
            State::ExpectContent(content, begun) => {
                let silence = now + settings.data_timeout;
                let paced = content.size().checked_div(settings.slowest_pace).unwrap_or(u64::MAX);
                let paced = Duration::from_secs(paced).saturating_add(settings.data_timeout);
                Some(silence.min(*begun + paced.min(settings.message_timeout)))
            }
            _ => {
                let absolute = match self.role {
                    Role::Submission if self.login.is_none() => Some(settings.login_timeout),
                    Role::Submission => None,
                    Role::Inbound => Some(settings.message_interval),
                };
                let silence = now + settings.command_timeout;
                Some(absolute.map_or(silence, |limit| silence.min(self.idle_since + limit)))
            }
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
