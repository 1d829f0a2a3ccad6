//! Data that the daemon on this machine must not keep: its log and all its files are searched after a busy run.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use hearth_tests::mail::{Account, CLIENT, encrypted};
use hearth_tests::product::Daemon;
use hearth_tests::push_service::PushService;

const PASSWORD: &str = "swordfish-and-chips";
const GUESS: &str = "marlin-and-chips";
const SUBJECT: &str = "Voyage to Zanzibar";
const NAME: &str = "Priscilla Quackenbush";
const FILE_NAME: &str = "divorce-papers.asc";
const TOKEN: &str = "openpgp:tokenofaphone0123456789";
const BURIED: &str = "the treasure lies under the oak";
/// Just below what the store keeps in its journal, whose length asks for a checkpoint.
const FILLER_BYTES: usize = 64_000;
/// The journal's length that asks for a checkpoint, in bytes.
const CHECKPOINT_BYTES: usize = 16 << 20;

#[test]
fn the_log_names_nobody_and_the_disk_keeps_no_more_than_it_must() {
    let service = PushService::start().unwrap();
    let more = format!("{}\n[limits]\nsend_burst = 3\nsends_per_minute = 1", service.configuration());
    Daemon::start_logging("info", "open", &more).unwrap().play(|daemon| story(daemon, &service));
}

fn story(daemon: &mut Daemon, service: &PushService) -> Result<()> {
    busy_run(daemon, service)?;
    bury(daemon)?;
    daemon.stop()?;

    let log = daemon.log().into_bytes();
    ensure!(holds(&log, b"an account was created") && holds(&log, b"stopping"), "nothing was logged");
    let names = ["priscilla", "quentin", "nobody001", "somebody", "elsewhere"];
    let secrets = [PASSWORD, GUESS, SUBJECT, NAME, FILE_NAME, TOKEN, BURIED, &CLIENT.to_string()];
    for private in names.iter().chain(&secrets) {
        ensure!(!holds(&log, private.as_bytes()), "{private:?} is in the log");
    }

    let disk = files(&daemon.state())?;
    ensure!(
        holds(&disk, b"priscilla1@hearth.test") && holds(&disk, b"Subject: [...]"),
        "a search that finds"
    );
    for private in [PASSWORD, GUESS, SUBJECT, "User-Agent", BURIED, &CLIENT.to_string()] {
        ensure!(!holds(&disk, private.as_bytes()), "{private:?} is on the disk");
    }
    ensure!(!holds(&disk, &CLIENT.octets()), "a client's IP address is on the disk");
    Ok(())
}

/// Everything that could leave a trace: accounts, wrong passwords, mail, a bounce, refusals, a phone that is woken.
fn busy_run(daemon: &Daemon, service: &PushService) -> Result<()> {
    let priscilla = daemon.account("priscilla1", PASSWORD)?;
    let quentin = daemon.account("quentin01", PASSWORD)?;
    let mut inbox = priscilla.log_in()?;
    quentin.log_in()?;
    for _ in 0..6 {
        let wrong = Account { password: GUESS.into(), ..quentin.clone() };
        ensure!(wrong.log_in().is_err(), "a wrong password was taken");
        ensure!(wrong.submit_to_self("w@hearth.test").is_err(), "a wrong password was taken");
    }
    inbox.command(&format!("SETMETADATA INBOX (/private/devicetoken \"{TOKEN}\")"))?;
    service.answer(500);

    let (open, shut) = ("filename=\"", "\"");
    let message = encrypted(&quentin.address, "1@hearth.test")
        .replace("Subject: [...]", &format!("Subject: {SUBJECT}\r\nUser-Agent: {SUBJECT}"))
        .replace("From: ", &format!("From: \"{NAME}\" "))
        .replace("octet-stream\r\n", &format!("octet-stream; {open}{FILE_NAME}{shut}\r\n"));
    let unreachable = ["nobody001@hearth.test", "somebody@elsewhere.test"];
    quentin.submit(&[&[priscilla.address.as_str()], unreachable.as_slice()].concat(), &message)?;
    ensure!(service.next(Duration::from_secs(60))? == TOKEN, "the phone is woken");
    ensure!(inbox.headers("INBOX", "Subject", "ALL")? == ["[...]"], "the message arrived");
    let bounces = quentin.log_in()?.headers("INBOX", "From", "ALL")?;
    ensure!(bounces.iter().any(|from| from.contains("MAILER-DAEMON")), "no bounce: {bounces:?}");

    let clear = message.replace("multipart/encrypted", "multipart/mixed");
    let refused = quentin.submit(&[&priscilla.address], &clear);
    ensure!(refused.is_err_and(|error| error.to_string().contains("523")), "clear text was taken");
    let full = (0..6).find_map(|_| quentin.submit(&[&quentin.address], &message).err());
    ensure!(full.is_some_and(|error| error.to_string().contains("450")), "no end to sending");
    Ok(())
}

/// Puts a message into a mailbox and deletes it. A small one lies in the journal, so its bytes are there until the
/// second checkpoint after that, which comes when so much else has been written.
fn bury(daemon: &Daemon) -> Result<()> {
    let mut imap = daemon.account("priscilla1", PASSWORD)?.log_in()?;
    imap.command("CREATE Drafts")?;
    imap.append("Drafts", &format!("Subject: {BURIED}\r\n\r\n{BURIED}\r\n"))?;
    ensure!(holds(&files(&daemon.state())?, BURIED.as_bytes()), "what is kept can be found");
    imap.command("SELECT Drafts")?;
    imap.command("STORE 1 +FLAGS (\\Deleted)")?;
    imap.command("EXPUNGE")?;
    let filler = format!("Subject: filler\r\n\r\n{}\r\n", "filler ".repeat(FILLER_BYTES / 7 - 10));
    for _ in 0..=2 * CHECKPOINT_BYTES / filler.len() + 1 {
        imap.append("Drafts", &filler)?;
    }
    Ok(())
}

/// All bytes of all files below a folder.
fn files(folder: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            bytes.extend(files(&entry.path())?);
        } else if kind.is_file() {
            // One that the daemon has just removed holds nothing.
            bytes.extend(std::fs::read(entry.path()).unwrap_or_default());
        }
    }
    Ok(bytes)
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    let Some(first) = wanted.first() else { return true };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        rest = rest.get(at..).unwrap_or_default();
        if rest.starts_with(wanted) {
            return true;
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    false
}
