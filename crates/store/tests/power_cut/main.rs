//! Cuts the power under the real store, hundreds of times, and looks at what is left.
//!
//! The program under test is the example `exercise`, in a process of its own, on a file system of ours (`mount`)
//! over a disk whose power can be cut at any changing operation (`medium`). After each cut `exercise check` must find,
//! for each of its streams, everything acknowledged and at most one step more, whole. The same directory lives on
//! through many cuts. Needs `/dev/fuse` and the right to mount.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking and tells its seeds"
)]

mod cost;
mod medium;
mod mount;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fuser::BackgroundSession;
use tempfile::TempDir;

use crate::medium::{Chance, Medium, Mode, Rules, Sync};
use crate::mount::mount;

/// The longest silence of a program that should end at once.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);
/// The interval of looks whether the power is still on, while the program says nothing.
const GLANCE: Duration = Duration::from_millis(50);
/// Cuts that one directory lives through.
const CUTS_PER_LIFE: usize = 12;

/// A medium that is mounted, and what was acknowledged on it.
struct Machine {
    seed: u64,
    chance: Chance,
    medium: Arc<Mutex<Medium>>,
    place: TempDir,
    session: Option<BackgroundSession>,
    cut: Option<Receiver<()>>,
    acknowledged: BTreeMap<u32, u64>,
}

/// The end of a run of `exercise write`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    PowerCut,
    Killed,
    /// The store refused a change.
    Refused,
}

const HONEST: Rules =
    Rules { mode: Mode::Dropped, cut_at: None, fail_sync_at: None, capacity: None, sync: Sync::Honest };

impl Machine {
    fn new(seed: u64, rules: Rules) -> Self {
        let mut machine = Self {
            seed,
            chance: Chance::new(seed),
            medium: Arc::new(Mutex::new(Medium::new(seed, rules))),
            place: tempfile::tempdir().unwrap(),
            session: None,
            cut: None,
            acknowledged: BTreeMap::new(),
        };
        machine.mount();
        machine
    }

    fn mount(&mut self) {
        let (tell, cut) = channel();
        let session = mount(&self.medium, self.place.path(), tell);
        self.session = Some(session.expect("cannot mount; this test needs /dev/fuse and the right to mount"));
        self.cut = Some(cut);
    }

    fn unmount(&mut self) {
        let session = self.session.take().unwrap();
        // The session's thread may be told that the connection is gone before it is told to end.
        if let Err(error) = session.umount_and_join() {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionAborted, "cannot unmount: {error}");
        }
    }

    /// Changes what the disk does from now on, without a cut.
    fn set_rules(&self, change: impl FnOnce(&mut Rules)) {
        let mut medium = self.medium.lock().unwrap();
        let operations = medium.operations();
        change(&mut medium.rules);
        // Whoever sets a moment means from now.
        let from_now = |at: Option<u64>| at.map(|at| at + operations);
        medium.rules.cut_at = from_now(medium.rules.cut_at);
        medium.rules.fail_sync_at = from_now(medium.rules.fail_sync_at);
    }

    fn power_cycle(&mut self, rules: Rules) {
        self.unmount();
        self.medium.lock().unwrap().power_cycle(rules);
        self.mount();
    }

    fn directory(&self) -> PathBuf {
        self.place.path().join("store")
    }

    /// Runs `exercise write` until it ends, the power is cut, or so many acknowledgements came.
    fn write(&mut self, kill_after: Option<u64>) -> End {
        let mut child = exercise(&["write", self.directory().to_str().unwrap(), &self.seed.to_string()]);
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (line_tell, lines) = channel();
        let reader = std::thread::spawn(move || {
            // The last line may be cut short; it is not one then.
            for line in stdout.split(b'\n').map_while(Result::ok) {
                let _ = line_tell.send(String::from_utf8(line).unwrap());
            }
        });
        let mut count = 0;
        let mut silence = Duration::ZERO;
        let end = loop {
            match lines.recv_timeout(GLANCE) {
                Ok(line) => {
                    silence = Duration::ZERO;
                    count += u64::from(self.note(&line));
                    if kill_after.is_some_and(|limit| count >= limit) {
                        break End::Killed;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break End::Refused,
                Err(RecvTimeoutError::Timeout) => silence += GLANCE,
            }
            if self.cut.as_ref().unwrap().try_recv().is_ok() {
                break End::PowerCut;
            }
            if silence > SILENCE_LIMIT {
                let _ = child.kill();
                panic!("exercise hangs; seed {}", self.seed);
            }
        };
        let _ = child.kill();
        child.wait().unwrap();
        reader.join().unwrap();
        for line in lines.try_iter() {
            self.note(&line);
        }
        if self.medium.lock().unwrap().is_dead() { End::PowerCut } else { end }
    }

    /// Notes what is promised; whether it is a step that was acknowledged.
    fn note(&mut self, line: &str) -> bool {
        let words: Vec<&str> = line.split(' ').collect();
        let [what @ ("ack" | "found"), stream, sequence] = words.as_slice() else { return false };
        let (stream, sequence): (u32, u64) = (stream.parse().unwrap(), sequence.parse().unwrap());
        let before = self.acknowledged.entry(stream).or_default();
        // Where no check came in between, one step more than was acknowledged may have been found.
        let expected = if *what == "ack" { *before + 1..=*before + 1 } else { *before..=*before + 1 };
        let seed = self.seed;
        assert!(expected.contains(&sequence), "seed {seed}, stream {stream}: {before}, then {line}");
        *before = sequence;
        *what == "ack"
    }

    /// Runs `exercise check`; gives its report if it found something wrong.
    fn check(&mut self) -> Result<(), String> {
        let acks = tempfile::NamedTempFile::new().unwrap();
        let lines = self.acknowledged.iter().map(|(stream, sequence)| format!("ack {stream} {sequence}\n"));
        std::fs::write(acks.path(), lines.collect::<String>()).unwrap();
        let directory = self.directory();
        let arguments =
            ["check", directory.to_str().unwrap(), &self.seed.to_string(), acks.path().to_str().unwrap()];
        let output = exercise(&arguments).wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            return Err(format!("seed {}: {said}{}", self.seed, String::from_utf8_lossy(&output.stderr)));
        }
        // Opening made durable what it found, so from now on it is promised.
        for line in said.lines().filter_map(|line| line.strip_prefix("stream ")) {
            let (stream, rest) = line.split_once(':').unwrap();
            let found = rest.rsplit(' ').next().unwrap();
            self.acknowledged.insert(stream.parse().unwrap(), found.parse().unwrap());
        }
        Ok(())
    }

    /// A moment for a cut; often early, while the store is being opened.
    fn moment(&mut self) -> u64 {
        let limit = if self.chance.below(10) < 3 { 40 } else { 900 };
        u64::try_from(1 + self.chance.below(limit)).unwrap()
    }
}

fn exercise(arguments: &[&str]) -> Child {
    // The test program lies in target/PROFILE/deps, examples lie beside that.
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples/exercise");
    assert!(program.exists(), "run `cargo build --example exercise` with the same profile first");
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    if arguments[0] == "write" {
        // Nobody reads it, and a full pipe would stop the program.
        let mut stderr = child.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
    }
    child
}

/// Cuts the power so many times, with what each life's seed brings; gives the failures.
fn cut_power(seed: u64, cuts: usize, rules: Rules, before_cut: impl Fn(&mut Machine)) -> Vec<String> {
    let mut failures = Vec::new();
    let mut done = 0;
    let mut life = seed;
    while done < cuts {
        life += 1;
        let mut machine = Machine::new(life, rules);
        for _ in 0..CUTS_PER_LIFE.min(cuts - done) {
            before_cut(&mut machine);
            let moment = machine.moment();
            machine.set_rules(|rules| rules.cut_at = Some(moment));
            machine.write(None);
            machine.power_cycle(rules);
            done += 1;
            if let Err(report) = machine.check() {
                failures.push(format!("{rules:?} {report}"));
                break;
            }
        }
    }
    failures
}

fn check_cuts(name: &str, seed: u64, cuts: usize, mode: Mode) {
    let failures = cut_power(seed, cuts, Rules { mode, ..HONEST }, |_| ());
    println!("{name}: {} failures in {cuts} cuts from seed {seed}", failures.len());
    assert!(failures.is_empty(), "{failures:#?}");
}

/// The program is killed and started again on the same page cache, then the power goes.
fn check_kills_and_cuts(seed: u64, cuts: usize, mode: Mode) {
    let failures = cut_power(seed, cuts, Rules { mode, ..HONEST }, |machine| {
        let after = u64::try_from(1 + machine.chance.below(150)).unwrap();
        assert_eq!(machine.write(Some(after)), End::Killed);
    });
    println!("kill, then cut: {} failures in {cuts} from seed {seed}", failures.len());
    assert!(failures.is_empty(), "{failures:#?}");
}

/// A sync fails once; the store must refuse to go on, and what it acknowledged before must be there.
fn check_failed_syncs(seed: u64, cuts: usize) {
    let failures = cut_power(seed, cuts, Rules { mode: Mode::Reordered, ..HONEST }, |machine| {
        let moment = machine.moment();
        machine.set_rules(|rules| rules.fail_sync_at = Some(moment));
        let end = machine.write(Some(20_000));
        assert_eq!(end, End::Refused, "the store went on after a failed sync; seed {}", machine.seed);
    });
    println!("failed sync: {} failures in {cuts} from seed {seed}", failures.len());
    assert!(failures.is_empty(), "{failures:#?}");
}

/// The disk is full until the store refuses; then there is room again.
fn check_full_disks(seed: u64, runs: usize) {
    let mut failures = Vec::new();
    for life in (seed + 1..).take(runs) {
        let mut machine = Machine::new(life, HONEST);
        for round in 0..3 {
            let room = 200_000 + machine.chance.below(1_500_000);
            machine.set_rules(|rules| rules.capacity = Some(room));
            let end = machine.write(Some(5_000));
            machine.set_rules(|rules| rules.capacity = None);
            if round == 2 {
                machine.power_cycle(HONEST);
            }
            if let Err(report) = machine.check() {
                failures.push(format!("after {end:?} with room for {room}: {report}"));
                break;
            }
        }
    }
    println!("full disk: {} failures in {} runs from seed {seed}", failures.len(), runs * 3);
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn what_was_acknowledged_survives_a_cut_that_drops_everything_unsynced() {
    check_cuts("dropped", 1_000, 60, Mode::Dropped);
}

#[test]
fn what_was_acknowledged_survives_a_cut_that_keeps_any_of_the_unsynced_pages() {
    check_cuts("reordered", 2_000, 60, Mode::Reordered);
}

#[test]
fn what_was_acknowledged_survives_torn_pages() {
    check_cuts("torn", 3_000, 48, Mode::Torn);
}

#[test]
fn what_was_acknowledged_survives_where_names_need_their_directory_synced() {
    check_cuts("strict", 4_000, 36, Mode::Strict);
}

#[test]
fn what_was_acknowledged_survives_a_kill_and_then_a_cut() {
    check_kills_and_cuts(5_000, 24, Mode::Reordered);
}

#[test]
fn after_a_failed_sync_the_store_refuses_and_loses_nothing() {
    check_failed_syncs(6_000, 24);
}

#[test]
fn a_full_disk_is_refused_and_loses_nothing() {
    check_full_disks(7_000, 5);
}

#[test]
fn a_disk_that_lies_about_syncs_is_noticed() {
    let rules = Rules { sync: Sync::Lie, ..HONEST };
    let failures = cut_power(8_000, 24, rules, |_| ());
    println!("negative control: {} failures in 24 cuts", failures.len());
    assert!(!failures.is_empty(), "the harness does not see missing syncs");
}

#[test]
#[ignore = "long: thousands of cuts, an hour"]
fn thousands_of_cuts() {
    for (name, mode) in [
        ("dropped", Mode::Dropped),
        ("reordered", Mode::Reordered),
        ("torn", Mode::Torn),
        ("strict", Mode::Strict),
    ] {
        check_cuts(name, 100_000, 600, mode);
        check_kills_and_cuts(200_000, 150, mode);
    }
}

#[test]
#[ignore = "long: hundreds of failed syncs, minutes"]
fn hundreds_of_failed_syncs() {
    check_failed_syncs(300_000, 300);
}

#[test]
#[ignore = "long: hundreds of full disks, minutes"]
fn hundreds_of_full_disks() {
    check_full_disks(400_000, 50);
}

#[test]
#[ignore = "replays the life whose seed is in POWER_CUT_SEED, its mode in POWER_CUT_MODE"]
fn one_life() {
    let seed: u64 = std::env::var("POWER_CUT_SEED").unwrap().parse().unwrap();
    let mode = match std::env::var("POWER_CUT_MODE").as_deref() {
        Ok("reordered") => Mode::Reordered,
        Ok("torn") => Mode::Torn,
        Ok("strict") => Mode::Strict,
        _ => Mode::Dropped,
    };
    check_cuts("one life", seed - 1, CUTS_PER_LIFE, mode);
}

#[test]
#[ignore = "long: hundreds of kills on the real file system, minutes"]
fn hundreds_of_kills() {
    let mut chance = Chance::new(9_000);
    for life in 0..25_u64 {
        let place = tempfile::tempdir().unwrap();
        kill_repeatedly(place.path(), 9_000 + life, &mut chance);
    }
}

/// Kills on the file system of this machine, without ours in between.
fn kill_repeatedly(place: &Path, seed: u64, chance: &mut Chance) {
    let mut machine = Machine::new(seed, HONEST);
    machine.unmount();
    machine.place = tempfile::tempdir_in(place).unwrap();
    for _ in 0..20 {
        let (tell, cut) = channel();
        machine.cut = Some(cut);
        machine.write(Some(u64::try_from(1 + chance.below(120)).unwrap()));
        drop(tell);
        machine.check().unwrap();
    }
}
