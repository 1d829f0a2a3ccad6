//! `lab try`: a box for a person to play with. Status and pairing code in the terminal, the button on the keyboard.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Result, bail};
use lab::{Guest, Line, Machine, Mark};
use serde_json::json;

use crate::events::{self, Event, Keyboard};
use crate::{GuestOptions, terminal};

/// Whether the program ends with the first link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    AtFirstLink,
    AtWish,
}

impl From<bool> for Ending {
    fn from(once: bool) -> Self {
        if once { Self::AtFirstLink } else { Self::AtWish }
    }
}

/// For whom the program speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Words,
    Json,
}

impl From<bool> for Form {
    fn from(json: bool) -> Self {
        if json { Self::Json } else { Self::Words }
    }
}

/// How the program behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mode {
    pub(crate) once: Ending,
    pub(crate) form: Form,
}

/// How often the console is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// A finger's short press.
const PRESS: Duration = Duration::from_millis(300);
/// Longer than the ten seconds after which everything is erased.
const RESET_HOLD: Duration = Duration::from_millis(11_500);
/// How long an orderly shutdown may take before the plug is pulled.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(30);
/// How many lines `s` shows.
const LAST_LINES: usize = 15;
/// What the box's own lines begin with.
const HEARTH: &str = "hearth: ";
const READY: &str = "hearth: ready after ";
/// The first word of the status on the console.
const STATUS: &str = "  Hearth ";

const HELP: &str = "  b  press the button: another pairing code      s  status and the console's last lines
  l  show the newest link again                  p  pull the plug and start again
  f  hold the button until everything is erased  q  shut down and leave
(each with Enter)";

/// Runs the box until its person leaves.
pub(crate) fn run(image: PathBuf, options: &GuestOptions, mode: Mode) -> Result<()> {
    let keyboard = if mode.once == Ending::AtFirstLink { Keyboard::Leave } else { Keyboard::Read };
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
    session.attend(&events)
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

/// What the box said when it was ready.
#[derive(Clone, Copy)]
struct Ready {
    /// The guest's own seconds since its kernel started.
    guest_seconds: f64,
    /// The same moment, counted from QEMU's start.
    at: Duration,
}

/// Whether the session goes on.
#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    Leave,
}

impl Session {
    fn attend(&mut self, events: &Receiver<Event>) -> Result<()> {
        loop {
            if self.look()? == Next::Leave {
                return self.leave();
            }
            let next = match events.recv_timeout(LOOK) {
                Ok(Event::Typed(line)) => self.obey(&line)?,
                // Without a keyboard the box runs until somebody ends this program.
                Ok(Event::KeyboardClosed) => Next::GoOn,
                Ok(Event::Interrupted) => Next::Leave,
                Err(RecvTimeoutError::Timeout) => self.mind_the_limit()?,
                Err(RecvTimeoutError::Disconnected) => Next::Leave,
            };
            if next == Next::Leave {
                return self.leave();
            }
        }
    }

    /// Shows what the box has said since the last look.
    fn look(&mut self) -> Result<Next> {
        let has_power = self.guest.has_power();
        let (lines, mark) = self.guest.lines_after(self.mark);
        self.mark = mark;
        for line in &lines {
            if let Some(seconds) = line.text.split(READY).nth(1).and_then(|rest| rest.split(' ').next()) {
                let guest_seconds = seconds.parse().unwrap_or_default();
                self.ready = Some(Ready { guest_seconds, at: line.at });
            }
            if let Some((_, said)) = line.text.split_once(HEARTH) {
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
                return Ok(Next::Leave);
            }
        }
        if !has_power {
            if self.mode.once == Ending::AtFirstLink {
                bail!(
                    "the box went off before it showed a pairing link; its console's last lines:\n{}",
                    self.last_words()
                );
            }
            terminal::note("The box restarts.");
            self.restart()?;
        }
        Ok(Next::GoOn)
    }

    fn obey(&mut self, typed: &str) -> Result<Next> {
        match typed {
            "b" => {
                self.guest.press(PRESS)?;
                terminal::progress(self.guest.uptime(), "the button was pressed");
            }
            "f" => {
                terminal::progress(self.guest.uptime(), "holding the button");
                self.guest.press(RESET_HOLD)?;
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
            "q" => return Ok(Next::Leave),
            _ => terminal::note(HELP),
        }
        Ok(Next::GoOn)
    }

    fn restart(&mut self) -> Result<()> {
        self.guest.power_on()?;
        self.mark = self.guest.boot_mark();
        self.ready = None;
        Ok(())
    }

    /// A box that is not ready in time will not be: end with the console's last words.
    fn mind_the_limit(&self) -> Result<Next> {
        if self.ready.is_none() && self.guest.uptime() > self.limit {
            let lines = self.guest.lines();
            let last = last_lines(&lines).collect::<Vec<_>>().join("\n");
            bail!(
                "the box was not ready after {} s; its console's last lines:\n{last}",
                self.limit.as_secs()
            );
        }
        Ok(Next::GoOn)
    }

    fn last_words(&self) -> String {
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
        if self.mode.once == Ending::AtWish {
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

    fn leave(&mut self) -> Result<()> {
        terminal::progress(self.guest.uptime(), "shutting down");
        if self.machine == Machine::Virt && self.guest.has_power() {
            if let Err(error) = self.guest.power_off(SHUTDOWN_LIMIT) {
                self.guest.cut_power();
                bail!("the box did not shut down in an orderly way, so the plug was pulled: {error}");
            }
        } else {
            // A Pi has no power key: this is what people do.
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
    let start = lines.iter().rposition(|line| line.text.starts_with(STATUS)).unwrap_or(lines.len());
    let block = lines.iter().skip(start).map(|line| line.text.trim_end().to_owned());
    block.take_while(|line| !line.is_empty()).collect()
}

fn last_lines(lines: &[Line]) -> impl Iterator<Item = &str> {
    lines.iter().skip(lines.len().saturating_sub(LAST_LINES)).map(|line| line.text.as_str())
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
