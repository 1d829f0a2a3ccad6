//! Ordinary clients against the daemon on this machine: they read, search, move and delete.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use hearth_tests::mail::{Account, Imap};
use hearth_tests::product::Daemon;
use hearth_tests::screen::Screen;

const PASSWORD: &str = "a long password";

#[test]
fn pythons_imaplib_reads_searches_moves_and_deletes() {
    Daemon::start("open", "").unwrap().play(|daemon| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/ordinary_client.py");
        let port = daemon.port("imaps")?.to_string();
        let output = Command::new("python3")
            .args([script, "127.0.0.1", &port, "ordinary1@hearth.test", PASSWORD])
            .output()
            .context("python3 must be installed")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    });
}

#[test]
fn mbsync_keeps_a_maildir_and_the_server_alike() {
    Daemon::start("open", "").unwrap().play(|daemon| synchronise(daemon));
}

fn synchronise(daemon: &Daemon) -> Result<()> {
    let account = daemon.account("ordinary2", PASSWORD)?;
    let mut imap = account.log_in()?;
    imap.command("CREATE Letters")?;
    for subject in ["flagged here", "flagged there", "deleted here", "deleted there"] {
        imap.append("INBOX", &letter(subject, "Hello"))?;
    }
    imap.append("Letters", &letter("an old one", "Hello"))?;

    let maildir = Maildir::new(&account, &imap)?;
    maildir.sync()?;
    let all = ["flagged here", "flagged there", "deleted here", "deleted there"];
    assert_eq!(
        maildir.subjects("INBOX")?,
        BTreeMap::from(all.map(|subject| (subject.into(), String::new())))
    );
    assert_eq!(maildir.subjects("Letters")?, BTreeMap::from([("an old one".into(), String::new())]));

    maildir.flag("INBOX", "flagged here", "FS")?;
    maildir.flag("INBOX", "deleted here", "T")?;
    maildir.add("Letters", "1.new.here", &letter("a new one", "Written without a network"))?;
    imap.command("SELECT INBOX")?;
    imap.command("STORE 2 +FLAGS (\\Flagged \\Answered)")?;
    imap.command("STORE 4 +FLAGS (\\Deleted)")?;
    imap.command("EXPUNGE")?;
    maildir.sync()?;

    let kept = [("flagged here".to_owned(), "FS".to_owned()), ("flagged there".to_owned(), "FR".to_owned())];
    assert_eq!(maildir.subjects("INBOX")?, BTreeMap::from(kept));
    assert_eq!(imap.headers("INBOX", "Subject", "ALL")?, ["flagged here", "flagged there"]);
    assert_eq!(imap.headers("INBOX", "Subject", "FLAGGED SEEN UNANSWERED")?, ["flagged here"]);
    assert_eq!(imap.headers("Letters", "Subject", "ALL")?, ["an old one", "a new one"]);
    assert_eq!(imap.headers("Letters", "Subject", "BODY \"without a network\"")?, ["a new one"]);
    Ok(())
}

/// A copy of an account's mail, kept by `mbsync`.
struct Maildir {
    directory: tempfile::TempDir,
}

impl Maildir {
    fn new(account: &Account, imap: &Imap) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().display();
        std::fs::write(directory.path().join("certificate.pem"), imap.certificate()?)?;
        let Account { address, password, imaps_port, .. } = account;
        let configuration = format!(
            "IMAPAccount home\nHost 127.0.0.1\nPort {imaps_port}\nUser {address}\nPass \"{password}\"\n\
             SSLType IMAPS\nCertificateFile {path}/certificate.pem\n\n\
             IMAPStore far\nAccount home\n\n\
             MaildirStore near\nPath {path}/\nInbox {path}/INBOX\nSubFolders Verbatim\n\n\
             Channel home\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n"
        );
        std::fs::write(directory.path().join("mbsyncrc"), configuration)?;
        Ok(Self { directory })
    }

    fn sync(&self) -> Result<()> {
        let home = self.directory.path();
        let mut mbsync = Command::new("mbsync");
        mbsync.arg("-c").arg(home.join("mbsyncrc")).args(["-V", "home"]).env("HOME", home);
        let output = mbsync.output().context("mbsync must be installed")?;
        let said = [output.stdout, output.stderr].concat();
        ensure!(output.status.success(), "mbsync: {}", String::from_utf8_lossy(&said));
        Ok(())
    }

    /// The messages of a mailbox: subjects with the letters of their flags.
    fn subjects(&self, mailbox: &str) -> Result<BTreeMap<String, String>> {
        let files = self.files(mailbox)?.into_iter();
        files.map(|file| Ok((subject(&file)?, flags(&file).to_owned()))).collect()
    }

    fn flag(&self, mailbox: &str, wanted: &str, flags: &str) -> Result<()> {
        for file in self.files(mailbox)? {
            if subject(&file)? == wanted {
                let name = file.file_name().and_then(|name| name.to_str()).context("a name")?;
                let name = name.split(':').next().unwrap_or_default();
                let place = self.directory.path().join(mailbox).join("cur").join(format!("{name}:2,{flags}"));
                return Ok(std::fs::rename(file, place)?);
            }
        }
        anyhow::bail!("no {wanted:?} in {mailbox}")
    }

    fn add(&self, mailbox: &str, name: &str, message: &str) -> Result<()> {
        Ok(std::fs::write(self.directory.path().join(mailbox).join("new").join(name), message)?)
    }

    fn files(&self, mailbox: &str) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for part in ["new", "cur"] {
            for entry in std::fs::read_dir(self.directory.path().join(mailbox).join(part))? {
                files.push(entry?.path());
            }
        }
        Ok(files)
    }
}

fn subject(file: &Path) -> Result<String> {
    let text = std::fs::read_to_string(file)?;
    let line = text.lines().find_map(|line| line.strip_prefix("Subject: "));
    Ok(line.with_context(|| format!("no subject in {text}"))?.to_owned())
}

fn flags(file: &Path) -> &str {
    file.to_str().and_then(|name| name.rsplit_once(":2,")).map_or("", |(_, flags)| flags)
}

#[test]
fn neomutt_lists_opens_searches_moves_and_deletes() {
    Daemon::start("open", "").unwrap().play(|daemon| read_mail(daemon));
}

fn read_mail(daemon: &Daemon) -> Result<()> {
    let account = daemon.account("ordinary3", PASSWORD)?;
    let mut imap = account.log_in()?;
    imap.command("CREATE Kitchen")?;
    imap.append("INBOX", &letter("Tea at five", "Bring a scone"))?;
    imap.append("INBOX", &letter("Marmalade", "Made of quinces"))?;
    imap.append("INBOX", &letter("Receipts", "Of last year"))?;

    let neomutt = start_neomutt(&account, &imap)?;
    let all = ["Tea at five", "Marmalade", "Receipts"];
    neomutt.wait("the list", |screen| all.iter().all(|subject| screen.contains(subject)))?;

    // `=b` asks the server, which knows the bodies.
    neomutt.press(&["l", "=b quinces", "Enter"])?;
    neomutt.wait("one of three", |screen| screen.contains("Marmalade") && !screen.contains("Receipts"))?;
    neomutt.press(&["Enter"])?;
    neomutt.wait("the letter", |screen| screen.contains("Made of quinces"))?;
    neomutt.press(&["i"])?;
    neomutt.wait("the list", |screen| !screen.contains("Made of quinces"))?;
    neomutt.press(&["s", "C-u", "=Kitchen", "Enter"])?;
    let moved = |line: &str| line.contains("Marmalade") && line.contains(" D ");
    neomutt.wait("the mark of the moved", |screen| screen.lines().any(moved))?;
    neomutt.press(&["l", "C-u", "~s Receipts", "Enter"])?;
    neomutt.wait("another of three", |screen| screen.contains("Receipts") && !screen.contains("Tea"))?;
    neomutt.press(&["d", "q"])?;
    neomutt.wait_for_end()?;

    assert_eq!(imap.headers("INBOX", "Subject", "ALL")?, ["Tea at five"]);
    assert_eq!(imap.headers("Kitchen", "Subject", "SEEN UNDELETED")?, ["Marmalade"]);
    Ok(())
}

/// With the mailbox open and no question left that a person would have to answer.
fn start_neomutt(account: &Account, imap: &Imap) -> Result<Screen> {
    let screen = Screen::new()?;
    let certificate = screen.file("certificate.pem");
    std::fs::write(&certificate, imap.certificate()?)?;
    let Account { address, password, imaps_port, .. } = account;
    let settings = format!(
        "set imap_user=\"{address}\"\nset imap_pass=\"{password}\"\nset folder=\"imaps://127.0.0.1:{imaps_port}/\"\n\
         set spoolfile=\"+INBOX\"\nset certificate_file=\"{}\"\nset ssl_verify_host=no\nset imap_check_subscribed=no\n\
         set delete=yes\nset quit=yes\nset move=no\nset confirmappend=no\nset confirmcreate=no\nset wait_key=no\n",
        certificate.display()
    );
    let file = screen.file("muttrc");
    std::fs::write(&file, settings)?;
    screen.start(&format!("neomutt -n -F '{}'", file.display()))?;
    Ok(screen)
}

fn letter(subject: &str, text: &str) -> String {
    format!(
        "From: Ben <ben@example.org>\r\nTo: anna@example.org\r\nSubject: {subject}\r\n\
         Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{}@example.org>\r\n\r\n{text}\r\n",
        subject.replace(' ', "-")
    )
}
