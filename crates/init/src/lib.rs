//! The box's first process: `hearth init`. Small, privileged, knows devices and nothing of mail. It must never end and
//! never panic; each failure is logged and lived with.
//!
//! ```text
//! mount ─▶ consoles ─▶ modules ─▶ watchdog, LED, keys ─▶ data partition ─▶ name ─▶ owner's files ─▶ event loop, for ever
//!                                                                                                  ├─ hearth serve
//!                                                                                                  └─ hearth network (three)
//! ```
//!
//! `run` walks this line once; from then on `event_loop.rs` reacts to events, all of which come through one channel, and
//! keeps the child processes running. Nothing that comes from the network, or from the card's FAT partition, is parsed
//! here: that is done by the children, whose messages are bounded ([`ipc`]). The factory reset is decided here, from the button alone.
#![forbid(unsafe_code)]

mod child;
mod console;
mod disk;
mod display;
mod event;
mod event_loop;
mod identity;
mod kernel_log;
mod keys;
mod known_time;
mod log;
mod log_rate;
mod memory;
mod network_process;
mod owner_file;
mod owner_process;
mod panic;
mod parameters;
mod persistent_state;
mod postmortem;
mod restriction;
mod role;
mod screen;
mod server;
mod service;
mod shutdown;
mod supervision;
mod system;
mod tunnel_file;
mod uevents;
mod watchdog;

use std::convert::Infallible;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;
use std::{fs, io, thread};

use host::entropy;
use network::netlink::Netlink;
use rpi_led::Lamp;
use rpi_led::keys::KeyEvent;
use rustix::process::{Resource, Rlimit, getpid, setrlimit};
use rustix::system::{RebootCommand, reboot};
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM, SIGUSR2};
use signal_hook::iterator::Signals;

use self::console::Consoles;
use self::disk::data::{self, Data, LOGS, OWN, STORE};
use self::event::Event;
use self::event_loop::Appliance;
use self::identity::{BoxName, Sources};
use self::log::Log;
pub use self::network_process::{TimeSettings, run_network};
use self::owner_file::OwnerFile;
pub use self::owner_file::restrict_owner_file;
use self::parameters::Parameters;
use self::persistent_state::{PersistentState, read_small};
pub use self::role::{Role, UnknownRole};
use self::uevents::wait_for;
use self::watchdog::Watchdog;
use host::clock::uptime;
pub use time_sync::dates::PATIENCE as DATES_PATIENCE;
pub use time_sync::{Server as TimeServer, WebServer};

const DEVICE_TREE: &str = "/proc/device-tree";
/// The LED of the image's own overlay, and the one on the board.
const LEDS: [&str; 2] = ["hearth:status", "ACT"];
/// The longest wait for an interface with a hardware address; USB adapters appear last.
const MAC_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest time that the data partition's check may take on a large card before the watchdog resets the board.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(1800);
/// Open files of the server: two thousand connections, and its own.
const OPEN_FILES_LIMIT: u64 = 16_384;

/// Runs the box.
///
/// # Errors
///
/// When it is not the first process, which is all that it checks before it begins.
pub fn run() -> anyhow::Result<Infallible> {
    anyhow::ensure!(
        getpid().is_init(),
        "hearth init is the first process of a box and is started by the kernel; \
         on any other machine run hearth serve"
    );
    let failures = system::mount_all();
    let (sender, events) = sync_channel(event::QUEUE_LENGTH);
    let log = open_log();
    panic::install(&log, &sender);
    log.say(format!("version {}", env!("CARGO_PKG_VERSION")));
    failures.iter().for_each(|failure| log.say(failure));
    let parameters = read_parameters(&log);
    restrict(&log);
    let times = persistent_state::start_clock(&log);
    system::load_modules(&log);

    let watchdog = Watchdog::open(parameters.watchdog, Path::new(DEVICE_TREE), &log);
    watchdog.feed_until(uptime() + PREPARE_TIMEOUT);
    let lamp =
        Lamp::start(Path::new("/sys/class/leds"), &LEDS).inspect_err(|error| log.say(error.to_string()));
    raise_links(&log);
    let keys = watch_keys(&sender, &log);
    watch_signals(&sender, &log);

    let data = data::prepare(parameters.boot, &log);
    let state = open_persistent_state(&data, &log);
    let times = state.as_ref().map_or(times, |state| state.restore_clock(times, &log));
    let name = choose_name(state.as_ref(), &log);
    if let Err(error) = write_configuration(&name) {
        log.say(format!("the server's configuration cannot be written: {error}"));
    }
    let owner_file = OwnerFile::find(parameters.boot, state.as_ref(), &log);
    Appliance { log, sender, lamp: lamp.ok(), watchdog, data, state, name, times, owner_file }
        .run(&events, &keys)
}

fn open_log() -> Log {
    let active = fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
    let consoles = Consoles::open(&active, Path::new("/dev")).unwrap_or_else(|_| Consoles::none());
    // Everything of ours is to be kept.
    let _ = fs::write("/proc/sys/kernel/printk_devkmsg", "on");
    kernel_log::pass_on(consoles.clone());
    Log::new(consoles, fs::OpenOptions::new().write(true).open("/dev/kmsg").ok())
}

fn read_parameters(log: &Log) -> Parameters {
    let line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let (parameters, complaints) = Parameters::parse(&line);
    complaints.iter().for_each(|complaint| log.say(complaint));
    parameters
}

/// Restricts init and all its children, and gives them the limits and ports that the server needs.
fn restrict(log: &Log) {
    let complain = |what: &str, result: rustix::io::Result<()>| {
        if let Err(error) = result {
            log.say(format!("{what}: {error}"));
        }
    };
    complain("no_new_privs cannot be set", rustix::thread::set_no_new_privs(true));
    let files = Rlimit { current: Some(OPEN_FILES_LIMIT), maximum: Some(OPEN_FILES_LIMIT) };
    complain("the number of open files cannot be raised", setrlimit(Resource::Nofile, files));
    complain("Ctrl-Alt-Del cannot be caught", reboot(RebootCommand::CadOff));
    // The server listens on ports below 1024 without any right of its own.
    system::set_switch(log, "net/ipv4/ip_unprivileged_port_start", "0");
    // Nothing here needs a user namespace, in which any process has every capability over parts of the kernel that were
    // once written for root alone.
    system::set_switch(log, "user/max_user_namespaces", "0");
}

/// Switches on the interfaces that exist: the server connects to itself over the loopback, and a cable takes seconds to
/// get a carrier. Later ones are switched on by the configuration process.
fn raise_links(log: &Log) {
    let raised = Netlink::open()
        .and_then(|mut netlink| netlink.links()?.iter().try_for_each(|link| netlink.set_up(link.index)));
    if let Err(error) = raised {
        log.say(format!("not every network interface can be switched on: {error}"));
    }
}

/// Starts to watch the keys. Their events come by the channel that is returned, with the time at which they came.
fn watch_keys(sender: &SyncSender<Event>, log: &Log) -> Receiver<(KeyEvent, Duration)> {
    let (moved, events) = channel();
    let sender = sender.clone();
    let started =
        rpi_led::keys::watch(Path::new("/dev/input")).map_err(io::Error::other).and_then(|mut keys| {
            let forward = move || forward_keys(&mut keys, &moved, &sender);
            thread::Builder::new().name("button".to_owned()).spawn(forward).map(drop)
        });
    if let Err(error) = started {
        log.say(format!("no button works: {error}"));
    }
    events
}

/// Forwards key events until the receiver is gone.
fn forward_keys(
    keys: impl Iterator<Item = KeyEvent>,
    moved: &Sender<(KeyEvent, Duration)>,
    sender: &SyncSender<Event>,
) {
    for key in keys {
        if moved.send((key, uptime())).is_err() {
            return;
        }
        // The event loop is awake anyway while its channel is full.
        let _ = sender.try_send(Event::KeysMoved);
    }
}

fn watch_signals(sender: &SyncSender<Event>, log: &Log) {
    let sender = sender.clone();
    let started = Signals::new([SIGCHLD, SIGINT, SIGTERM, SIGUSR2]).and_then(|mut signals| {
        let forward = move || {
            while signals.forever().next().is_some_and(|signal| sender.send(Event::Signal(signal)).is_ok()) {}
        };
        thread::Builder::new().name("signals".to_owned()).spawn(forward).map(drop)
    });
    if let Err(error) = started {
        log.say(format!("no signal is heard: {error}"));
    }
}

/// Opens the state that earlier starts left on the data partition.
fn open_persistent_state(data: &Data, log: &Log) -> Option<PersistentState> {
    let Data::Writable { .. } = data else { return None };
    match log.keep_in(Path::new(LOGS)) {
        Ok(trouble) => trouble.iter().for_each(|line| log.say(format!("before this start: {line}"))),
        Err(error) => log.say(format!("the log cannot be kept: {error}")),
    }
    postmortem::collect(Path::new("/sys/fs/pstore"), Path::new(LOGS), log);
    let state = PersistentState::new(Path::new(OWN));
    if let Err(error) = state.restore_seed() {
        log.say(format!("the seed of the random numbers cannot be kept: {error}"));
    }
    Some(state)
}

fn choose_name(state: Option<&PersistentState>, log: &Log) -> BoxName {
    let saved = state.and_then(PersistentState::name);
    let serial = read_small(&Path::new(DEVICE_TREE).join("serial-number")).ok();
    let mut sources = Sources {
        saved,
        serial: serial.and_then(|bytes| String::from_utf8(bytes).ok()),
        mac: None,
        random: entropy::bytes().unwrap_or_default(),
    };
    if !BoxName::is_certain(&sources) {
        sources.mac = wait_for(MAC_TIMEOUT, || first_mac(Path::new("/sys/class/net")));
    }
    let name = BoxName::choose(&sources);
    if let Some(state) = state
        && sources.saved.is_none()
        && let Err(error) = state.save_name(&name)
    {
        log.say(format!("the name of the box cannot be kept: {error}"));
    }
    if let Err(error) = rustix::system::sethostname(name.as_str().as_bytes()) {
        log.say(format!("the host name cannot be set: {error}"));
    }
    log.say(format!("this is {}", name.as_str()));
    name
}

/// The hardware address of the first Ethernet interface by name.
fn first_mac(interfaces: &Path) -> Option<[u8; 6]> {
    const ETHERNET: &str = "1";
    let mut found: Vec<_> =
        fs::read_dir(interfaces).ok()?.filter_map(Result::ok).map(|entry| entry.path()).collect();
    found.sort();
    found.into_iter().find_map(|interface| {
        let text = |name: &str| fs::read_to_string(interface.join(name)).ok();
        if text("type")?.trim() != ETHERNET {
            return None;
        }
        let mut mac = [0; 6];
        let address = text("address")?;
        let mut parts = address.trim().split(':');
        for byte in &mut mac {
            *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
        }
        (parts.next().is_none() && mac != [0; 6]).then_some(mac)
    })
}

fn write_configuration(name: &BoxName) -> io::Result<()> {
    let path = Path::new(server::CONFIGURATION);
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(path, configuration(name))
}

/// The server's configuration on a box: defaults, but for the name, the way to join, and the store's directory.
fn configuration(name: &BoxName) -> String {
    format!(
        "domain = \"{}\"\nregistration = \"pairing\"\nstate_directory = \"{STORE}\"\n\
         [router]\nport_mapping = true\n",
        name.domain()
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::{channel, sync_channel};

    use config::examine;
    use rpi_led::keys::{KEY_RESTART, Motion};

    use super::{BoxName, Event, KeyEvent, Sources, configuration, first_mac, forward_keys, uptime};

    #[test]
    fn the_configuration_is_one_that_the_server_takes() {
        let name = BoxName::choose(&Sources { random: [0xab, 0xcd], ..Sources::default() });
        let (config, findings) = examine(&configuration(&name)).unwrap();
        assert!(findings.is_empty(), "{findings:?}");
        assert_eq!(config.domain.to_string(), "hearth-abcd.local");
        assert_eq!(config.registration.to_string(), "pairing");
        assert_eq!(config.state_directory.to_str(), Some("/data/store"));
    }

    #[test]
    fn the_first_ethernet_interface_with_an_address_gives_its_own() {
        let interfaces = tempfile::tempdir().unwrap();
        for (name, kind, address) in [
            ("eth0", "1", "00:00:00:00:00:00"),
            ("lo", "772", "00:00:00:00:00:00"),
            ("sit0", "776", "0.0.0.0"),
            ("usb0", "1", "b8:27:eb:01:02:03"),
        ] {
            let directory = interfaces.path().join(name);
            fs::create_dir(&directory).unwrap();
            fs::write(directory.join("type"), format!("{kind}\n")).unwrap();
            fs::write(directory.join("address"), format!("{address}\n")).unwrap();
        }
        assert_eq!(first_mac(interfaces.path()), Some([0xb8, 0x27, 0xeb, 1, 2, 3]));
    }
    #[test]
    fn keys_do_not_wait_for_a_full_event_loop() {
        let (sender, _events) = sync_channel(1);
        sender.send(Event::ThreadPanicked).unwrap();
        let (moved, keys) = channel();
        let story = [Motion::Down, Motion::Up].map(|motion| KeyEvent { code: KEY_RESTART, motion });
        let start = uptime();
        forward_keys(story.into_iter(), &moved, &sender);
        let received: Vec<_> = keys.try_iter().collect();
        assert_eq!(received.iter().map(|(key, _)| *key).collect::<Vec<_>>(), story);
        assert!(received.iter().all(|(_, at)| (start..=uptime()).contains(at)), "{received:?}");
    }
}
