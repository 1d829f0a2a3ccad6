//! Progress on a terminal: one line for the step that runs, a lasting line for each that is done.

use std::cell::RefCell;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use image_builder::progress::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// Shows steps on standard error; bars only where it is a terminal, one plain line a step otherwise.
#[derive(Debug, Default)]
pub(crate) struct Terminal {
    step: RefCell<Option<Step>>,
}

#[derive(Debug)]
struct Step {
    name: String,
    bar: Option<ProgressBar>,
    begun: Instant,
}

impl Progress for Terminal {
    fn begin(&self, step: &str, bytes: Option<u64>) {
        let bar = std::io::stderr().is_terminal().then(|| bar(step, bytes));
        *self.step.borrow_mut() = Some(Step { name: step.to_owned(), bar, begun: now() });
    }

    fn advance(&self, bytes: u64) {
        if let Some(bar) = self.step.borrow().as_ref().and_then(|step| step.bar.as_ref()) {
            bar.inc(bytes);
        }
    }

    fn end(&self) {
        let Some(step) = self.step.borrow_mut().take() else { return };
        if let Some(bar) = step.bar {
            bar.finish_and_clear();
        }
        let seconds = step.begun.elapsed().as_secs_f64();
        // A step without a noticeable duration needs no line.
        if seconds >= 0.1 {
            line(&format!("{seconds:7.1} s  {}", step.name));
        }
    }

    fn note(&self, text: &str) {
        line(&format!("    note  {text}"));
    }
}

fn bar(step: &str, bytes: Option<u64>) -> ProgressBar {
    let (bar, template) = match bytes {
        Some(bytes) => {
            (ProgressBar::new(bytes), "{elapsed:>8}  {msg} [{bar:30}] {bytes}/{total_bytes} {eta}")
        }
        None => (ProgressBar::new_spinner(), "{elapsed:>8}  {msg} {spinner}"),
    };
    // The templates are constants: one that does not parse leaves indicatif's own.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(step.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn line(text: &str) {
    let _closed = writeln!(std::io::stderr(), "{text}");
}

#[expect(clippy::disallowed_methods, reason = "how long a step took is told to people and goes nowhere else")]
fn now() -> Instant {
    Instant::now()
}
