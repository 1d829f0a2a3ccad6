//! The daemon on this machine: `hearth serve` with a folder and ports of its own, ended when dropped.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

/// How long the daemon may take to say where it listens.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running daemon with its own state.
pub struct Daemon {
    process: Option<Child>,
    ports: Value,
    directory: TempDir,
}

impl Daemon {
    /// Starts a daemon with this registration mode; `more` is appended to its configuration.
    pub fn start(registration: &str, more: &str) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let state = directory.path().join("state");
        let listen = ["imaps", "imap", "submissions", "submission", "https", "http"]
            .map(|service| format!("{service} = [\"127.0.0.1:0\"]"))
            .join("\n");
        let text = format!(
            "domain = \"hearth.test\"\nregistration = \"{registration}\"\nstate_directory = \"{}\"\n[listen]\n{listen}\n\
             [pairing]\nhost = \"127.0.0.1\"\n{more}\n",
            state.display()
        );
        std::fs::write(directory.path().join("hearth.toml"), text)?;
        let mut daemon = Self { process: None, ports: Value::Null, directory };
        daemon.switch_on()?;
        Ok(daemon)
    }

    /// Starts it again on the same state.
    pub fn switch_on(&mut self) -> Result<()> {
        let ports = self.state().join("run/ports.json");
        let _ = std::fs::remove_file(&ports);
        let log =
            std::fs::File::options().create(true).append(true).open(self.directory.path().join("log"))?;
        let process = Command::new(binary()?)
            .args(["serve", "--config"])
            .arg(self.configuration())
            .env("HEARTH_LOG", "debug")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("starting the daemon")?;
        self.process = Some(process);
        let end = now() + START_LIMIT;
        while now() < end {
            if let Some(status) = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten())
            {
                bail!("the daemon ended with {status}: {}", self.log());
            }
            if let Ok(text) = std::fs::read(&ports)
                && let Ok(ports) = serde_json::from_slice(&text)
            {
                self.ports = ports;
                return Ok(());
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        bail!("the daemon did not say where it listens: {}", self.log());
    }

    /// Ends it as a power cut would end it.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// The port of a service, as named in the configuration.
    pub fn port(&self, service: &str) -> Result<u16> {
        let value = &self.ports[service];
        let value = value.get(0).unwrap_or(value);
        let port = value.as_u64().or_else(|| value.as_str()?.rsplit(':').next()?.parse().ok());
        let port = port.with_context(|| format!("no port of {service} in {}", self.ports))?;
        Ok(u16::try_from(port)?)
    }

    /// A link to join by, from the pairing window.
    pub fn pairing_link(&self) -> Result<String> {
        let output = Command::new(binary()?).args(["pair", "--config"]).arg(self.configuration()).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let link = text.lines().find_map(|line| Some(line.get(line.find("dclogin:")?..)?.trim().to_owned()));
        link.with_context(|| format!("no link in: {text}{}", String::from_utf8_lossy(&output.stderr)))
    }

    /// What the daemon says of itself.
    pub fn status(&self) -> Result<Value> {
        let output = Command::new(binary()?)
            .args(["status", "--json", "--config"])
            .arg(self.configuration())
            .output()?;
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("hearth status: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Everything it wrote to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Where its state is.
    pub fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    fn configuration(&self) -> PathBuf {
        self.directory.path().join("hearth.toml")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The program, built if it is not: cargo builds no other package's programs for a test.
pub fn binary() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test.parent().and_then(Path::parent).context("the folder of the build")?;
    let target = folder.parent().context("the target folder")?;
    static BUILT: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    let built = *BUILT.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let build = Command::new(cargo)
            .args(["build", "--locked", "--quiet", "-p", "hearth", "--target-dir"])
            .arg(target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        build.is_ok_and(|status| status.success())
    });
    if !built {
        bail!("cargo build -p hearth failed");
    }
    Ok(target.join("debug/hearth"))
}

#[expect(clippy::disallowed_methods, reason = "an end-to-end test waits for other programs in real time")]
fn now() -> Instant {
    Instant::now()
}
