//! LED and screens together: the state that the server or init reports, and above it the warning while the button counts
//! down to the factory reset, and while everything is erased.

use pairing::LedState;
use rpi_led::{Lamp, Step};

use super::console::Consoles;
use super::screen::Screen;

/// LED and screens. While there is a warning they show nothing else; what is set meanwhile is shown after it.
#[derive(Debug)]
pub(super) struct Display {
    lamp: Option<Lamp>,
    consoles: Consoles,
    led: LedState,
    played_led: Option<LedState>,
    screen: Option<Screen>,
    warning: Warning,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Warning {
    Off,
    On,
}

impl Display {
    /// A display that shows a starting box.
    pub(super) fn new(lamp: Option<Lamp>, consoles: Consoles) -> Self {
        let mut display = Self {
            lamp,
            consoles,
            led: LedState::Booting,
            played_led: None,
            screen: None,
            warning: Warning::Off,
        };
        display.play();
        display
    }

    /// Sets the state of the LED.
    pub(super) fn set_led(&mut self, led: LedState) {
        self.led = led;
        self.play();
    }

    /// Sets the content of the screens.
    pub(super) fn set_screen(&mut self, screen: Screen) {
        if self.warning == Warning::Off {
            self.consoles.screen(screen.clone());
        }
        self.screen = Some(screen);
    }

    /// Lets the screens show log lines.
    pub(super) fn end_screen(&mut self) {
        self.screen = None;
        if self.warning == Warning::Off {
            self.consoles.end_screen();
        }
    }

    /// Shows that everything is about to be erased, or is being erased, in place of an earlier warning.
    pub(super) fn warn(&mut self, text: String) {
        self.warning = Warning::On;
        self.consoles.screen(Screen::Text(text));
        self.play();
    }

    /// Goes back from the warning to LED and screen as they were set last.
    pub(super) fn end_warning(&mut self) {
        self.warning = Warning::Off;
        match &self.screen {
            Some(screen) => self.consoles.screen(screen.clone()),
            None => self.consoles.end_screen(),
        }
        self.play();
    }

    /// The state that the LED shows now.
    fn shown_led(&self) -> LedState {
        match self.warning {
            Warning::Off => self.led,
            Warning::On => LedState::ResetCountdown,
        }
    }

    /// Plays the LED's pattern, unless it runs already: a pattern that is set again would begin again.
    fn play(&mut self) {
        let led = self.shown_led();
        if self.played_led == Some(led) {
            return;
        }
        self.played_led = Some(led);
        if let Some(lamp) = &self.lamp {
            let step = |step: &pairing::Step| Step { lit: step.lit, milliseconds: step.milliseconds };
            lamp.play(&led.pattern().iter().map(step).collect::<Vec<_>>());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use pairing::LedState;

    use super::{Display, Screen};
    use crate::console::Consoles;

    fn text(words: &str) -> Screen {
        Screen::Text(words.to_owned())
    }

    #[test]
    fn a_warning_covers_led_and_screen_and_gives_back_what_was_set_last() {
        let devices = tempfile::tempdir().unwrap();
        let line = devices.path().join("ttyS1");
        fs::write(&line, "").unwrap();
        let consoles = Consoles::open("ttyS1", devices.path()).unwrap();
        let mut display = Display::new(None, consoles.clone());
        assert_eq!(display.shown_led(), LedState::Booting);
        display.set_led(LedState::Ready);
        display.set_screen(text("before"));
        display.warn("let go".to_owned());
        assert_eq!(display.shown_led(), LedState::ResetCountdown);
        display.set_led(LedState::NeedsAttention);
        display.set_screen(text("meanwhile"));
        assert_eq!(display.shown_led(), LedState::ResetCountdown);
        display.end_warning();
        assert_eq!(display.shown_led(), LedState::NeedsAttention);
        consoles.flush(Duration::from_secs(60));
        let shown = fs::read_to_string(&line).unwrap();
        assert_eq!(shown.split_whitespace().collect::<Vec<_>>(), ["before", "let", "go", "meanwhile"]);
    }

    #[test]
    fn a_warning_stays_and_can_be_replaced_when_the_box_goes_down() {
        let devices = tempfile::tempdir().unwrap();
        let display_device = devices.path().join("tty1");
        fs::write(&display_device, "").unwrap();
        let consoles = Consoles::open("tty1", devices.path()).unwrap();
        let mut display = Display::new(None, consoles.clone());
        display.warn("let go".to_owned());
        display.end_screen();
        consoles.line("a line of the log".to_owned());
        display.warn("erasing".to_owned());
        display.set_screen(text("pairing"));
        assert_eq!(display.shown_led(), LedState::ResetCountdown);
        consoles.flush(Duration::from_secs(60));
        let shown = fs::read_to_string(&display_device).unwrap();
        let last = shown.rsplit('\x1b').next().unwrap();
        assert!(last.ends_with("erasing") && !shown.contains("log"), "{shown:?}");
    }
}
