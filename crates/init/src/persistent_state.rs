//! The state of init that outlives a start: the time, a seed for the kernel's random numbers, the box's name, and the
//! owner's `wireguard.conf`. All in init's own directory on the data partition, each file replaced by a rename.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use host::clock::UnixTime;
use host::{clock, entropy, file};
use ipc::owner::TEXT_LIMIT;
use serde::Deserialize;
use time_sync::Bounds;

use super::identity::BoxName;
use super::log::Log;

/// The description of the image, written when it was built.
const BUILD: &str = "/etc/hearth/build.json";
/// Bytes of the seed, as `random(4)` advises.
const SEED_SIZE: usize = 512;
/// The most bytes that are read of a file.
const FILE_LIMIT: u64 = 4096;

/// The part of `/etc/hearth/build.json` that init reads.
#[derive(Debug, Deserialize)]
struct Build {
    /// The time of the build, in seconds since 1970.
    build_time: u64,
}

/// The earliest times that the calendar can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EarliestTimes {
    /// The time at which the image was built; a time before that if it is not known.
    pub(super) built: UnixTime,
    /// The last time that an earlier start of the box has known, or [`EarliestTimes::built`].
    pub(super) known: UnixTime,
}

/// Init's directory on the data partition.
#[derive(Clone, Debug)]
pub(super) struct PersistentState {
    directory: PathBuf,
}

/// Sets the clock to the image's build time if it is earlier: a Pi without a clock starts in 1970.
pub(super) fn start_clock(log: &Log) -> EarliestTimes {
    let built =
        match read_small(Path::new(BUILD)).and_then(|text| Ok(serde_json::from_slice::<Build>(&text)?)) {
            Ok(build) => {
                not_before(build.build_time, "the image's build time", log);
                UnixTime(build.build_time)
            }
            Err(error) => {
                log.say(format!("the build time is unknown: {BUILD}: {error}"));
                clock::PROGRAM_WRITTEN
            }
        };
    EarliestTimes { built, known: built }
}

fn not_before(floor: u64, what: &str, log: &Log) {
    if clock::wall().0 >= floor {
        return;
    }
    match clock::set_wall(UnixTime(floor)) {
        Ok(()) => log.say(format!("the clock is set to {what}")),
        Err(error) => log.say(format!("the clock cannot be set: {error}")),
    }
}

impl PersistentState {
    /// The state in a directory that is there.
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Lets the clock go on from where the last start left it, which is returned. A time that the image cannot live to see
    /// is none: the clock was wrong, and must not be kept wrong for ever.
    pub(super) fn restore_clock(&self, times: EarliestTimes, log: &Log) -> EarliestTimes {
        let saved = read_small(&self.directory.join(CLOCK)).ok();
        let saved = saved.and_then(|text| String::from_utf8(text).ok()?.trim().parse().ok());
        match saved.map(UnixTime) {
            Some(saved) if Bounds::new(times.built, times.built).admits(saved) => {
                not_before(saved.0, "the time of the last start", log);
                EarliestTimes { known: saved, ..times }
            }
            Some(_) | None => times,
        }
    }

    /// Writes the time down.
    pub(super) fn save_clock(&self) -> io::Result<()> {
        self.replace(CLOCK, format!("{}\n", clock::wall().0).as_bytes())
    }

    /// Mixes the seed of the last start into the kernel's random numbers, and replaces it at once so that none is
    /// used twice.
    pub(super) fn restore_seed(&self) -> io::Result<()> {
        if let Ok(seed) = read_small(&self.directory.join(SEED_FILE)) {
            File::options().write(true).open("/dev/urandom")?.write_all(&seed)?;
        }
        self.save_seed()
    }

    /// Keeps a seed for the next start.
    pub(super) fn save_seed(&self) -> io::Result<()> {
        let seed: [u8; SEED_SIZE] = entropy::bytes().map_err(io::Error::other)?;
        self.replace(SEED_FILE, &seed)
    }

    /// The name chosen at an earlier start.
    pub(super) fn name(&self) -> Option<String> {
        String::from_utf8(read_small(&self.directory.join(NAME)).ok()?).ok()
    }

    /// Keeps the name for ever.
    pub(super) fn save_name(&self, name: &BoxName) -> io::Result<()> {
        self.replace(NAME, format!("{}\n", name.as_str()).as_bytes())
    }

    /// The text of the owner's `wireguard.conf`, which has secrets in it; none if there is no tunnel.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is no text.
    pub(super) fn wireguard_text(&self) -> io::Result<Option<String>> {
        let mut text = String::new();
        let file = match File::open(self.directory.join(WIREGUARD)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        // One byte more, for the reader to find it too long.
        file.take(TEXT_LIMIT as u64 + 1).read_to_string(&mut text)?;
        Ok((!text.is_empty()).then_some(text))
    }

    /// Keeps the text of the owner's `wireguard.conf`; an empty one means that there is no tunnel. Nobody but root gets to
    /// it: the directory is root's alone. Durable once it returns `Ok`.
    pub(super) fn save_wireguard_text(&self, text: &str) -> io::Result<()> {
        self.replace(WIREGUARD, text.as_bytes())
    }

    fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        file::replace(&self.directory.join(name), content)
    }
}

const CLOCK: &str = "clock";
const SEED_FILE: &str = "seed";
const NAME: &str = "name";
const WIREGUARD: &str = "wireguard.conf";

/// Reads a file that has no reason to be large.
pub(super) fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(FILE_LIMIT).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::console::Consoles;
    use super::super::identity::{BoxName, Sources};
    use super::{EarliestTimes, Log, PersistentState, SEED_SIZE, UnixTime};

    #[test]
    fn what_was_kept_is_found_again_and_a_seed_is_never_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let state = PersistentState::new(directory.path());
        assert_eq!(state.name(), None);
        let name = BoxName::choose(&Sources { random: [1, 2], ..Sources::default() });
        state.save_name(&name).unwrap();
        let saved = Sources { saved: state.name(), random: [3, 4], ..Sources::default() };
        assert_eq!(BoxName::choose(&saved), name);

        state.save_seed().unwrap();
        let first = fs::read(directory.path().join("seed")).unwrap();
        state.save_seed().unwrap();
        let second = fs::read(directory.path().join("seed")).unwrap();
        assert_eq!((first.len(), second.len()), (SEED_SIZE, SEED_SIZE));
        assert_ne!(first, second);

        state.save_clock().unwrap();
        let time: u64 = fs::read_to_string(directory.path().join("clock")).unwrap().trim().parse().unwrap();
        assert!(time > 1_700_000_000);

        assert_eq!(state.wireguard_text().unwrap(), None);
        for (text, found) in [("[Interface]", Some("[Interface]")), ("", None)] {
            state.save_wireguard_text(text).unwrap();
            assert_eq!(state.wireguard_text().unwrap().as_deref(), found);
        }
        let kept = directory.path().join("wireguard.conf");
        fs::write(&kept, vec![b'#'; 100_000]).unwrap();
        assert_eq!(state.wireguard_text().unwrap().unwrap().len(), 16 * 1024 + 1);
        fs::write(&kept, [0xff]).unwrap();
        assert!(state.wireguard_text().is_err());
    }

    #[test]
    fn the_time_of_the_last_start_counts_if_the_image_can_live_to_see_it() {
        let directory = tempfile::tempdir().unwrap();
        let state = PersistentState::new(directory.path());
        let log = Log::new(Consoles::none(), None);
        // All of them past, so that this machine's clock stays.
        let built = UnixTime(1_000_000_000);
        let times = EarliestTimes { built, known: built };
        for (saved, known) in [
            ("1000000500\n", 1_000_000_500),
            ("999999999\n", 1_000_000_000),
            ("1700000000\n", 1_000_000_000),
            ("yesterday\n", 1_000_000_000),
        ] {
            fs::write(directory.path().join("clock"), saved).unwrap();
            assert_eq!(
                state.restore_clock(times, &log),
                EarliestTimes { built, known: UnixTime(known) },
                "{saved}"
            );
        }
    }
}
