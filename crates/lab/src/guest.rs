//! A Hearth box in QEMU: what a test, or a person at the `lab` program, can do to it and see of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::card::Card;
use crate::clock::{self, Deadline};
use crate::console::{Console, Line, Mark, Waited};
use crate::error::{Error, Result, file};
use crate::lab_lock::Seat;
use crate::led::{Edge, Level, Pattern};
use crate::link;
use crate::machine::{Loaded, Machine};
use crate::run::{Disk, Forward, Run};

/// The ports of a box that are forwarded to this host.
const PORTS: [u16; 6] = [80, 443, 993, 465, 143, 587];
/// The usual size of the emulated card; a power of two, as QEMU's SD card demands.
const CARD_SIZE: u64 = 512 * 1024 * 1024;
/// How often a wait for the LED looks, when no edge comes.
const LOOK: Duration = Duration::from_millis(50);

/// Whether a guest can take snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Snapshots {
    /// Writes go to the card.
    #[default]
    Off,
    /// Writes go to an overlay that holds snapshots; the card itself keeps the image. Only on [`Machine::Virt`].
    On,
}

/// Whether the host's page cache stands between the guest and its card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostCache {
    /// It does: quick, and on every file system.
    #[default]
    On,
    /// Writes go straight to the file, which must lie on a file system that can do so (not on every tmpfs).
    Off,
}

/// A guest that has not been started.
#[derive(Clone, Debug)]
pub struct GuestBuilder {
    image: PathBuf,
    machine: Machine,
    card: Option<PathBuf>,
    card_size: u64,
    console_log: Option<PathBuf>,
    snapshots: Snapshots,
    host_cache: HostCache,
    arguments: String,
}

/// A box in QEMU. Dropping it ends QEMU and removes everything but the console's log.
#[derive(Debug)]
pub struct Guest {
    // In the order in which they are dropped: QEMU first, the seat with its folder last.
    run: Option<Run>,
    forwards: Vec<Forward>,
    saved: Vec<Saved>,
    overlay: Option<Overlay>,
    console: Console,
    card: Card,
    machine: Machine,
    host_cache: HostCache,
    arguments: String,
    seat: Seat,
}

/// What the lab must remember beside QEMU's snapshot, because it lies outside the guest.
#[derive(Debug)]
struct Saved {
    name: String,
    mark: Mark,
    led: Level,
}

#[derive(Debug)]
struct Overlay {
    path: PathBuf,
    made: bool,
}

impl GuestBuilder {
    /// Chooses the machine; the default is [`Machine::Virt`].
    #[must_use]
    pub fn machine(mut self, machine: Machine) -> Self {
        self.machine = machine;
        self
    }

    /// Keeps the card in this file: made from the image if it is not there yet, and used again as it is otherwise.
    #[must_use]
    pub fn card(mut self, path: impl Into<PathBuf>) -> Self {
        self.card = Some(path.into());
        self
    }

    /// The size of the card in bytes, a power of two; the default is 512 MiB.
    #[must_use]
    pub fn card_size(mut self, bytes: u64) -> Self {
        self.card_size = bytes;
        self
    }

    /// Keeps the console's log in this file, which is begun anew; otherwise the log disappears with the guest.
    #[must_use]
    pub fn console_log(mut self, path: impl Into<PathBuf>) -> Self {
        self.console_log = Some(path.into());
        self
    }

    /// Whether snapshots can be taken.
    #[must_use]
    pub fn snapshots(mut self, snapshots: Snapshots) -> Self {
        self.snapshots = snapshots;
        self
    }

    /// Whether the host caches what the guest writes.
    #[must_use]
    pub fn host_cache(mut self, host_cache: HostCache) -> Self {
        self.host_cache = host_cache;
        self
    }

    /// Adds words to the kernel's command line.
    #[must_use]
    pub fn kernel_arguments(mut self, words: &str) -> Self {
        words.clone_into(&mut self.arguments);
        self
    }

    /// Makes the card and switches the power on. Waits while another guest of this user runs.
    pub fn start(self) -> Result<Guest> {
        if self.snapshots == Snapshots::On && self.machine != Machine::Virt {
            return Err(Error::Unsupported(
                "QEMU can take snapshots of its virt machine only, not of an emulated Pi",
            ));
        }
        let seat = Seat::take()?;
        let path = self.card.unwrap_or_else(|| seat.folder().join("card.img"));
        let card = if path.exists() {
            Card::existing(&path)
        } else {
            Card::copy(&self.image, &path, self.card_size)?
        };
        let log = self.console_log.unwrap_or_else(|| seat.folder().join("console.log"));
        if let Some(folder) = log.parent() {
            std::fs::create_dir_all(folder).map_err(file("creating", folder))?;
        }
        std::fs::write(&log, "").map_err(file("beginning the console log", &log))?;
        let overlay = Overlay { path: seat.folder().join("overlay.qcow2"), made: false };
        let mut guest = Guest {
            run: None,
            forwards: PORTS.map(|guest| Forward { guest, host: 0 }).into(),
            saved: Vec::new(),
            overlay: (self.snapshots == Snapshots::On).then_some(overlay),
            console: Console::new(&log)?,
            card,
            machine: self.machine,
            host_cache: self.host_cache,
            arguments: self.arguments,
            seat,
        };
        guest.power_on()?;
        Ok(guest)
    }
}

impl Guest {
    /// Describes a guest whose card is a copy of `image`.
    pub fn builder(image: impl Into<PathBuf>) -> GuestBuilder {
        GuestBuilder {
            image: image.into(),
            machine: Machine::Virt,
            card: None,
            card_size: CARD_SIZE,
            console_log: None,
            host_cache: HostCache::On,
            snapshots: Snapshots::Off,
            arguments: String::new(),
        }
    }

    /// Waits until the console of this boot shows a line that holds `text`, or has shown one.
    pub fn wait_for(&self, text: &str, limit: Duration) -> Result<Line> {
        self.wait(&format!("{text:?} on the console"), |line| line.contains(text), None, limit)
    }

    /// Waits until the console shows a line that holds `text` after `mark`.
    pub fn wait_for_since(&self, mark: Mark, text: &str, limit: Duration) -> Result<Line> {
        self.wait(&format!("{text:?} on the console"), |line| line.contains(text), Some(mark), limit)
    }

    /// The place at the console's end, for [`Guest::wait_for_since`].
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.console.mark()
    }

    /// The place where the console of this boot begins.
    #[must_use]
    pub fn boot_mark(&self) -> Mark {
        self.console.boot_mark()
    }

    /// The console's lines after `mark`, and the place behind them.
    #[must_use]
    pub fn lines_after(&self, mark: Mark) -> (Vec<Line>, Mark) {
        self.console.after(mark)
    }

    /// The console's lines since the last power-on.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.console.lines()
    }

    /// The file that keeps everything the console has shown.
    #[must_use]
    pub fn console_log(&self) -> &Path {
        self.console.log()
    }

    /// The host's port, on 127.0.0.1, that leads to a port of the guest; it stays the same over power cuts.
    #[must_use]
    pub fn port(&self, guest: u16) -> Option<u16> {
        self.forwards.iter().find(|forward| forward.guest == guest).map(|forward| forward.host)
    }

    /// All forwarded ports, as pairs of the guest's and the host's.
    pub fn ports(&self) -> impl Iterator<Item = (u16, u16)> + '_ {
        self.forwards.iter().map(|forward| (forward.guest, forward.host))
    }

    /// The newest pairing link on the console of this boot, made to work from this host. Links from before the box
    /// had an address do not count.
    pub fn pairing_link(&self) -> Result<Option<String>> {
        self.console.newest(is_link).map(|line| self.working_link(&line)).transpose()
    }

    /// When the newest pairing link was seen for the first time, counted from QEMU's start.
    #[must_use]
    pub fn pairing_link_at(&self) -> Option<Duration> {
        let newest = self.console.newest(is_link)?;
        let link = link::in_line(&newest.text)?;
        let lines = self.console.lines();
        lines.iter().find(|line| link::in_line(&line.text) == Some(link)).map(|line| line.at)
    }

    /// Waits for a pairing link after `mark` (or in this boot) and makes it work from this host.
    pub fn wait_for_pairing_link(&self, mark: Option<Mark>, limit: Duration) -> Result<String> {
        let line =
            self.wait("a pairing link with the box's IPv4 address on the console", is_link, mark, limit)?;
        self.working_link(&line)
    }

    /// Presses the button, holds it for `duration`, and lets go.
    pub fn press(&self, duration: Duration) -> Result<()> {
        self.hold()?;
        clock::let_pass(duration);
        self.release()
    }

    /// Presses the button and keeps it down.
    pub fn hold(&self) -> Result<()> {
        let run = self.running()?;
        run.wires.button(&run.qtest, Level::Low)
    }

    /// Lets go of the button.
    pub fn release(&self) -> Result<()> {
        let run = self.running()?;
        run.wires.button(&run.qtest, Level::High)
    }

    /// The edges of the LED's line since the last power-on.
    #[must_use]
    pub fn led_edges(&self) -> Vec<Edge> {
        self.run.as_ref().map(|run| run.qtest.edges()).unwrap_or_default()
    }

    /// Waits until the LED shows `pattern`. A level counts as steady only for the time in which it was watched and QEMU
    /// had a processor: a guest that the host starves blinks late, and is not to be taken for one that has stopped.
    pub fn wait_for_led(&self, pattern: &Pattern, limit: Duration) -> Result<()> {
        let run = self.running()?;
        let deadline = Deadline::after(limit);
        let mut edges = run.qtest.edges();
        let mut since = (clock::now(), run.qemu.starved());
        loop {
            let starved = run.qemu.starved().saturating_sub(since.1);
            if pattern.shown(&edges, (clock::now() - since.0).saturating_sub(starved)) {
                return Ok(());
            }
            if deadline.left().is_none() {
                let last: Vec<_> = edges.iter().rev().take(20).rev().collect();
                let what = format!("the LED to show {pattern:?}; its last edges: {last:?}");
                return Err(Error::TimedOut { what, limit, console: self.console.tail() });
            }
            if run.qemu.ended() {
                return Err(Error::QemuEnded { said: run.qemu.said(), console: self.console.tail() });
            }
            let newer = run.qtest.edges_after_change(LOOK);
            if newer.len() != edges.len() {
                edges = newer;
                since = (clock::now(), run.qemu.starved());
            }
        }
    }

    /// How long ago QEMU was started.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.run.as_ref().map(|run| clock::now() - run.began).unwrap_or_default()
    }

    /// QEMU's process id, while the guest has power.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.run.as_ref().map(|run| run.qemu.id())
    }

    /// Cuts the power: QEMU is killed (SIGKILL), the card stays as it is.
    pub fn cut_power(&mut self) {
        self.run = None;
    }

    /// Presses the power key and waits until the guest has switched itself off. Only `virt` has such a key.
    pub fn power_off(&mut self, limit: Duration) -> Result<()> {
        if self.machine != Machine::Virt {
            return Err(Error::Unsupported("a Pi has no power key: cut the power instead"));
        }
        let Some(run) = self.run.as_mut() else { return Ok(()) };
        run.qmp.execute("system_powerdown", &Value::Null)?;
        self.wait_for_end("the guest to switch itself off", limit)
    }

    /// Waits until the guest has switched itself off or wants to boot again; [`Guest::power_on`] then does that.
    pub fn wait_for_end(&mut self, what: &str, limit: Duration) -> Result<()> {
        let run = self.running()?;
        if !run.qemu.wait(limit) {
            return Err(Error::TimedOut { what: what.into(), limit, console: self.console.tail() });
        }
        self.run = None;
        Ok(())
    }

    /// Whether the guest has power.
    #[must_use]
    pub fn has_power(&self) -> bool {
        self.run.as_ref().is_some_and(|run| !run.qemu.ended())
    }

    /// Switches the power on again: the card is read anew, as firmware and U-Boot would.
    pub fn power_on(&mut self) -> Result<()> {
        self.run = None;
        self.saved.clear();
        let folder = self.seat.folder();
        let loaded = Loaded::from_card(&self.card, self.machine, folder, &self.arguments)?;
        let disk = match &self.overlay {
            None if self.host_cache == HostCache::Off => Disk::CardDirectly(self.card.path()),
            None => Disk::Card(self.card.path()),
            Some(overlay) if overlay.made => Disk::Overlay(&overlay.path),
            Some(overlay) => Disk::NewOverlay(self.card.path(), &overlay.path),
        };
        let run = Run::start(self.machine, &loaded, disk, &self.forwards, &self.console, folder)?;
        self.forwards.clone_from(&run.forwards);
        if let Some(overlay) = &mut self.overlay {
            overlay.made = true;
        }
        self.run = Some(run);
        Ok(())
    }

    /// Keeps the whole state of the running guest under `name`, until its power is cut.
    pub fn save(&mut self, name: &str) -> Result<()> {
        if self.overlay.is_none() {
            return Err(Error::Unsupported("this guest was built without snapshots"));
        }
        self.running_mut()?.qmp.human(&format!("savevm {name}"))?;
        let saved =
            Saved { name: name.into(), mark: self.console.mark(), led: self.running()?.qtest.level() };
        self.saved.retain(|before| before.name != name);
        self.saved.push(saved);
        Ok(())
    }

    /// Goes back to the state kept under `name` in this run. Connections from the host are lost; the console's later
    /// lines are forgotten, though its log keeps them.
    pub fn restore(&mut self, name: &str) -> Result<()> {
        let saved = self.saved.iter().find(|saved| saved.name == name);
        let saved = saved.ok_or(Error::Unsupported("no snapshot of that name was taken"))?;
        let (mark, led) = (saved.mark, saved.led);
        let run = self.running_mut()?;
        run.qmp.execute("stop", &Value::Null)?;
        run.qmp.human(&format!("loadvm {name}"))?;
        self.console.forget_after(mark);
        let run = self.running_mut()?;
        run.qtest.set_level(clock::now() - run.began, led);
        run.qmp.execute("cont", &Value::Null)?;
        Ok(())
    }

    fn wait(
        &self,
        what: &str,
        wanted: impl Fn(&str) -> bool,
        since: Option<Mark>,
        limit: Duration,
    ) -> Result<Line> {
        let run = self.running()?;
        let tail = || self.console.tail();
        match self.console.wait_for(wanted, since, limit) {
            Waited::Found(line) => Ok(line),
            Waited::TimedOut => Err(Error::TimedOut { what: what.into(), limit, console: tail() }),
            Waited::Panicked => Err(Error::Panicked { what: what.into(), console: tail() }),
            Waited::Closed => Err(Error::QemuEnded { said: run.qemu.said(), console: tail() }),
        }
    }

    fn working_link(&self, line: &Line) -> Result<String> {
        let link = link::in_line(&line.text).ok_or(Error::Link)?;
        link::rewrite(link, |port| self.port(port))
    }

    fn running(&self) -> Result<&Run> {
        self.run.as_ref().ok_or(Error::Unsupported("the guest has no power"))
    }

    fn running_mut(&mut self) -> Result<&mut Run> {
        self.run.as_mut().ok_or(Error::Unsupported("the guest has no power"))
    }
}

fn is_link(line: &str) -> bool {
    link::in_line(line).is_some()
}
