//! A provider that relays our mail (RFC 6409), where the way to port 25 is shut.

use config::Smarthost;
use smtp::client::{Encryption, Fate, Settings, Trouble};

use super::content::{Content, Envelope};
use super::destination::{Attempt, Transport, all, no_connection};
use super::dial::dial;
use super::mail_host::transact;
use super::smtp::SmtpConnection;

impl Transport {
    /// Hands the message to the provider that relays for us.
    pub(super) async fn by_smarthost(
        &self,
        smarthost: &Smarthost,
        envelope: &Envelope,
        content: &mut Content,
    ) -> Attempt {
        let delivered = async {
            let mut connection = self.open_smarthost(smarthost).await?;
            let (attempt, usable) = transact(&mut connection, &smarthost.host, envelope, content).await?;
            if usable {
                connection.quit().await;
            }
            Ok(attempt)
        };
        delivered.await.unwrap_or_else(|trouble| all(envelope, Fate::Unsettled(trouble), None))
    }

    async fn open_smarthost(&self, smarthost: &Smarthost) -> Result<SmtpConnection, Trouble> {
        let addresses = self.all_addresses(&smarthost.host).await?;
        let trust = self.trusts.by_authority(&smarthost.host)?;
        let stream =
            dial(&addresses, smarthost.port).await.map_err(|error| no_connection("connecting", &error))?;
        let mut settings = Settings::new(self.host_name.clone());
        if smarthost.implicit_tls {
            settings.encryption = Encryption::Already;
        }
        settings.login = smarthost.login.clone();
        SmtpConnection::open(stream, settings, &trust).await
    }
}
