//! A chatmail relay as others run it today: Postfix, OpenDKIM and Dovecot with the settings of chatmail/relay.
//!
//! Without filtermail, which comes in no package: nobody judges the structure of messages, and `/mxdeliv` is not there.

use anyhow::Result;

use super::dovecot::Dovecot;
use super::opendkim::OpenDkim;
use super::postfix::Postfix;
use super::{Host, Internet};
use crate::mail::Account;

/// The password of every account.
const PASSWORD: &str = "a long password";

/// A running relay.
pub struct ReferenceRelay {
    /// Its name and address.
    pub host: Host,
    postfix: Postfix,
    dovecot: Dovecot,
    _opendkim: OpenDkim,
}

impl ReferenceRelay {
    /// Starts one for this domain, with these accounts; mail for others is bounced. Its key is in the zone.
    pub fn start(internet: &Internet, domain: &str, accounts: &[&str]) -> Result<Self> {
        let host = internet.host(domain)?;
        let opendkim = OpenDkim::start(&host)?;
        internet.names().add(&opendkim.record)?;
        let dovecot = Dovecot::start(&host, accounts, PASSWORD)?;
        let main = main_cf(internet, &host, &opendkim, &dovecot);
        std::fs::create_dir_all(host.folder.join("postfix"))?;
        std::fs::write(host.folder.join("postfix/senders"), "/^(.*)$/ $1\n")?;
        let postfix = Postfix::start(&host, &main, &listeners(&host))?;
        Ok(Self { host, postfix, dovecot, _opendkim: opendkim })
    }

    /// One of its accounts.
    #[must_use]
    pub fn account(&self, name: &str) -> Account {
        Account::at(self.host.address, &format!("{name}@{}", self.host.domain), PASSWORD)
    }

    /// Its Postfix: to be stopped, killed, and asked about its queue and log.
    pub fn postfix(&mut self) -> &mut Postfix {
        &mut self.postfix
    }

    /// Switches it off; it cannot be switched on again.
    pub fn stop(&mut self) -> Result<()> {
        self.postfix.stop()?;
        self.dovecot.stop()
    }
}

/// TLS both ways, with a certificate that is looked at on the way out; only one's own domain; signatures.
fn main_cf(internet: &Internet, host: &Host, opendkim: &OpenDkim, dovecot: &Dovecot) -> String {
    let Host { domain, certificate, folder, .. } = host;
    let (chain, key) = (certificate.certificate.display(), certificate.key.display());
    let (roots, folder) = (internet.authority().roots().display(), folder.join("postfix"));
    let (lmtp, passwords, senders) =
        (dovecot.lmtp.display(), dovecot.passwords.display(), folder.join("senders"));
    let milter = opendkim.milter();
    format!(
        "virtual_mailbox_domains = {domain}\nvirtual_mailbox_maps =\nvirtual_transport = lmtp:unix:{lmtp}\n\
         smtpd_tls_cert_file = {chain}\nsmtpd_tls_key_file = {key}\nsmtpd_tls_security_level = encrypt\n\
         smtp_tls_security_level = verify\nsmtp_tls_CAfile = {roots}\nsmtp_tls_servername = hostname\n\
         smtp_tls_protocols = >=TLSv1.2\nsmtp_tls_mandatory_protocols = >=TLSv1.2\n\
         smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination\n\
         smtpd_reject_unlisted_recipient = no\nrecipient_delimiter = +\n\
         smtpd_sasl_type = dovecot\nsmtpd_sasl_path = {passwords}\n\
         smtpd_sender_login_maps = regexp:{senders}\n\
         smtpd_milters = {milter}\nnon_smtpd_milters = {milter}\ninternal_mail_filter_classes = bounce\n\
         milter_macro_daemon_name = ORIGINATING\nmilter_default_action = tempfail\ndisable_mime_input_processing = yes\n",
        senders = senders.display(),
    )
}

/// Port 25 for servers, and submission over TLS.
fn listeners(host: &Host) -> String {
    let address = host.address;
    format!(
        "{address}:25 inet n - n - - smtpd -o milter_macro_daemon_name=INCOMING\n\
         {address}:465 inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_sasl_auth_enable=yes \
         -o smtpd_sender_restrictions=reject_sender_login_mismatch \
         -o smtpd_relay_restrictions=permit_sasl_authenticated,reject"
    )
}
