//! The server's public name: the owner's settings that give it one, and the tasks that make it good: a certificate.

mod certificate;
mod challenges;
mod kept;
mod owner;
mod status;

use std::sync::Arc;

use acme::{Authority, BoxFuture, LocalChallenges};
use anyhow::Context;
use config::{Acme, AcmeDirectory, Config, Tls};
use https_client::HttpsClient;
use relay_policy::certificate::ClockTrust;
use store::Store;
use tls::TlsSettings;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use certificate::{CertificateState, CertificateTask};
use challenges::Responder;
pub(crate) use kept::KeptCertificate;
pub(crate) use owner::{Change, OwnerSettings, Taken};

/// The parts of a server that its name is served by.
pub(crate) struct Means {
    pub(crate) store: Store,
    pub(crate) tls: TlsSettings,
    /// Whether port 443, and port 80, are listened on.
    pub(crate) https: bool,
    pub(crate) http: bool,
    pub(crate) clock: fn() -> ClockTrust,
}

/// The state of the name, for those who look at it; and its levers.
pub(crate) struct Naming {
    config: Config,
    tls: TlsSettings,
    /// The answers to challenges on port 80.
    pub(crate) challenges: LocalChallenges,
    certificate: watch::Receiver<CertificateState>,
}

/// The tasks that are to be spawned.
#[derive(Default)]
pub(crate) struct NamingTasks {
    certificate: Option<CertificateTask>,
}

impl NamingTasks {
    /// Starts all of them; they end with the server.
    pub(crate) fn spawn(self, tasks: &TaskTracker, shutdown: &CancellationToken) {
        let start = |task: BoxFuture<'static, ()>| {
            let task = shutdown.clone().run_until_cancelled_owned(task);
            tasks.spawn(async move {
                task.await;
            });
        };
        if let Some(task) = self.certificate {
            start(Box::pin(task.run()));
        }
    }
}

impl Naming {
    /// The name that the configuration gives.
    ///
    /// # Errors
    ///
    /// When the roots in the configuration cannot be read.
    pub(crate) fn new(config: &Config, means: Means) -> anyhow::Result<(Self, NamingTasks)> {
        let Means { store, tls, https, http, clock } = means;
        let challenges = LocalChallenges {
            certificates: tls.challenges.clone(),
            answers: acme::ChallengeStore::default(),
        };
        let (state, certificate) = watch::channel(CertificateState::default());
        let task = match wanted(config) {
            None => None,
            Some(acme) => Some(CertificateTask {
                authority: authority(acme)?,
                contact: acme.contact.clone(),
                domain: config.domain.clone(),
                kept: KeptCertificate::of(&store, &config.domain),
                tls: tls.clone(),
                responder: Responder { local: challenges.clone(), records: None, https, http },
                clock,
                state,
                hurry: Arc::new(Notify::new()),
            }),
        };
        let naming = Self { config: config.clone(), tls, challenges, certificate };
        Ok((naming, NamingTasks { certificate: task }))
    }

    /// The sentences about what a person should know.
    pub(crate) fn troubles(&self) -> Vec<String> {
        let state = self.certificate.borrow();
        if state.is_trouble { vec![state.news.join(" ")] } else { Vec::new() }
    }
}

/// The authority that is to be asked: a certificate from files makes one superfluous.
pub(crate) fn wanted(config: &Config) -> Option<&Acme> {
    config.acme.as_ref().filter(|_| matches!(config.tls, Tls::SelfSigned { .. }))
}

fn authority(acme: &Acme) -> anyhow::Result<Authority> {
    let roots = https_client::roots(acme.roots.as_deref()).context("trusting acme.roots")?;
    let directory = match &acme.directory {
        AcmeDirectory::LetsEncrypt => ::acme::LETS_ENCRYPT,
        AcmeDirectory::LetsEncryptStaging => ::acme::LETS_ENCRYPT_STAGING,
        AcmeDirectory::Url(url) => url,
    };
    Authority::new(directory, HttpsClient::new(roots).context("preparing requests to the authority")?)
}
