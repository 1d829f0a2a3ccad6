//! One LED of the kernel's LED class (`Documentation/leds/leds-class.rst`). Patterns are in `lamp.rs`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Error;

/// The brightness of every LED that is off.
const OFF: &str = "0";

/// An LED without a trigger: it changes only by [`Led::set`].
#[derive(Debug)]
pub struct Led {
    brightness: PathBuf,
    full: String,
}

impl Led {
    /// Opens the LED `name` below `class` (`/sys/class/leds`) and removes its trigger. `None` when there is no such LED.
    ///
    /// # Errors
    ///
    /// When the trigger of an existing LED cannot be written.
    pub fn take(class: &Path, name: &str) -> Result<Option<Self>, Error> {
        let directory = class.join(name);
        let brightness = directory.join("brightness");
        if !brightness.exists() {
            return Ok(None);
        }
        let trigger = directory.join("trigger");
        if trigger.exists() {
            fs::write(&trigger, "none").map_err(|source| Error::Led { path: trigger, source })?;
        }
        let full = fs::read_to_string(directory.join("max_brightness"))
            .ok()
            .and_then(|text| text.trim().parse::<u32>().ok())
            .filter(|full| *full > 0)
            .unwrap_or(1);
        Ok(Some(Self { brightness, full: full.to_string() }))
    }

    /// Sets the LED to its full brightness, or off.
    ///
    /// # Errors
    ///
    /// When the kernel refuses, for example because the LED was unplugged.
    pub fn set(&self, lit: bool) -> Result<(), Error> {
        let value = if lit { self.full.as_str() } else { OFF };
        fs::write(&self.brightness, value)
            .map_err(|source| Error::Led { path: self.brightness.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Led;

    #[test]
    fn a_taken_led_has_no_trigger_and_shines_at_its_full_brightness() {
        let class = tempfile::tempdir().unwrap();
        let directory = class.path().join("hearth:status");
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("brightness"), "0\n").unwrap();
        fs::write(directory.join("max_brightness"), "255\n").unwrap();
        fs::write(directory.join("trigger"), "none [heartbeat] timer\n").unwrap();

        let led = Led::take(class.path(), "hearth:status").unwrap().unwrap();
        assert_eq!(fs::read_to_string(directory.join("trigger")).unwrap(), "none");
        led.set(true).unwrap();
        assert_eq!(fs::read_to_string(directory.join("brightness")).unwrap(), "255");
        led.set(false).unwrap();
        assert_eq!(fs::read_to_string(directory.join("brightness")).unwrap(), "0");
    }

    #[test]
    fn an_led_that_is_not_there_is_none() {
        let class = tempfile::tempdir().unwrap();
        assert!(Led::take(class.path(), "ACT").unwrap().is_none());
    }

    #[test]
    fn an_led_without_a_readable_maximum_is_switched_with_one() {
        let class = tempfile::tempdir().unwrap();
        let directory = class.path().join("ACT");
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("brightness"), "0\n").unwrap();
        let led = Led::take(class.path(), "ACT").unwrap().unwrap();
        led.set(true).unwrap();
        assert_eq!(fs::read_to_string(directory.join("brightness")).unwrap(), "1");
    }
}
