//! A terminal for programs with a screen: tmux, with a socket of its own, ended when dropped.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::waiting::poll;

/// The longest wait for a text to be shown.
const LIMIT: Duration = Duration::from_secs(30);

/// A terminal of 120 columns and 40 lines, with a home directory of its own.
pub struct Screen {
    home: TempDir,
}

impl Screen {
    /// A home to prepare before anything starts.
    pub fn new() -> Result<Self> {
        Ok(Self { home: tempfile::tempdir()? })
    }

    /// The home directory of what runs on the screen.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Starts a program; the terminal ends with it.
    pub fn start(&self, command: &str) -> Result<()> {
        self.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "40", command]).map(drop)
    }

    /// Presses keys, named as tmux names them.
    pub fn press(&self, keys: &[&str]) -> Result<()> {
        self.tmux(&[&["send-keys"], keys].concat()).map(drop)
    }

    /// The screen's text, once it is as wanted.
    pub fn wait(&self, what: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let mut shown = String::new();
        let found = poll(LIMIT, what, || {
            shown = self.tmux(&["capture-pane", "-p"]).with_context(|| format!("it ended at:\n{shown}"))?;
            Ok(wanted(&shown).then(|| shown.clone()))
        });
        found.with_context(|| format!("the screen shows:\n{shown}"))
    }

    /// Returns once the program has ended.
    pub fn wait_for_end(&self) -> Result<()> {
        let mut shown = String::new();
        let ended = poll(LIMIT, "the program has ended", || {
            match self.tmux(&["capture-pane", "-p"]) {
                Ok(screen) => shown = screen,
                Err(_) => return Ok(Some(())),
            }
            Ok(None)
        });
        ended.with_context(|| format!("the screen shows:\n{shown}"))
    }

    fn tmux(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new("tmux")
            .arg("-S")
            .arg(self.file("tmux"))
            .args(arguments)
            .env("HOME", self.home.path())
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "xterm")
            .env_remove("TMUX")
            .output()
            .context("tmux must be installed")?;
        ensure!(output.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]);
    }
}
