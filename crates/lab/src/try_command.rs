//! `lab try`: an interactive box. Status and pairing code in the terminal, the button on the keyboard.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Result, bail};
use lab::{Guest, Line, Machine, Mark};
use serde_json::json;

use crate::events::{self, Event, Keyboard};
use crate::{GuestOptions, terminal};

/// The end of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    AtFirstLink,
    OnRequest,
}

impl From<bool> for Ending {
    fn from(once: bool) -> Self {
        if once { Self::AtFirstLink } else { Self::OnRequest }
    }
}

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Json,
}

impl From<bool> for Form {
    fn from(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }
}

/// The command line's choices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mode {
    pub(crate) once: Ending,
    pub(crate) form: Form,
}

const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// A short press of the button.
const PRESS_DURATION: Duration = Duration::from_millis(300);
/// Longer than the ten seconds after which the data is erased.
const RESET_HOLD_DURATION: Duration = Duration::from_millis(11_500);
/// After this time the power is cut.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);
/// Lines of the console that `s` shows.
const TAIL_LINES: usize = 15;
/// The beginning of the box's own lines.
const LOG_PREFIX: &str = "hearth: ";
const READY_PREFIX: &str = "hearth: ready after ";
/// The beginning of the status block on the console.
const STATUS_PREFIX: &str = "  Hearth ";

const HELP: &str = "  b  press the button: another pairing code      s  status and the console's last lines
  l  show the newest link again                  p  pull the plug and start again
  f  hold the button until everything is erased  q  shut down and leave
(each with Enter)";

/// Runs the box until `q`, a signal or, with `--once`, the first link.
pub(crate) fn run(image: PathBuf, options: &GuestOptions, mode: Mode) -> Result<()> {
    let keyboard = if mode.once == Ending::AtFirstLink { Keyboard::Ignore } else { Keyboard::Read };
    let events = events::listen(keyboard)?;
    let machine = Machine::from(options.machine);
    let kept = options.card.as_ref().filter(|card| card.exists());
    let what =
        kept.map_or_else(|| image.display().to_string(), |card| format!("the kept card {}", card.display()));
    terminal::note(&format!("Starting {what} in QEMU ({})", name(machine)));
    let guest = options.builder(image).start()?;
    let mark = guest.boot_mark();
    terminal::progress(guest.uptime(), "the emulated box has power; its own words follow");
    let mut session = Session {
        guest,
        machine,
        mode,
        mark,
        ready: None,
        shown: None,
        limit: Duration::from_secs(options.limit),
    };
    session.run(&events)
}

struct Session {
    guest: Guest,
    machine: Machine,
    mode: Mode,
    mark: Mark,
    ready: Option<Ready>,
    shown: Option<String>,
    limit: Duration,
}

/// The moment at which the box was ready, on two clocks.
#[derive(Clone, Copy)]
struct Ready {
    /// Seconds since the guest's kernel started, by the guest's clock.
    guest_seconds: f64,
    /// Time from QEMU's start, by the host's clock.
    at: Duration,
}

/// The session's next step.
#[derive(PartialEq, Eq)]
enum Next {
    Continue,
    ShutDown,
}

impl Session {
    fn run(&mut self, events: &Receiver<Event>) -> Result<()> {
        loop {
            if self.show_news()? == Next::ShutDown {
                return self.shut_down();
            }
            let next = match events.recv_timeout(POLL_INTERVAL) {
                Ok(Event::Typed(line)) => self.execute(&line)?,
                // Without a keyboard the box runs until a signal.
                Ok(Event::KeyboardClosed) => Next::Continue,
                Ok(Event::Interrupted) => Next::ShutDown,
                Err(RecvTimeoutError::Timeout) => self.check_limit()?,
                Err(RecvTimeoutError::Disconnected) => Next::ShutDown,
            };
            if next == Next::ShutDown {
                return self.shut_down();
            }
        }
    }

    /// Prints the console's new lines and a new link, and restarts a box that went off.
    fn show_news(&mut self) -> Result<Next> {
        let has_power = self.guest.has_power();
        let (lines, mark) = self.guest.lines_after(self.mark);
        self.mark = mark;
        for line in &lines {
            if let Some(seconds) =
                line.text.split(READY_PREFIX).nth(1).and_then(|rest| rest.split(' ').next())
            {
                let guest_seconds = seconds.parse().unwrap_or_default();
                self.ready = Some(Ready { guest_seconds, at: line.at });
            }
            if let Some((_, said)) = line.text.split_once(LOG_PREFIX) {
                terminal::progress(line.at, said);
            }
        }
        // The screen is drawn again whenever anything on it changes: only a new link is news.
        if let (Some(link), Some(_)) = (self.guest.pairing_link()?, self.ready)
            && self.shown.as_ref() != Some(&link)
        {
            self.show_link(&link)?;
            self.shown = Some(link);
            if self.mode.once == Ending::AtFirstLink {
                return Ok(Next::ShutDown);
            }
        }
        if !has_power {
            if self.mode.once == Ending::AtFirstLink {
                bail!(
                    "the box went off before it showed a pairing link; its console's last lines:\n{}",
                    self.console_tail()
                );
            }
            terminal::note("The box restarts.");
            self.restart()?;
        }
        Ok(Next::Continue)
    }

    fn execute(&mut self, typed: &str) -> Result<Next> {
        match typed {
            "b" => {
                self.guest.press(PRESS_DURATION)?;
                terminal::progress(self.guest.uptime(), "the button was pressed");
            }
            "f" => {
                terminal::progress(self.guest.uptime(), "holding the button");
                self.guest.press(RESET_HOLD_DURATION)?;
            }
            "l" => match self.guest.pairing_link()? {
                Some(link) => self.show_link(&link)?,
                None => terminal::note("No pairing link yet: press the button with `b`."),
            },
            "s" => self.show_status()?,
            "p" => {
                self.guest.cut_power();
                terminal::note("The plug was pulled.");
                self.restart()?;
            }
            "q" => return Ok(Next::ShutDown),
            _ => terminal::note(HELP),
        }
        Ok(Next::Continue)
    }

    fn restart(&mut self) -> Result<()> {
        self.guest.power_on()?;
        self.mark = self.guest.boot_mark();
        self.ready = None;
        Ok(())
    }

    /// Fails with the console's last lines when the box is not ready in time.
    fn check_limit(&self) -> Result<Next> {
        if self.ready.is_none() && self.guest.uptime() > self.limit {
            bail!(
                "the box was not ready after {} s; its console's last lines:\n{}",
                self.limit.as_secs(),
                self.console_tail()
            );
        }
        Ok(Next::Continue)
    }

    fn console_tail(&self) -> String {
        last_lines(&self.guest.lines()).collect::<Vec<_>>().join("\n")
    }

    fn show_link(&self, link: &str) -> Result<()> {
        let seconds = self.guest.pairing_link_at().zip(self.ready).map(|(at, ready)| {
            let kernel_start = ready.at.as_secs_f64() - ready.guest_seconds;
            at.as_secs_f64() - kernel_start
        });
        if self.mode.form == Form::Json {
            let ports: serde_json::Map<String, serde_json::Value> =
                self.guest.ports().map(|(from, to)| (from.to_string(), to.into())).collect();
            let shown = json!({
                "machine": name(self.machine),
                "link": link,
                "ports": ports,
                "status": status(&self.guest.lines()),
                "guest_seconds_to_ready": self.ready.map(|ready| ready.guest_seconds),
                "guest_seconds_to_link": seconds,
                "qemu": self.guest.process_id(),
            });
            return Ok(terminal::say(&shown.to_string())?);
        }
        let web = self
            .guest
            .port(80)
            .map(|port| format!("\n  Web page:  http://127.0.0.1:{port}/"))
            .unwrap_or_default();
        terminal::say(&format!(
            "\n{}{web}\n\n{}",
            status(&self.guest.lines()).join("\n"),
            terminal::code(link)
        ))?;
        terminal::say(&format!("Pairing link (works on this computer, one account each):\n{link}\n"))?;
        if let Some(seconds) = seconds {
            terminal::note(&format!("Shown {seconds:.1} s after the box's kernel started."));
        }
        if self.mode.once == Ending::OnRequest {
            terminal::note(HELP);
        }
        Ok(())
    }

    fn show_status(&self) -> Result<()> {
        let lines = self.guest.lines();
        let ports: Vec<String> =
            self.guest.ports().map(|(from, to)| format!("{from} at 127.0.0.1:{to}")).collect();
        let last = last_lines(&lines).collect::<Vec<_>>().join("\n");
        terminal::say(&format!(
            "{}\n  Ports:     {}\n\n{last}",
            status(&lines).join("\n"),
            ports.join(", ")
        ))?;
        Ok(())
    }

    fn shut_down(&mut self) -> Result<()> {
        terminal::progress(self.guest.uptime(), "shutting down");
        if self.machine == Machine::Virt && self.guest.has_power() {
            if let Err(error) = self.guest.power_off(SHUTDOWN_TIMEOUT) {
                self.guest.cut_power();
                bail!("the box did not shut down in an orderly way, so the plug was pulled: {error}");
            }
        } else {
            // A Pi has no power key; its power is cut in practice too.
            self.guest.cut_power();
        }
        Ok(())
    }
}

fn name(machine: Machine) -> &'static str {
    match machine {
        Machine::Virt => "virt",
        Machine::Raspi3b(_) => "raspi3b",
        Machine::UBoot(_) => "raspi3b through U-Boot",
    }
}

/// The box's newest status: the lines from its name to the next empty one.
fn status(lines: &[Line]) -> Vec<String> {
    let start = lines.iter().rposition(|line| line.text.starts_with(STATUS_PREFIX)).unwrap_or(lines.len());
    let block = lines.iter().skip(start).map(|line| line.text.trim_end().to_owned());
    block.take_while(|line| !line.is_empty()).collect()
}

fn last_lines(lines: &[Line]) -> impl Iterator<Item = &str> {
    lines.iter().skip(lines.len().saturating_sub(TAIL_LINES)).map(|line| line.text.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_status_is_the_last_block_under_the_boxs_name() {
        let texts = [
            "  Hearth 0.1.0   old",
            "",
            "hearth: ready",
            "  Hearth 0.1.0   hearth-1a2b.local",
            "  State:     ready",
            "",
            "  Scan",
        ];
        let lines: Vec<Line> =
            texts.iter().map(|text| Line { at: Duration::ZERO, text: (*text).into() }).collect();
        assert_eq!(status(&lines), ["  Hearth 0.1.0   hearth-1a2b.local", "  State:     ready"]);
        assert!(status(&lines[1..3]).is_empty());
    }
}
