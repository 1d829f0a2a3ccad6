//! The daemon on this machine: `hearth serve` with a folder and ports of its own, ended when dropped.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::mail::Account;
use crate::ports::ReservedPort;
use crate::waiting::poll;

/// The name of a server that has the standard ports to itself. A name that begins with `_` needs no certificate from an
/// authority: clients take any that bears the name (chatmail/core, `src/net/tls/danger.rs`).
pub const DOMAIN: &str = "_box.test";
/// The longest wait for the file in which the daemon names its ports.
const START_LIMIT: Duration = Duration::from_secs(60);

/// The beginnings of the names of variables by which cargo describes a package to its programs.
const OF_A_PACKAGE: [&str; 2] = ["CARGO_PKG_", "CARGO_MANIFEST_"];
/// The daemon's services, as the configuration names them.
const SERVICES: [&str; 6] = ["imaps", "imap", "submissions", "submission", "https", "http"];

/// A running daemon with its own state.
pub struct Daemon {
    process: Option<Child>,
    ports: Value,
    directory: TempDir,
    place: Place,
    domain: String,
    registration: String,
    more: String,
    log_level: &'static str,
    /// The pipe of `hearth init`, for a daemon that runs as on a box.
    init: Option<ChildStdin>,
    is_of_a_box: bool,
}

/// Under which name a daemon is found, and where it listens.
enum Place {
    /// At ports of this machine that are its own, by service; clients are told by the link, and find it after a restart.
    OwnPorts(Vec<(&'static str, ReservedPort)>),
    /// On the standard ports, as on the internet.
    StandardPorts,
    /// On the standard ports of this address, port 25 among them.
    Address(Ipv4Addr),
}

impl Place {
    fn own_ports() -> Result<Self> {
        let own = SERVICES.map(|service| Ok((service, ReservedPort::new()?)));
        Ok(Self::OwnPorts(own.into_iter().collect::<Result<_>>()?))
    }
}

impl Daemon {
    /// Starts a daemon with this registration mode; `more` is appended to its configuration.
    pub fn start(registration: &str, more: &str) -> Result<Self> {
        Self::start_logging("debug", registration, more)
    }

    /// The same with this level of the log instead of the most talkative.
    pub fn start_logging(log_level: &'static str, registration: &str, more: &str) -> Result<Self> {
        Self::start_at(Place::own_ports()?, "hearth.test", log_level, registration, more)
    }

    /// Starts a daemon as the mail server of another domain, where anybody may join, with ports of its own.
    pub fn start_elsewhere(domain: &str) -> Result<Self> {
        Self::start_at(Place::own_ports()?, domain, "debug", "open", "")
    }

    /// Starts a daemon as the mail server of [`DOMAIN`], where anybody may join.
    pub fn start_for_domain(more: &str) -> Result<Self> {
        Self::start_at(Place::StandardPorts, DOMAIN, "debug", "open", more)
    }

    /// Starts a daemon as the mail server of a domain with the standard ports of an address, where anybody may join.
    pub(crate) fn start_on(address: Ipv4Addr, domain: &str, more: &str) -> Result<Self> {
        Self::start_at(Place::Address(address), domain, "debug", "open", more)
    }

    fn start_at(
        place: Place,
        domain: &str,
        log_level: &'static str,
        registration: &str,
        more: &str,
    ) -> Result<Self> {
        let mut daemon = Self {
            process: None,
            ports: Value::Null,
            directory: tempfile::tempdir()?,
            place,
            domain: domain.to_owned(),
            registration: registration.to_owned(),
            more: more.to_owned(),
            log_level,
            init: None,
            is_of_a_box: false,
        };
        daemon.configure()?;
        daemon.switch_on()?;
        Ok(daemon)
    }

    fn configure(&self) -> Result<()> {
        let listen = match &self.place {
            Place::OwnPorts(ports) => listen(ports),
            Place::StandardPorts => String::new(),
            Place::Address(address) => listen_on(*address),
        };
        let Self { domain, registration, more, .. } = self;
        // Tests reach for nobody else's service.
        let push = if more.contains("[push]") { "" } else { "push = { url = \"\" }\n" };
        let text = format!(
            "{push}domain = \"{domain}\"\nregistration = \"{registration}\"\nstate_directory = \"{}\"\n{listen}{more}\n",
            self.state().display()
        );
        Ok(std::fs::write(self.configuration(), text)?)
    }

    /// Plays a story with it, which must end well.
    #[track_caller]
    pub fn play(mut self, story: impl FnOnce(&mut Self) -> Result<()>) {
        if let Err(error) = story(&mut self) {
            panic!("{error:?}");
        }
    }

    /// Switches it off, and on again as on a box: with a clock that only `hearth init` can call right.
    pub fn restart_as_on_a_box(&mut self) -> Result<()> {
        self.stop()?;
        self.is_of_a_box = true;
        self.switch_on()
    }

    /// Says this to it as `hearth init`, a line of JSON.
    pub fn say_as_init(&mut self, message: &str) -> Result<()> {
        Ok(writeln!(self.init.as_mut().context("the daemon has no init")?, "{message}")?)
    }

    /// Starts it again on the same state.
    pub fn switch_on(&mut self) -> Result<()> {
        let ports = self.state().join("run/ports.json");
        let _ = std::fs::remove_file(&ports);
        let log = std::fs::File::options().create(true).append(true).open(self.log_file())?;
        let mut process = Command::new(binary()?)
            .args(["serve", "--config"])
            .arg(self.configuration())
            .args(self.is_of_a_box.then_some("--appliance"))
            .env("HEARTH_LOG", self.log_level)
            .stdin(if self.is_of_a_box { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("starting the daemon")?;
        self.init = process.stdin.take();
        self.process = Some(process);
        let started = poll(START_LIMIT, "the daemon says where it listens", || {
            if let Some(status) = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten())
            {
                bail!("the daemon ended with {status}");
            }
            // The file is renamed into its place, so it is whole or not there.
            Ok(std::fs::read(&ports).ok().map(|text| serde_json::from_slice(&text)).transpose()?)
        });
        self.ports = started.with_context(|| format!("its log: {}", self.log()))?;
        Ok(())
    }

    /// Ends it as a power cut would end it.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Starts it again without its state: nobody has an account any more.
    pub fn start_afresh(&mut self) -> Result<()> {
        self.kill();
        std::fs::remove_dir_all(self.state())?;
        self.switch_on()
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the daemon does not run")?;
        let asked = Command::new("kill").arg(process.id().to_string()).status().context("running kill")?;
        ensure!(asked.success(), "the daemon could not be asked to stop");
        let ended = process.wait()?;
        ensure!(ended.success(), "the daemon stopped with {ended}: {}", self.log());
        Ok(())
    }

    /// Its process, while it runs.
    pub fn id(&self) -> Result<u32> {
        Ok(self.process.as_ref().context("the daemon does not run")?.id())
    }

    /// Seconds of CPU that it has taken since it was switched on.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let process = self.process.as_ref().context("the daemon is off")?;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id()))?;
        // proc(5): the fields after the name in brackets; user and system time, in hundredths on every Linux.
        let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
        let ticks = fields.map(|field| Ok(field.parse::<u32>()?)).sum::<Result<u32>>()?;
        Ok(f64::from(ticks) / 100.0)
    }

    /// The port of a service, as named in the configuration.
    pub fn port(&self, service: &str) -> Result<u16> {
        let value = &self.ports[service];
        let value = value.get(0).unwrap_or(value);
        let port = value.as_u64().or_else(|| value.as_str()?.rsplit(':').next()?.parse().ok());
        let port = port.with_context(|| format!("no port of {service} in {}", self.ports))?;
        Ok(u16::try_from(port)?)
    }

    /// An account of this name and password, which the first login creates if registration is open.
    pub fn account(&self, name: &str, password: &str) -> Result<Account> {
        Ok(Account {
            address: format!("{name}@{}", self.domain),
            password: password.to_owned(),
            server: self.address(),
            imaps_port: self.port("imaps")?,
            submissions_port: self.port("submissions")?,
        })
    }

    fn address(&self) -> Ipv4Addr {
        match self.place {
            Place::Address(address) => address,
            Place::OwnPorts(_) | Place::StandardPorts => Ipv4Addr::LOCALHOST,
        }
    }

    /// The account of a person with this name, where the first login creates it.
    pub fn account_of(&self, name: &str) -> Result<Account> {
        // Names of accounts have nine characters at least.
        self.account(&format!("{:0<9}", name.to_lowercase()), "a long password")
    }

    /// The same under a domain that the daemon got later.
    pub fn account_at(&self, domain: &str, name: &str) -> Result<Account> {
        let account = self.account_of(name)?;
        let user = account.address.split('@').next().unwrap_or_default();
        Ok(Account { address: format!("{user}@{domain}"), ..account })
    }

    /// A link to join by, from the pairing window.
    pub fn pairing_link(&self) -> Result<String> {
        let output = Command::new(binary()?).args(["pair", "--config"]).arg(self.configuration()).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let link = text.lines().find_map(|line| Some(line.get(line.find("dclogin:")?..)?.trim().to_owned()));
        link.with_context(|| format!("no link in: {text}{}", String::from_utf8_lossy(&output.stderr)))
    }

    /// The output of `hearth` with these arguments and the daemon's configuration.
    pub fn hearth(&self, arguments: &[&str]) -> Result<String> {
        let output =
            Command::new(binary()?).args(arguments).arg("--config").arg(self.configuration()).output()?;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            bail!("hearth {arguments:?}: {}", String::from_utf8_lossy(&said));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The daemon's status (`hearth status --json`).
    pub fn status(&self) -> Result<Value> {
        let output = Command::new(binary()?)
            .args(["status", "--json", "--config"])
            .arg(self.configuration())
            .output()?;
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("hearth status: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// The first status that is as wanted. A count in it may lag behind what caused it, so a test that acts on the count
    /// waits for it here.
    pub fn wait_for_status(&self, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut last = Value::Null;
        let found = poll(limit, "the daemon's status is as wanted", || {
            last = self.status()?;
            Ok(wanted(&last).then(|| last.clone()))
        });
        found.with_context(|| format!("its last status: {last}"))
    }

    /// The last of what it wrote to its log.
    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().filter(|line| !line.contains(['█', '▀', '▄'])).collect();
        lines.iter().rev().take(40).rev().fold(String::new(), |tail, line| tail + "\n" + line)
    }

    /// Everything it wrote to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    pub(crate) fn log_file(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// Its state directory.
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
        // Whatever failed in the test, the log may tell why.
        if std::thread::panicking() {
            eprintln!("The daemon's log ends with:{}", self.log_tail());
        }
    }
}

/// The part of a configuration that names ports.
fn listen(ports: &[(&str, ReservedPort)]) -> String {
    let lines =
        ports.iter().map(|(service, port)| format!("{service} = [\"127.0.0.1:{}\"]\n", port.number()));
    format!("[listen]\n{}[pairing]\nhost = \"127.0.0.1\"\n", lines.collect::<String>())
}

/// The same for the standard ports of an address.
fn listen_on(address: Ipv4Addr) -> String {
    let line = |(service, port)| format!("{service} = [\"{address}:{port}\"]\n");
    let services = SERVICES.into_iter().zip([993, 143, 465, 587, 443, 80]).chain([("smtp", 25)]);
    format!("[listen]\n{}", services.map(line).collect::<String>())
}

/// The program, built if it is not: cargo builds no other package's programs for a test.
pub fn binary() -> Result<PathBuf> {
    program("hearth")
}

/// A program of another package, built if it is not, once in a test's process.
pub fn program(package: &str) -> Result<PathBuf> {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(program) = built.get(package) {
        return Ok(program.clone());
    }
    let program = build(package)?;
    built.insert(package.to_owned(), program.clone());
    Ok(program)
}

fn build(package: &str) -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test.parent().and_then(Path::parent).context("the folder of the build")?;
    let target = folder.parent().context("the target folder")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // Cargo tells a test about its package by variables that some build scripts look at: they would run again.
    let about_this = |name: &OsString| {
        name.to_str().is_some_and(|name| OF_A_PACKAGE.iter().any(|start| name.starts_with(start)))
    };
    let mut build = Command::new(cargo);
    for (name, _) in std::env::vars_os().filter(|(name, _)| about_this(name)) {
        build.env_remove(name);
    }
    let build = build
        .args(["build", "--locked", "--quiet", "-p", package, "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()?;
    ensure!(build.success(), "cargo build -p {package} failed");
    Ok(target.join("debug").join(package))
}
