//! A real browser: pages as pictures.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::codes::codes;

/// The longest time for one picture, in seconds; a busy machine with a cold disk needs some twenty.
const PICTURE_LIMIT: &str = "90";

/// Options that keep Chromium to the one page that it is asked for.
const QUIET: [&str; 10] = [
    "--headless=new",
    // It refuses its sandbox to root, and tests in a container are often that; the only page is our own.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];

/// A window, in CSS pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From left to right.
    pub width: u32,
    /// From top to bottom.
    pub height: u32,
}

impl Window {
    /// A small phone's width, and high enough for the whole page.
    pub const PHONE: Self = Self { width: 360, height: 1600 };
    /// A laptop's.
    pub const LAPTOP: Self = Self { width: 1280, height: 900 };
}

/// Debian's Chromium with a profile of its own, which goes when this is dropped.
pub struct Browser {
    directory: TempDir,
}

impl Browser {
    /// A browser that has been nowhere yet.
    pub fn new() -> Result<Self> {
        Ok(Self { directory: tempfile::tempdir()? })
    }

    /// The texts of the QR codes seen at this address in a window of this size. Warnings about certificates
    /// are passed over.
    pub fn codes(&self, url: &str, window: Window) -> Result<Vec<String>> {
        codes(&self.picture(url, window)?)
    }

    /// The window's picture once the page is loaded.
    fn picture(&self, url: &str, Window { width, height }: Window) -> Result<PathBuf> {
        let picture = self.directory.path().join("picture.png");
        let _ = std::fs::remove_file(&picture);
        let log = self.directory.path().join("log");
        // `timeout` ends the browser's whole family of processes.
        let status = Command::new("timeout")
            .args(["--kill-after=5", PICTURE_LIMIT, "chromium"])
            .args(QUIET)
            .arg("--ignore-certificate-errors")
            .arg(format!("--user-data-dir={}", self.directory.path().join("profile").display()))
            .arg(format!("--window-size={width},{height}"))
            .arg(format!("--screenshot={}", picture.display()))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .status()
            .context("starting chromium")?;
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        ensure!(status.success() && picture.exists(), "chromium at {url} ended with {status}: {}", said());
        Ok(picture)
    }
}
