//! One run of QEMU, from power-on to power-off: process, console, QMP and qtest.

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use crate::clock;
use crate::console::Console;
use crate::error::{Error, Result};
use crate::gpio_lines::GpioLines;
use crate::machine::{self, Loaded, Machine};
use crate::process::Qemu;
use crate::qmp::Qmp;
use crate::qtest::Qtest;
use crate::sockets::Listener;
use crate::tools::QEMU;

/// A running QEMU and the connections to it.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) began: Instant,
    pub(crate) qemu: Qemu,
    pub(crate) qmp: Qmp,
    pub(crate) qtest: Qtest,
    pub(crate) gpio: GpioLines,
    pub(crate) forwards: Vec<Forward>,
}

/// A port of the guest that can be reached at a port of the host's loopback address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forward {
    pub(crate) guest: u16,
    /// Zero before the first run: QEMU chooses a free port.
    pub(crate) host: u16,
}

/// The guest's way out of its home network, whose router is QEMU with a NAT of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outside {
    /// There is none: nothing leaves the machine but through the forwarded ports.
    #[default]
    Closed,
    /// Everything that this process may reach; its own loopback address is 10.0.2.2 to the guest. For tests in a network
    /// namespace of their own.
    Open,
    /// No router at all, but a TAP interface with this name (`Documentation/networking/tuntap.rst`) in the network namespace
    /// of the thread that switches the guest on. Whoever made it gives the guest its addresses; no port is forwarded, and
    /// links name the guest itself.
    Cable(&'static str),
}

/// The guest's home network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network<'a> {
    pub(crate) outside: Outside,
    pub(crate) forwards: &'a [Forward],
}

/// The target of the guest's writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disk<'a> {
    /// The card file.
    Card(&'a Path),
    /// The card file, past the host's page cache (`cache=none`).
    CardDirectly(&'a Path),
    /// A new qcow2 overlay over the card file, which can hold snapshots: `(card, overlay)`.
    NewOverlay(&'a Path, &'a Path),
    /// The overlay of an earlier run.
    Overlay(&'a Path),
}

impl Run {
    /// Starts QEMU, connects everything, releases the button, and then lets the guest run.
    pub(crate) fn start(
        machine: Machine,
        loaded: &Loaded,
        disk: Disk<'_>,
        network: Network<'_>,
        console: &Console,
        folder: &Path,
    ) -> Result<Self> {
        let ports = ["console", "monitor", "test"].map(|name| Listener::new(folder, name));
        let [console_port, monitor, test] = ports;
        let (console_port, monitor, test) = (console_port?, monitor?, test?);
        let mut arguments = machine::base(machine);
        arguments.extend(loaded.qemu());
        arguments.extend(machine::devices(machine, &drive(disk), &network_options(network)));
        arguments.extend(
            [
                // The guest waits for the lab before its first instruction, and a reset ends QEMU, so that the lab can
                // look at the card again as the firmware would.
                "-S".into(),
                "-no-reboot".into(),
                "-display".into(),
                "none".into(),
                "-monitor".into(),
                "none".into(),
                "-chardev".into(),
                format!("socket,id=console,path={}", console_port.path()),
                "-qmp".into(),
                format!("unix:{}", monitor.path()),
                "-qtest".into(),
                format!("unix:{}", test.path()),
                "-qtest-log".into(),
                "none".into(),
            ]
            .map(|argument: String| argument),
        );
        let began = clock::now();
        let qemu = Qemu::start(QEMU, &arguments)?;
        console.attach(console_port.accept(&qemu)?, began);
        let qtest = Qtest::new(test.accept(&qemu)?, GpioLines::led_line(machine), began);
        let monitor = monitor.accept(&qemu)?;
        let with_stderr = |error| match error {
            Error::Port { .. } if qemu.ended() => {
                Error::QemuEnded { stderr: qemu.stderr_tail(), console: String::new() }
            }
            other => other,
        };
        let qtest = qtest?;
        let mut qmp = Qmp::new(monitor).map_err(with_stderr)?;
        if let Disk::NewOverlay(_, overlay) = disk {
            let overlay = json!({ "device": "card", "snapshot-file": overlay, "format": "qcow2" });
            qmp.execute("blockdev-snapshot-sync", &overlay)?;
        }
        let gpio = GpioLines::connect(machine, &mut qmp, &qtest)?;
        let forwards = match network.outside {
            Outside::Closed | Outside::Open => chosen(network.forwards, &qmp.hmp_output("info usernet")?)?,
            Outside::Cable(_) => Vec::new(),
        };
        qmp.execute("cont", &Value::Null)?;
        Ok(Self { began, qemu, qmp, qtest, gpio, forwards })
    }
}

fn drive(disk: Disk<'_>) -> String {
    match disk {
        Disk::Card(card) | Disk::NewOverlay(card, _) => format!("file={},format=raw", card.display()),
        Disk::CardDirectly(card) => format!("file={},format=raw,cache=none", card.display()),
        Disk::Overlay(overlay) => format!("file={},format=qcow2", overlay.display()),
    }
}

fn network_options(network: Network<'_>) -> String {
    let restrict = match network.outside {
        Outside::Closed => "user,restrict=on",
        Outside::Open => "user,restrict=off",
        Outside::Cable(name) => return format!("tap,ifname={name},script=no,downscript=no"),
    };
    let forwards = network.forwards.iter();
    let items = forwards.map(|Forward { guest, host }| format!("hostfwd=tcp:127.0.0.1:{host}-:{guest}"));
    [restrict.to_owned()].into_iter().chain(items).collect::<Vec<_>>().join(",")
}

/// The host ports that QEMU has chosen, from lines of `info usernet` such as `TCP[HOST_FORWARD]  13  127.0.0.1 41235  10.0.2.15 80 0 0`.
fn chosen(wanted: &[Forward], answer: &str) -> Result<Vec<Forward>> {
    let listed: Vec<Forward> = answer.lines().filter_map(forward).collect();
    let find = |wanted: &Forward| {
        let found = listed.iter().find(|listed| listed.guest == wanted.guest && listed.host != 0).copied();
        found.ok_or_else(|| Error::Refused {
            command: format!("forwarding port {}", wanted.guest),
            answer: answer.into(),
        })
    };
    wanted.iter().map(find).collect()
}

fn forward(line: &str) -> Option<Forward> {
    let mut words = line.trim().strip_prefix("TCP[HOST_FORWARD]")?.split_whitespace();
    let host = words.nth(2)?.parse().ok()?;
    let guest = words.nth(1)?.parse().ok()?;
    Some(Forward { guest, host })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_ports_are_read_from_the_monitor() {
        let said = "Hub -1 (network):\r\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n  \
                    TCP[HOST_FORWARD]  13       127.0.0.1 41235       10.0.2.15    80     0     0\r\n  \
                    TCP[HOST_FORWARD]  12       127.0.0.1 40993       10.0.2.15   993     0     0\r\n";
        let wanted = [Forward { guest: 993, host: 0 }, Forward { guest: 80, host: 0 }];
        let found = [Forward { guest: 993, host: 40993 }, Forward { guest: 80, host: 41235 }];
        assert_eq!(chosen(&wanted, said).unwrap(), found);
        assert!(chosen(&[Forward { guest: 25, host: 0 }], said).is_err());
    }
}
