//! A Hearth box in QEMU: its power, button and LED, its console and its forwarded ports.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::card::Card;
use crate::clock::{self, Deadline};
use crate::console::{Console, Line, Mark, WaitOutcome};
use crate::error::{Error, Result, file};
use crate::lab_lock::LabLock;
use crate::led::{Level, Pattern};
use crate::link;
use crate::machine::{Loaded, Machine};
use crate::run::{Disk, Forward, Network, Outside, Run};

/// TCP ports of the guest that are forwarded to this host.
const FORWARDED_PORTS: [u16; 6] = [80, 443, 993, 465, 143, 587];
/// In bytes; a power of two, as QEMU's SD card demands.
const DEFAULT_CARD_SIZE: u64 = 512 * 1024 * 1024;
/// A steady LED has no edges to wait for, so its wait looks again after this time.
const LED_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Snapshots of the running guest: RAM, devices and card together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Snapshots {
    /// Writes go to the card.
    #[default]
    Off,
    /// Writes go to a qcow2 overlay that holds snapshots; the card file itself is not changed. Only on [`Machine::Virt`].
    On,
}

/// Use of the host's page cache for the card file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostCache {
    /// QEMU's default: quick, and possible on every file system.
    #[default]
    On,
    /// `cache=none` (`O_DIRECT`), which not every file system can do; tmpfs could not before Linux 6.6.
    Off,
}

/// The settings of a guest that has not been started.
#[derive(Clone, Debug)]
pub struct GuestBuilder {
    image: PathBuf,
    machine: Machine,
    card: Option<PathBuf>,
    card_size: u64,
    console_log: Option<PathBuf>,
    snapshots: Snapshots,
    host_cache: HostCache,
    outside: Outside,
    arguments: String,
}

/// A box in QEMU. Dropping it ends QEMU and removes everything but the console's log.
#[derive(Debug)]
pub struct Guest {
    // In the order in which they are dropped: QEMU first, the lock with its folder last.
    run: Option<Run>,
    forwards: Vec<Forward>,
    snapshots: Vec<Snapshot>,
    overlay: Option<Overlay>,
    console: Console,
    card: Card,
    machine: Machine,
    host_cache: HostCache,
    outside: Outside,
    arguments: String,
    lock: LabLock,
}

/// The state outside of the guest that belongs to one of QEMU's snapshots.
#[derive(Debug)]
struct Snapshot {
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

    /// Allows snapshots, or not; the default is [`Snapshots::Off`].
    #[must_use]
    pub fn snapshots(mut self, snapshots: Snapshots) -> Self {
        self.snapshots = snapshots;
        self
    }

    /// Chooses the use of the host's page cache; the default is [`HostCache::On`].
    #[must_use]
    pub fn host_cache(mut self, host_cache: HostCache) -> Self {
        self.host_cache = host_cache;
        self
    }

    /// Opens the way out of the home network, or not; the default is [`Outside::Closed`].
    #[must_use]
    pub fn outside(mut self, outside: Outside) -> Self {
        self.outside = outside;
        self
    }

    /// Adds parameters to the kernel's command line, separated by blanks.
    #[must_use]
    pub fn kernel_arguments(mut self, words: &str) -> Self {
        words.clone_into(&mut self.arguments);
        self
    }

    /// Makes the card of [`Self::card`] now if there is none, so that its owner can change it before the first boot.
    pub fn make_card(self) -> Result<Self> {
        match &self.card {
            None => {
                Err(Error::Unsupported("a card that is made before the guest starts needs a file of its own"))
            }
            Some(path) => self.copy_image(path).map(drop),
        }?;
        Ok(self)
    }

    fn copy_image(&self, path: &Path) -> Result<Card> {
        if path.exists() { Ok(Card::existing(path)) } else { Card::copy(&self.image, path, self.card_size) }
    }

    /// Makes the card if there is none, and switches the power on. Waits while another guest of this user runs.
    pub fn start(self) -> Result<Guest> {
        if self.snapshots == Snapshots::On && self.machine != Machine::Virt {
            return Err(Error::Unsupported(
                "QEMU can take snapshots of its virt machine only, not of an emulated Pi",
            ));
        }
        let lock = LabLock::acquire()?;
        let path = self.card.clone().unwrap_or_else(|| lock.folder().join("card.img"));
        let card = self.copy_image(&path)?;
        let log = self.console_log.unwrap_or_else(|| lock.folder().join("console.log"));
        if let Some(folder) = log.parent() {
            std::fs::create_dir_all(folder).map_err(file("creating", folder))?;
        }
        std::fs::write(&log, "").map_err(file("beginning the console log", &log))?;
        let overlay = Overlay { path: lock.folder().join("overlay.qcow2"), made: false };
        let mut guest = Guest {
            run: None,
            forwards: FORWARDED_PORTS.map(|guest| Forward { guest, host: 0 }).into(),
            snapshots: Vec::new(),
            overlay: (self.snapshots == Snapshots::On).then_some(overlay),
            console: Console::new(&log)?,
            card,
            machine: self.machine,
            host_cache: self.host_cache,
            outside: self.outside,
            arguments: self.arguments,
            lock,
        };
        guest.power_on()?;
        Ok(guest)
    }
}

impl Guest {
    /// Begins the settings of a guest whose card is a copy of `image`.
    pub fn builder(image: impl Into<PathBuf>) -> GuestBuilder {
        GuestBuilder {
            image: image.into(),
            machine: Machine::Virt,
            card: None,
            card_size: DEFAULT_CARD_SIZE,
            console_log: None,
            host_cache: HostCache::On,
            snapshots: Snapshots::Off,
            outside: Outside::Closed,
            arguments: String::new(),
        }
    }

    /// Waits for a line of this boot's console that contains `text`; one that is already there counts.
    pub fn wait_for(&self, text: &str, limit: Duration) -> Result<Line> {
        self.wait(&format!("{text:?} on the console"), |line| line.contains(text), None, limit)
    }

    /// The end of the console so far, for [`Guest::lines_after`] and [`Guest::wait_for_pairing_link`].
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.console.mark()
    }

    /// The beginning of this boot's console.
    #[must_use]
    pub fn boot_mark(&self) -> Mark {
        self.console.boot_mark()
    }

    /// The console's lines after `mark`, and the mark behind them.
    #[must_use]
    pub fn lines_after(&self, mark: Mark) -> (Vec<Line>, Mark) {
        self.console.after(mark)
    }

    /// The console's lines since the last power-on.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.console.lines()
    }

    /// The file with the console's output of all boots.
    #[must_use]
    pub fn console_log(&self) -> &Path {
        self.console.log()
    }

    /// The TCP port on 127.0.0.1 that is forwarded to the guest's port `guest`; it stays the same over power cuts. None
    /// with [`Outside::Cable`].
    #[must_use]
    pub fn port(&self, guest: u16) -> Option<u16> {
        self.forwards.iter().find(|forward| forward.guest == guest).map(|forward| forward.host)
    }

    /// All forwarded TCP ports, as pairs `(guest, host)`.
    pub fn ports(&self) -> impl Iterator<Item = (u16, u16)> + '_ {
        self.forwards.iter().map(|forward| (forward.guest, forward.host))
    }

    /// The newest pairing link on the console of this boot, rewritten to the forwarded ports. Links from before the box
    /// had an IPv4 address do not count.
    pub fn pairing_link(&self) -> Result<Option<String>> {
        self.console.newest(is_link).map(|line| self.working_link(&line)).transpose()
    }

    /// Time from QEMU's start to the first line with the newest pairing link.
    #[must_use]
    pub fn pairing_link_at(&self) -> Option<Duration> {
        let newest = self.console.newest(is_link)?;
        let link = link::in_line(&newest.text)?;
        let lines = self.console.lines();
        lines.iter().find(|line| link::in_line(&line.text) == Some(link)).map(|line| line.at)
    }

    /// Waits for a pairing link after `mark` (or in this boot), and rewrites it to the forwarded ports.
    pub fn wait_for_pairing_link(&self, mark: Option<Mark>, limit: Duration) -> Result<String> {
        let line =
            self.wait("a pairing link with the box's IPv4 address on the console", is_link, mark, limit)?;
        self.working_link(&line)
    }

    /// Presses the button and releases it after `duration`.
    pub fn press(&self, duration: Duration) -> Result<()> {
        self.hold()?;
        clock::pause(duration);
        self.release()
    }

    /// Presses the button until [`Guest::release`].
    pub fn hold(&self) -> Result<()> {
        let run = self.running()?;
        run.gpio.set_button(&run.qtest, Level::Low)
    }

    /// Releases the button.
    pub fn release(&self) -> Result<()> {
        let run = self.running()?;
        run.gpio.set_button(&run.qtest, Level::High)
    }

    /// Waits until the LED shows `pattern`. A level counts as steady only for the time in which it was watched and QEMU
    /// had a processor: a guest that waits for one blinks late, and must not be taken for one that has stopped.
    pub fn wait_for_led(&self, pattern: &Pattern, limit: Duration) -> Result<()> {
        let run = self.running()?;
        let deadline = Deadline::after(limit);
        let mut edges = run.qtest.edges();
        let mut since = (clock::now(), run.qemu.run_queue_wait());
        loop {
            let waited = run.qemu.run_queue_wait().saturating_sub(since.1);
            if pattern.shown(&edges, (clock::now() - since.0).saturating_sub(waited)) {
                return Ok(());
            }
            if deadline.left().is_none() {
                let last: Vec<_> = edges.iter().rev().take(20).rev().collect();
                let what = format!("the LED to show {pattern:?}; its last edges: {last:?}");
                return Err(Error::TimedOut { what, limit, console: self.console.tail() });
            }
            if run.qemu.ended() {
                return Err(Error::QemuEnded {
                    stderr: run.qemu.stderr_tail(),
                    console: self.console.tail(),
                });
            }
            let newer = run.qtest.edges_after_change(LED_POLL_INTERVAL);
            if newer.len() != edges.len() {
                edges = newer;
                since = (clock::now(), run.qemu.run_queue_wait());
            }
        }
    }

    /// Writes a picture of the display to this file, as binary PPM (ppm(5)).
    pub fn picture(&mut self, file: &Path) -> Result<()> {
        self.running_mut()?.qmp.execute("screendump", &json!({ "filename": file })).map(drop)
    }

    /// Time since QEMU's start; zero without power.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.run.as_ref().map(|run| clock::now() - run.began).unwrap_or_default()
    }

    /// The card's image file, which may be changed while there is no power. With snapshots it does not hold the guest's
    /// writes.
    #[must_use]
    pub fn card(&self) -> &Path {
        self.card.path()
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

    /// Waits until the guest has switched itself off or asked for a reset, either of which ends QEMU.
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

    /// Switches the power on again: kernel and initramfs are read from the card anew, as firmware and U-Boot would.
    pub fn power_on(&mut self) -> Result<()> {
        self.run = None;
        self.snapshots.clear();
        let folder = self.lock.folder();
        let loaded = Loaded::from_card(&self.card, self.machine, folder, &self.arguments)?;
        let disk = match &self.overlay {
            None if self.host_cache == HostCache::Off => Disk::CardDirectly(self.card.path()),
            None => Disk::Card(self.card.path()),
            Some(overlay) if overlay.made => Disk::Overlay(&overlay.path),
            Some(overlay) => Disk::NewOverlay(self.card.path(), &overlay.path),
        };
        let network = Network { outside: self.outside, forwards: &self.forwards };
        let run = Run::start(self.machine, &loaded, disk, network, &self.console, folder)?;
        self.forwards.clone_from(&run.forwards);
        if let Some(overlay) = &mut self.overlay {
            overlay.made = true;
        }
        self.run = Some(run);
        Ok(())
    }

    /// Takes a snapshot of the running guest, which is kept until the power is cut.
    pub fn save(&mut self, name: &str) -> Result<()> {
        if self.overlay.is_none() {
            return Err(Error::Unsupported("this guest was built without snapshots"));
        }
        self.running_mut()?.qmp.hmp(&format!("savevm {name}"))?;
        let snapshot =
            Snapshot { name: name.into(), mark: self.console.mark(), led: self.running()?.qtest.level() };
        self.snapshots.retain(|before| before.name != name);
        self.snapshots.push(snapshot);
        Ok(())
    }

    /// Restores a snapshot of this run. Connections from the host are lost; the console's later lines are forgotten,
    /// though its log keeps them.
    pub fn restore(&mut self, name: &str) -> Result<()> {
        let saved = self.snapshots.iter().find(|saved| saved.name == name);
        let saved = saved.ok_or(Error::Unsupported("no snapshot of that name was taken"))?;
        let (mark, led) = (saved.mark, saved.led);
        let run = self.running_mut()?;
        run.qmp.execute("stop", &Value::Null)?;
        run.qmp.hmp(&format!("loadvm {name}"))?;
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
            WaitOutcome::Found(line) => Ok(line),
            WaitOutcome::TimedOut => Err(Error::TimedOut { what: what.into(), limit, console: tail() }),
            WaitOutcome::Panicked => Err(Error::Panicked { what: what.into(), console: tail() }),
            WaitOutcome::Closed => Err(Error::QemuEnded { stderr: run.qemu.stderr_tail(), console: tail() }),
        }
    }

    fn working_link(&self, line: &Line) -> Result<String> {
        let link = link::in_line(&line.text).ok_or(Error::Link)?;
        match self.outside {
            Outside::Closed | Outside::Open => link::rewrite(link, |port| self.port(port)),
            Outside::Cable(_) => Ok(link.to_owned()),
        }
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
