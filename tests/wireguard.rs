//! A box behind a NAT that opens no port has a public address by a WireGuard tunnel, which its owner has written on the card:
//! it is reached through it from the
//! other end's network, and from the home directly, after a restart of either end. A key that the other end does not
//! know is told in words and costs nothing else.
//!
//! The home's router is QEMU's own; the other end is Debian's `wireguard-go` in the test's network namespace, since the
//! kernels of machines that run tests often have no WireGuard. The box has the kernel's.

use std::io::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hearth_tests::boxes::{self, LIMIT, has_said, ready};
use hearth_tests::mail::Account;
use hearth_tests::namespace::{alone, ip, report};
use hearth_tests::owners_card::{REPORT, TUNNEL, is_sound, read, save};
use hearth_tests::waiting::poll;
use lab::{Guest, Outside};

/// The box's public address: the documentation's (RFC 5737).
const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);
/// The other end's own address, with its network.
const FAR_NETWORK: &str = "203.0.113.1/24";
/// The other end's UDP port, in a namespace that has all of them to itself.
const PORT: u16 = 51_820;
/// The router's address, by which the guest reaches the namespace's loopback interface.
const ROUTER: &str = "10.0.2.2";
/// For a tunnel whose other end forgot everything: the box asks for new keys after two minutes.
const RECOVERY_LIMIT: Duration = Duration::from_secs(400);
const ANSWERS: &str = "hearth: network: the tunnel's other end answers";

#[test]
#[ignore = "minutes: three boots, and a tunnel that notices after two minutes that its other end was restarted"]
fn a_box_behind_a_nat_is_reached_through_its_tunnel_after_a_restart_of_either_end() -> Result<()> {
    let test = "a_box_behind_a_nat_is_reached_through_its_tunnel_after_a_restart_of_either_end";
    if let Some(program) = ["wg", "wireguard-go"].into_iter().find(|program| !is_there(program)) {
        report(&format!("{test}: NOT RUN: it needs {program} (packages wireguard-tools and wireguard-go)"));
        return Ok(());
    }
    alone(test, story);
    Ok(())
}

fn story() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let card = folder.path().join("card.img");
    let mut guest = boxes::virt_image("wireguard")?.card(&card).outside(Outside::Open).start()?;
    ready(&guest, LIMIT)?;
    let home = Account::from_link(&guest.wait_for_pairing_link(None, LIMIT)?)?;
    home.log_in()?;
    assert!(!has_said(&guest, "tunnel"), "no tunnel was asked for");
    guest.cut_power();

    let mut far = FarEnd::start(folder.path())?;
    save(&card, TUNNEL, &far.conf_for_the_box()?)?;
    guest.power_on()?;
    ready(&guest, LIMIT)?;
    guest.wait_for("the tunnel's other end does not answer: is the key known there?", LIMIT)?;
    home.log_in().context("a dead tunnel is no hindrance at home")?;
    wait_for_report(&card, "The tunnel of wireguard.conf is set up.")?;
    let masked = read(&card, TUNNEL)?;
    ensure!(!masked.contains(far.private_key_of_the_box()?.trim()), "the key is still on the card");
    is_sound(&card)?;

    far.accept()?;
    guest.wait_for(ANSWERS, LIMIT)?;
    let outside = Account::at(PUBLIC, &home.address, &home.password);
    outside.log_in().context("from the internet, through the tunnel")?;
    outside.submit_to_self("through-the-tunnel@test")?;
    home.log_in().context("from home, beside a living tunnel")?;
    assert_eq!(home.log_in()?.message_ids()?.len(), 1);

    far.restart()?;
    far.accept()?;
    reached("the tunnel works again after its other end was restarted", &outside)?;

    // With a line more, and stars for the key.
    guest.cut_power();
    save(&card, TUNNEL, &masked.replace("DNS =", "MTU = 1380\nDNS ="))?;
    guest.power_on()?;
    ready(&guest, LIMIT)?;
    guest.wait_for(ANSWERS, LIMIT)?;
    reached("the tunnel works again after the box was restarted", &outside)?;
    home.log_in()?;
    no_complaint(&guest)
}

fn reached(what: &str, account: &Account) -> Result<()> {
    poll(RECOVERY_LIMIT, what, || Ok(account.log_in().ok().map(drop)))
}

fn wait_for_report(card: &Path, words: &str) -> Result<()> {
    poll(LIMIT, words, || Ok(read(card, REPORT)?.contains(words).then_some(())))
}

/// The kernel took everything that the box asked of it.
fn no_complaint(guest: &Guest) -> Result<()> {
    let lines = guest.lines();
    let refused = lines
        .iter()
        .find(|line| line.text.contains("the kernel refuses") || line.text.contains("no WireGuard"));
    ensure!(refused.is_none(), "{refused:?}");
    Ok(())
}

/// The tunnel's other end; gone when dropped.
struct FarEnd {
    interface: String,
    folder: PathBuf,
    process: Option<Child>,
}

impl FarEnd {
    /// Starts it with keys of its own, and with those of nobody else.
    fn start(folder: &Path) -> Result<Self> {
        // The programs meet at a socket that bears the interface's name, outside of the namespace.
        let interface = format!("hearth{}", std::process::id() % 100_000);
        let mut far = Self { interface, folder: folder.to_owned(), process: None };
        for end in ["far", "box"] {
            let private = wg(&["genkey"], "")?;
            std::fs::write(far.key(end), &private)?;
            std::fs::write(far.key(&format!("{end}.pub")), wg(&["pubkey"], &private)?)?;
        }
        far.restart()?;
        Ok(far)
    }

    /// Starts the program (again), which knows no peer then.
    fn restart(&mut self) -> Result<()> {
        self.stop();
        let log = std::fs::File::create(self.folder.join("wireguard-go.log"))?;
        let child = Command::new("wireguard-go")
            .args(["-f", &self.interface])
            .envs([("WG_PROCESS_FOREGROUND", "1"), ("LOG_LEVEL", "verbose")])
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.process = Some(child);
        poll(LIMIT, "wireguard-go listens", || Ok(wg(&["show", &self.interface], "").is_ok().then_some(())))?;
        let key = self.key("far").display().to_string();
        wg(&["set", &self.interface, "listen-port", &PORT.to_string(), "private-key", &key], "")?;
        ip(&["address", "add", FAR_NETWORK, "dev", &self.interface])?;
        ip(&["link", "set", &self.interface, "up"])
    }

    /// Tells it the box's key.
    fn accept(&self) -> Result<()> {
        let key = std::fs::read_to_string(self.key("box.pub"))?;
        let networks = format!("{PUBLIC}/32");
        wg(&["set", &self.interface, "peer", key.trim(), "allowed-ips", &networks], "").map(drop)
    }

    fn private_key_of_the_box(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.key("box"))?)
    }

    /// The text that its operator hands out.
    fn conf_for_the_box(&self) -> Result<String> {
        let public = std::fs::read_to_string(self.key("far.pub"))?;
        let private = self.private_key_of_the_box()?;
        Ok(format!(
            "[Interface]\nPrivateKey = {private}Address = {PUBLIC}/32\nDNS = 9.9.9.9\n\n\
             [Peer]\nPublicKey = {public}AllowedIPs = 0.0.0.0/0, ::/0\nEndpoint = {ROUTER}:{PORT}\n"
        ))
    }

    fn key(&self, end: &str) -> PathBuf {
        self.folder.join(end)
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
            let _ = std::fs::remove_file(format!("/var/run/wireguard/{}.sock", self.interface));
        }
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        self.stop();
    }
}

fn wg(arguments: &[&str], input: &str) -> Result<String> {
    let mut child = Command::new("wg")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().context("a pipe")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "wg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}
