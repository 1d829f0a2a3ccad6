//! Dovecot for the people of a relay: LMTP in, IMAP out, and the passwords for Postfix.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::{Host, Service, open_to_all};

/// The user of all mailboxes.
const OWNER: u32 = 5000;

/// A running Dovecot.
pub struct Dovecot {
    /// The socket that takes mail.
    pub lmtp: PathBuf,
    /// The socket that Postfix asks about passwords.
    pub passwords: PathBuf,
    service: Service,
}

impl Dovecot {
    /// Starts it with these accounts, whose password is the same; others do not exist.
    pub fn start(host: &Host, names: &[&str], password: &str) -> Result<Self> {
        let folder = host.folder.join("dovecot");
        let mail = folder.join("mail");
        std::fs::create_dir_all(&mail)?;
        open_to_all(&folder)?;
        std::os::unix::fs::chown(&mail, Some(OWNER), Some(OWNER))?;
        let users = names.iter().map(|name| {
            let address = format!("{name}@{}", host.domain);
            format!("{address}:{password}:{OWNER}:{OWNER}::{}/{address}::\n", mail.display())
        });
        std::fs::write(folder.join("users"), users.collect::<String>())?;
        let configuration = folder.join("dovecot.conf");
        std::fs::write(&configuration, configure(host, &folder.display().to_string()))?;
        let mut command = Command::new("dovecot");
        command.arg("-F").arg("-c").arg(configuration);
        let mut service = Service::start("dovecot", command, &folder.join("log"))?;
        service.wait_for((host.address, 993).into())?;
        let (lmtp, passwords) = (folder.join("run/lmtp"), folder.join("run/for-postfix"));
        service.wait_until("its sockets are there", || lmtp.exists() && passwords.exists())?;
        Ok(Self { lmtp, passwords, service })
    }

    /// Ends it.
    pub fn stop(&mut self) -> Result<()> {
        self.service.stop()
    }
}

fn configure(host: &Host, folder: &str) -> String {
    let Host { address, certificate, .. } = host;
    let (chain, key) = (certificate.certificate.display(), certificate.key.display());
    format!(
        "base_dir = {folder}/run\nlog_path = /dev/stderr\nprotocols = imap lmtp\nlisten = {address}\n\
         ssl = required\nssl_cert = <{chain}\nssl_key = <{key}\n\
         mail_location = maildir:~/Maildir\nmail_fsync = never\nfirst_valid_uid = 1\nmail_max_userip_connections = 100\n\
         passdb {{\n  driver = passwd-file\n  args = scheme=PLAIN username_format=%u {folder}/users\n}}\n\
         userdb {{\n  driver = passwd-file\n  args = username_format=%u {folder}/users\n}}\n\
         namespace inbox {{\n  inbox = yes\n}}\n\
         service auth {{\n  unix_listener for-postfix {{\n    mode = 0666\n  }}\n}}\n\
         service imap-login {{\n  chroot =\n  inet_listener imap {{\n    port = 0\n  }}\n}}\n\
         service anvil {{\n  chroot =\n}}\nservice stats {{\n  chroot =\n}}\n\
         service lmtp {{\n  unix_listener lmtp {{\n    mode = 0666\n  }}\n}}\n"
    )
}
