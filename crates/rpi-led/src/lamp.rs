//! Blink patterns, played by a thread on all LEDs at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::{Error, Led};

/// The interval at which a lamp without a pattern looks for new LEDs: drivers may load late. A pattern looks at each of
/// its beginnings.
const RESCAN_INTERVAL: Duration = Duration::from_secs(1);
/// The shortest step: a pattern of nothing but zeroes cannot keep a processor busy.
const SHORTEST_STEP: Duration = Duration::from_millis(1);

/// One step of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Whether the LED is lit.
    pub lit: bool,
    /// The step's duration in milliseconds.
    pub milliseconds: u64,
}

/// LEDs that all show the same pattern, over and over, until the lamp is dropped.
#[derive(Debug)]
pub struct Lamp {
    patterns: Sender<Vec<Step>>,
}

impl Lamp {
    /// Starts a lamp of those of `names` that are below `class` (`/sys/class/leds`), now or later. An LED that is missing
    /// or fails is no error, and is tried again.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub fn start(class: &Path, names: &[&str]) -> Result<Self, Error> {
        let (patterns, next_patterns) = channel();
        let mut player = Player {
            class: class.to_owned(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            taken: BTreeMap::new(),
        };
        thread::Builder::new()
            .name("lamp".to_owned())
            .spawn(move || player.run(&next_patterns))
            .map_err(|source| Error::Thread { purpose: "blink the LEDs", source })?;
        Ok(Self { patterns })
    }

    /// Plays `pattern` from its beginning, over and over. An empty pattern leaves the LEDs as they are.
    pub fn play(&self, pattern: &[Step]) {
        // The thread ends only after this sender is gone, so the channel has a receiver.
        let _ = self.patterns.send(pattern.to_vec());
    }
}

/// The end of one round of a pattern.
enum Round {
    Finished,
    /// Interrupted by the next pattern.
    Replaced(Vec<Step>),
    /// The lamp was dropped.
    Dropped,
}

struct Player {
    class: PathBuf,
    names: Vec<String>,
    taken: BTreeMap<String, Led>,
}

impl Player {
    fn run(&mut self, next_patterns: &Receiver<Vec<Step>>) {
        let mut pattern = Vec::new();
        loop {
            self.take_new();
            match self.round(&pattern, next_patterns) {
                Round::Finished => {}
                Round::Replaced(next) => pattern = next,
                Round::Dropped => return,
            }
        }
    }

    fn round(&mut self, pattern: &[Step], next_patterns: &Receiver<Vec<Step>>) -> Round {
        // The channel is the clock, too: a new pattern ends a step at once, however long it is.
        let wait = |duration| match next_patterns.recv_timeout(duration) {
            Ok(next) => Some(Round::Replaced(next)),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Round::Dropped),
        };
        if pattern.is_empty() {
            return wait(RESCAN_INTERVAL).unwrap_or(Round::Finished);
        }
        for step in pattern {
            self.set(step.lit);
            if let Some(end) = wait(Duration::from_millis(step.milliseconds).max(SHORTEST_STEP)) {
                return end;
            }
        }
        Round::Finished
    }

    fn set(&mut self, lit: bool) {
        // An LED that fails (an unplugged one) is dropped here, and taken anew when it is back.
        self.taken.retain(|_, led| led.set(lit).is_ok());
    }

    fn take_new(&mut self) {
        for name in &self.names {
            if !self.taken.contains_key(name)
                && let Ok(Some(led)) = Led::take(&self.class, name)
            {
                self.taken.insert(name.clone(), led);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;
    use std::sync::mpsc::channel;

    use super::{Player, Round, Step};

    const LIT: Step = Step { lit: true, milliseconds: 1 };
    const DARK: Step = Step { lit: false, milliseconds: 1 };

    fn player(class: &Path) -> Player {
        Player { class: class.to_owned(), names: vec!["ACT".to_owned()], taken: BTreeMap::new() }
    }

    fn plug_in(class: &Path) {
        fs::create_dir_all(class.join("ACT")).unwrap();
        fs::write(class.join("ACT/brightness"), "0").unwrap();
    }

    fn brightness(class: &Path) -> String {
        fs::read_to_string(class.join("ACT/brightness")).unwrap()
    }

    #[test]
    fn a_round_ends_in_the_state_of_its_last_step() {
        let class = tempfile::tempdir().unwrap();
        plug_in(class.path());
        let (_sender, orders) = channel();
        let mut player = player(class.path());
        player.take_new();
        assert!(matches!(player.round(&[DARK, LIT], &orders), Round::Finished));
        assert_eq!(brightness(class.path()), "1");
        assert!(matches!(player.round(&[LIT, DARK], &orders), Round::Finished));
        assert_eq!(brightness(class.path()), "0");
    }

    #[test]
    fn a_new_pattern_interrupts_the_running_one() {
        let class = tempfile::tempdir().unwrap();
        plug_in(class.path());
        let (sender, orders) = channel();
        sender.send(vec![DARK]).unwrap();
        let mut player = player(class.path());
        player.take_new();
        let hour = Step { lit: true, milliseconds: 3_600_000 };
        let Round::Replaced(next) = player.round(&[hour, DARK], &orders) else { panic!("not interrupted") };
        assert_eq!(next, [DARK]);
        assert_eq!(brightness(class.path()), "1");
    }

    #[test]
    fn a_dropped_lamp_ends_its_thread_even_in_a_long_step() {
        let class = tempfile::tempdir().unwrap();
        let (sender, orders) = channel::<Vec<Step>>();
        drop(sender);
        player(class.path()).run(&orders);
    }

    #[test]
    fn an_led_that_appears_late_or_comes_back_joins_in() {
        let class = tempfile::tempdir().unwrap();
        let (_sender, orders) = channel();
        let mut player = player(class.path());
        player.take_new();
        player.round(&[LIT], &orders);
        plug_in(class.path());
        player.take_new();
        player.round(&[LIT], &orders);
        assert_eq!(brightness(class.path()), "1");

        fs::remove_dir_all(class.path().join("ACT")).unwrap();
        player.round(&[LIT], &orders);
        assert!(player.taken.is_empty());
        plug_in(class.path());
        player.take_new();
        player.round(&[LIT], &orders);
        assert_eq!(brightness(class.path()), "1");
    }
}
