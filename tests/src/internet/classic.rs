//! A mail server of the kind that most people have: Postfix, which takes clear text and encrypted mail alike, and an
//! MTA-STS policy that says `enforce` (RFC 8461).

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use super::https::{self, Response};
use super::listener::Listener;
use super::postfix::Postfix;
use super::tls::server_config;
use super::{CertificateKind, Host, Internet, open_to_all};
use crate::waiting::poll;

/// The user of the mailboxes.
const OWNER: u32 = 5000;

/// A running server.
pub struct ClassicServer {
    /// Its name and address.
    pub host: Host,
    mail: PathBuf,
    _postfix: Postfix,
    _policy: Listener,
}

impl ClassicServer {
    /// Starts one for this domain; it takes mail for anybody there. `mx` is the pattern of its MTA-STS policy.
    ///
    /// Port 25 shows a certificate of this kind, while that of the policy's host is always right.
    pub fn start(internet: &Internet, domain: &str, mx: &str, certificate: CertificateKind) -> Result<Self> {
        let host = internet.host(domain)?;
        internet.names().add(&format!(
            "mta-sts.{domain}. A {}\n_mta-sts.{domain}. TXT \"v=STSv1; id=20261128\"",
            host.address
        ))?;
        let policy = policy(&host, mx)?;
        let shown = internet.authority().issue(certificate, &[domain], &host.folder)?;
        let mail = host.folder.join("mail");
        std::fs::create_dir_all(&mail)?;
        open_to_all(&mail)?;
        std::os::unix::fs::chown(&mail, Some(OWNER), Some(OWNER))?;
        let main = format!(
            "virtual_mailbox_domains = {domain}\nvirtual_mailbox_maps = static:everybody/\nvirtual_mailbox_base = {}\n\
             virtual_uid_maps = static:{OWNER}\nvirtual_gid_maps = static:{OWNER}\nvirtual_transport = virtual\n\
             smtpd_tls_cert_file = {}\nsmtpd_tls_key_file = {}\nsmtpd_tls_security_level = may\n\
             smtpd_relay_restrictions = reject_unauth_destination\n",
            mail.display(),
            shown.certificate.display(),
            shown.key.display()
        );
        let postfix = Postfix::start(&host, &main, &format!("{}:25 inet n - n - - smtpd", host.address))?;
        Ok(Self { host, mail, _postfix: postfix, _policy: policy })
    }

    /// Waits until a message with this Message-ID lies in the mailbox; gives it with Unix line ends.
    pub fn wait_for(&self, limit: Duration, message_id: &str) -> Result<String> {
        let inbox = self.mail.join("everybody/new");
        let wanted = format!("\nMessage-ID: <{message_id}>\n");
        poll(limit, "the message is in the mailbox", || {
            let files = std::fs::read_dir(&inbox).into_iter().flatten().flatten();
            let mut texts = files.filter_map(|file| std::fs::read_to_string(file.path()).ok());
            Ok(texts.find(|text| text.contains(&wanted)))
        })
    }
}

/// Serves the policy (RFC 8461 section 3.2).
fn policy(host: &Host, mx: &str) -> Result<Listener> {
    let text = format!("version: STSv1\r\nmode: enforce\r\nmx: {mx}\r\nmax_age: 86400\r\n");
    https::start(host.address, server_config(&host.certificate)?, move |request| {
        let found = request.path == "/.well-known/mta-sts.txt";
        Some(if found { Response::new(200, &text) } else { Response::new(404, "Not Found") })
    })
}
