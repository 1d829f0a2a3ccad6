//! The loop with servers that play a part, and a clock of the test's own.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use host::clock;
use mail_types::UnixTime;
use time_sync::dates::PATIENCE;
use time_sync::packet::LENGTH;
use time_sync::{Bounds, Nanoseconds, Server};

use super::{ClockSource, LocalClock, Report, Settings, run_time_client};

/// A round takes 3 s where somebody is silent; a busy machine takes longer.
const LIMIT: Duration = Duration::from_secs(60);
/// The seconds by which the clock is behind at the start of a test.
const BEHIND: i64 = 864_000;
/// Seconds from 1900 to 1970.
const EPOCH: u64 = 2_208_988_800;

/// The part of a server.
#[derive(Clone, Copy)]
enum Part {
    /// Tells the time, so many seconds late.
    Late(i64),
    /// Sends a kiss-o'-death.
    Kiss(&'static [u8; 4]),
    /// Sends half of a reply, a reply to another request and a request, and then the time.
    Muddled,
    /// Has not got the time.
    Lost,
    Silent,
}

fn server(part: Part) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 128];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            assert_eq!((length, buffer[0]), (LENGTH, 0x23), "a request");
            for reply in replies(part, &buffer[..length]) {
                socket.send_to(&reply, client).unwrap();
            }
        }
    });
    address
}

fn replies(part: Part, request: &[u8]) -> Vec<Vec<u8>> {
    let now = clock::since_1970();
    let reply = |late: i64| {
        let mut reply = vec![0; LENGTH];
        reply[0] = 0x24;
        reply[1] = 1;
        reply[24..32].copy_from_slice(&request[40..48]);
        let seconds = now.as_secs().saturating_add_signed(late) + EPOCH;
        let fraction = (u64::from(now.subsec_nanos()) << 32) / 1_000_000_000;
        let timestamp = ((seconds << 32) | fraction).to_be_bytes();
        reply[32..40].copy_from_slice(&timestamp);
        reply[40..48].copy_from_slice(&timestamp);
        reply
    };
    let mut changed = reply(0);
    match part {
        Part::Late(late) => vec![reply(late)],
        Part::Kiss(code) => {
            changed[1] = 0;
            changed[12..16].copy_from_slice(code);
            vec![changed]
        }
        Part::Muddled => {
            changed[24] ^= 1;
            vec![reply(0)[..20].to_vec(), changed, request.to_vec(), reply(0)]
        }
        Part::Lost => {
            changed[0] |= 0xc0;
            vec![changed]
        }
        Part::Silent => Vec::new(),
    }
}

/// A clock that is behind the machine's; the nanoseconds after it are what others look at.
struct Behind {
    ahead: Arc<Mutex<i64>>,
    permission: Permission,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Permission {
    Given,
    Refused,
}

impl LocalClock for Behind {
    fn calendar(&self) -> Nanoseconds {
        Nanoseconds::of(clock::since_1970()).plus(Nanoseconds(*self.ahead.lock().unwrap()))
    }

    fn step(&mut self, by: Nanoseconds) -> io::Result<()> {
        if self.permission == Permission::Refused {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        *self.ahead.lock().unwrap() += by.0;
        Ok(())
    }

    fn set_rate(&mut self, _: f64) -> io::Result<()> {
        Ok(())
    }

    fn mark_synchronised(&mut self, _: Duration) -> io::Result<()> {
        Ok(())
    }
}

struct Story {
    reports: Receiver<Report>,
    ahead: Arc<Mutex<i64>>,
    end: thread::JoinHandle<crate::Error>,
}

/// Runs the loop with servers in these parts until the test has dropped the receiver of its reports.
fn play(parts: &[Part], permission: Permission) -> Story {
    let servers = parts.iter().map(|part| Server::Address(server(*part))).collect();
    let built = UnixTime(clock::wall().0 - 2 * BEHIND.unsigned_abs());
    let resolvers = "/nowhere/resolv.conf".into();
    let list = "/nowhere/time-servers".into();
    let bounds = Bounds::new(built, built);
    let (web_servers, patience) = (Vec::new(), PATIENCE);
    let settings = Settings { servers, list, resolvers, bounds, web_servers, patience };
    let ahead = Arc::new(Mutex::new(-BEHIND * 1_000_000_000));
    let clock = Behind { ahead: Arc::clone(&ahead), permission };
    let (sender, reports) = channel();
    let mut seed = 0;
    let random = move || {
        seed += 1;
        seed
    };
    let report = move |report| sender.send(report).map_err(io::Error::other);
    let end =
        thread::spawn(move || match run_time_client(&settings, clock, random, |_| Vec::new(), report) {
            Err(error) => error,
            Ok(never) => match never {},
        });
    Story { reports, ahead, end }
}

/// The first round must bring the time, by so many of the servers.
#[track_caller]
fn brings_the_time(parts: &[Part], expected: usize) {
    let story = play(parts, Permission::Given);
    match story.reports.recv_timeout(LIMIT).unwrap() {
        Report::Synchronised { source: ClockSource::TimeServers, offset, agreeing, servers } => {
            assert!((offset.as_seconds() - BEHIND as f64).abs() < 1.0, "{offset:?}");
            assert_eq!((agreeing, servers), (expected, parts.len()));
        }
        other => panic!("{other:?}"),
    }
    assert!(story.ahead.lock().unwrap().abs() < 1_000_000_000, "the clock is right");
}

/// The first round must not bring the time, for this reason.
#[track_caller]
fn brings_none(parts: &[Part], reason: &str) {
    let story = play(parts, Permission::Given);
    assert_eq!(story.reports.recv_timeout(LIMIT).unwrap(), Report::Refused(reason.to_owned()));
    assert_eq!(*story.ahead.lock().unwrap(), -BEHIND * 1_000_000_000, "the clock stays");
}

#[test]
fn servers_that_agree_set_the_clock() {
    brings_the_time(&[Part::Late(0); 3], 3);
}

#[test]
fn a_liar_a_kiss_and_nonsense_do_not_matter_beside_them() {
    let parts = [
        Part::Late(0),
        Part::Late(-7200),
        Part::Muddled,
        Part::Kiss(b"RATE"),
        Part::Kiss(b"DENY"),
        Part::Lost,
        Part::Silent,
    ];
    brings_the_time(&parts, 2);
}

#[test]
fn without_a_majority_the_clock_stays() {
    brings_none(&[Part::Silent; 3], "no time server answers");
    brings_none(
        &[Part::Kiss(b"RATE"), Part::Lost, Part::Late(-5)],
        "only one of several time servers answers",
    );
    brings_none(&[Part::Late(0), Part::Late(30)], "the time servers contradict each other");
    brings_none(&[Part::Late(0)], "the only time server has yet to confirm its time");
    brings_none(
        &[Part::Late(-3 * BEHIND), Part::Late(-3 * BEHIND)],
        "the time servers name a time that is past for this machine",
    );
}

#[test]
fn a_clock_that_cannot_be_set_ends_the_loop() {
    let story = play(&[Part::Late(0); 2], Permission::Refused);
    let error = story.end.join().unwrap().to_string();
    assert!(error.starts_with("the kernel refuses to correct the clock"), "{error}");
}
