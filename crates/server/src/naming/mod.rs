//! The server's public name: the owner's settings that give it one, and the tasks that make it good: the public addresses,
//! the router's ports, the records at a DNS provider, and a certificate.

mod addresses;
mod certificate;
mod challenges;
mod kept;
mod owner;
mod ports;
mod provider;
mod records;
mod status;
mod updater;

use std::net::IpAddr;
use std::sync::Arc;

use ::acme::{Authority, BoxFuture, ChallengeStore, LETS_ENCRYPT, LETS_ENCRYPT_STAGING, LocalChallenges};
use anyhow::Context;
use config::{Acme, AcmeDirectory, Config, Tls};
use dns::Resolver;
use host::clock;
use https_client::HttpsClient;
use ipc::reachability::Finding;
use port_mapping::{MappingState, PortMapping};
use relay_policy::reachability::forwarding_findings;
use ring::digest::{SHA256, digest};
use store::Store;
use tls::{CertificateKey, IssuedCertificate, TlsSettings};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use addresses::{AddressTask, OwnAddresses, PublicAddresses};
use certificate::{CertificateState, CertificateTask};
use challenges::Responder;
use kept::KeptCertificate;
use records::RecordsTask;
use updater::{RecordsState, Updater};

use crate::runtime::true_clock::TrueClock;
use crate::runtime::tunnel::KnownTunnel;

pub(crate) use owner::{Change, OwnerSettings, Taken};
pub(crate) use records::Facts;

/// Let's Encrypt's name in CAA records.
const LETS_ENCRYPT_NAME: &str = "letsencrypt.org";

/// The parts of a server that its name is served by.
pub(crate) struct Means {
    pub(crate) store: Store,
    pub(crate) tls: TlsSettings,
    pub(crate) resolver: Resolver,
    /// The port of authoritative name servers.
    pub(crate) names_port: u16,
    /// The addresses that are listened on; empty if all are.
    pub(crate) bound: Vec<IpAddr>,
    /// The standard ports of the services that are listened on, the most important first, and the real ones.
    pub(crate) ports: Vec<(u16, u16)>,
    pub(crate) clock: TrueClock,
    pub(crate) tunnel: KnownTunnel,
}

/// The state of the name, for those who look at it.
pub(crate) struct Naming {
    config: Config,
    store: Store,
    tls: TlsSettings,
    /// The answers to challenges on port 80.
    pub(crate) challenges: LocalChallenges,
    certificate: watch::Receiver<CertificateState>,
    addresses: watch::Receiver<PublicAddresses>,
    /// None if the records are the owner's to write.
    records: Option<watch::Receiver<RecordsState>>,
    /// None if the router is not asked to forward ports.
    mapping: Option<watch::Receiver<MappingState>>,
    tunnel: KnownTunnel,
    /// The sentence about a DNS provider whose settings cannot be right.
    provider_trouble: Option<String>,
}

/// The tasks that are to be spawned.
pub(crate) struct NamingTasks {
    certificate: Option<CertificateTask>,
    addresses: AddressTask,
    records: Option<RecordsTask>,
    mapping: Option<PortMapping>,
}

impl NamingTasks {
    /// Starts all of them; they end with the server.
    pub(crate) fn spawn(self, facts: Facts, tasks: &TaskTracker, shutdown: &CancellationToken) {
        let start = |task: BoxFuture<'static, ()>| {
            let task = shutdown.clone().run_until_cancelled_owned(task);
            tasks.spawn(async move {
                task.await;
            });
        };
        start(Box::pin(self.addresses.run()));
        if let Some(mapping) = self.mapping {
            // It ends by itself, after it has taken the mappings back.
            tasks.spawn(mapping.run(shutdown.clone()));
        }
        if let Some(task) = self.certificate {
            start(Box::pin(task.run()));
        }
        if let Some(task) = self.records {
            start(Box::pin(task.run(facts)));
        }
    }
}

impl Naming {
    /// The name that the configuration gives.
    ///
    /// # Errors
    ///
    /// When the roots in the configuration cannot be read, or the store cannot be written.
    pub(crate) fn new(config: &Config, means: Means) -> anyhow::Result<(Self, NamingTasks)> {
        let own =
            OwnAddresses { bound: means.bound.clone(), private_networks: config.federation.private_networks };
        let (certificate_sender, certificate) = watch::channel(CertificateState::default());
        let known = own.of_tunnel(&means.tunnel).or(own.public(None));
        let (address_sender, addresses) = watch::channel(known);
        let (records_sender, records) = watch::channel(RecordsState::default());
        let changed = Arc::new(Notify::new());
        let challenges = LocalChallenges {
            certificates: means.tls.challenges.clone(),
            answers: ChallengeStore::default(),
        };
        let (updater, provider_trouble) = updater(config, &means)?;
        let is_listened_on = |port| means.ports.iter().any(|(outside, _)| *outside == port);
        let responder = Responder {
            local: challenges.clone(),
            records: updater.clone().filter(|updater| updater.proves_names()),
            https: is_listened_on(443),
            http: is_listened_on(80),
        };
        let certificate_task = wanted(config).map(|acme| {
            anyhow::Ok(CertificateTask {
                authority: authority(acme)?,
                contact: acme.contact.clone(),
                domain: config.domain.clone(),
                kept: KeptCertificate::of(&means.store, &config.domain, directory(acme)),
                tls: means.tls.clone(),
                responder,
                clock: means.clock.clone(),
                state: certificate_sender,
                records: updater.as_ref().map(|_| records.clone()),
                hurry: Arc::clone(&changed),
            })
        });
        let records = updater.as_ref().map(|_| records);
        let records_task = updater.map(|updater| RecordsTask {
            updater,
            addresses: addresses.clone(),
            certificate: certificate.clone(),
            state: records_sender,
            published: Arc::clone(&changed),
            missing_since: None,
        });
        let mapping_task = ports::task(config, &means)?;
        let mapping = mapping_task.as_ref().map(PortMapping::state);
        let tasks = NamingTasks {
            certificate: certificate_task.transpose()?,
            addresses: AddressTask {
                router: mapping.clone(),
                service: address_service(config)?,
                tunnel: means.tunnel.clone(),
                addresses: address_sender,
                own,
                changed,
            },
            records: records_task,
            mapping: mapping_task,
        };
        let Means { store, tls, tunnel, .. } = means;
        let config = config.clone();
        let naming = Self {
            config,
            store,
            tls,
            challenges,
            certificate,
            addresses,
            records,
            mapping,
            tunnel,
            provider_trouble,
        };
        Ok((naming, tasks))
    }

    /// The sentences about what a person should know.
    pub(crate) fn troubles(&self) -> Vec<String> {
        let certificate = self.certificate.borrow();
        let records = self.records.as_ref().map(watch::Receiver::borrow);
        let of_records = records.filter(|state| state.is_trouble).map(|state| state.news.join(" "));
        let of_certificate = certificate.is_trouble.then(|| certificate.news.join(" "));
        self.provider_trouble.clone().into_iter().chain(of_records).chain(of_certificate).collect()
    }

    /// The public addresses, as far as they are known.
    pub(crate) fn addresses(&self) -> PublicAddresses {
        *self.addresses.borrow()
    }

    /// The findings about the way in: the tunnel, or else the router that is asked to forward ports.
    pub(crate) fn way_in(&self) -> Vec<Finding> {
        let tunnel = self.tunnel.status(clock::now());
        tunnel.map_or_else(|| self.forwarding(), |tunnel| vec![status::of_tunnel(&tunnel)])
    }

    /// The findings about the router that is asked to forward ports. Beside a tunnel it is no matter whether it does.
    fn forwarding(&self) -> Vec<Finding> {
        if self.has_tunnel() {
            return Vec::new();
        }
        let state = self.mapping.as_ref().map(|state| state.borrow().clone());
        state.map(|state| forwarding_findings(&state.seen())).unwrap_or_default()
    }

    /// Whether others find the server by its name.
    pub(crate) fn is_found_by_others(&self) -> bool {
        is_found_by_others(&self.config)
    }

    /// Whether there is a tunnel to a public address.
    pub(crate) fn has_tunnel(&self) -> bool {
        !self.tunnel.addresses().is_empty()
    }

    /// Whether an authority is asked for a certificate.
    pub(crate) fn wants_certificate(&self) -> bool {
        wants_certificate(&self.config)
    }

    /// The authority's name in CAA records, and our account there.
    pub(crate) fn authority(&self) -> Option<(String, String)> {
        let account = self.certificate.borrow().account.clone()?;
        match wanted(&self.config)?.directory {
            AcmeDirectory::LetsEncrypt | AcmeDirectory::LetsEncryptStaging => {
                Some((LETS_ENCRYPT_NAME.to_owned(), account))
            }
            AcmeDirectory::Url(_) => None,
        }
    }

    /// The SHA-256 of the public key of the certificate that an authority issued.
    pub(crate) fn key_digest(&self) -> Option<[u8; 32]> {
        let (_, key) = kept_certificate(&self.config, &self.store)?;
        digest(&SHA256, &key.public_key()).as_ref().try_into().ok()
    }
}

/// Whether others find the server by its name: one of the home network is nobody's outside.
fn is_found_by_others(config: &Config) -> bool {
    config::is_public(&config.domain) || wants_certificate(config)
}

/// Whether an authority is asked for a certificate.
pub(crate) fn wants_certificate(config: &Config) -> bool {
    wanted(config).is_some()
}

/// The authority that is to be asked: a certificate from files makes one superfluous.
fn wanted(config: &Config) -> Option<&Acme> {
    config.acme.as_ref().filter(|_| matches!(config.tls, Tls::SelfSigned { .. }))
}

/// The certificate that the authority of the configuration has issued for the domain, and its key.
pub(crate) fn kept_certificate(
    config: &Config,
    store: &Store,
) -> Option<(IssuedCertificate, CertificateKey)> {
    KeptCertificate::of(store, &config.domain, directory(wanted(config)?)).certificate()
}

/// The URL of the authority's directory.
fn directory(acme: &Acme) -> &str {
    match &acme.directory {
        AcmeDirectory::LetsEncrypt => LETS_ENCRYPT,
        AcmeDirectory::LetsEncryptStaging => LETS_ENCRYPT_STAGING,
        AcmeDirectory::Url(url) => url,
    }
}

fn authority(acme: &Acme) -> anyhow::Result<Authority> {
    let roots = https_client::roots(acme.roots.as_ref()).context("trusting acme.roots")?;
    Authority::new(directory(acme), HttpsClient::new(roots).context("preparing requests to the authority")?)
}

/// The updater of the configuration's DNS provider; or the sentence why there is none: a server without its records is
/// better than none.
fn updater(config: &Config, means: &Means) -> anyhow::Result<(Option<Arc<Updater>>, Option<String>)> {
    let settings = match provider::settings(config) {
        Ok(Some(settings)) => settings,
        Ok(None) => return Ok((None, None)),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the DNS provider cannot be asked");
            return Ok((None, Some(format!("The DNS provider is not asked: {error:#}."))));
        }
    };
    let names = (means.resolver.clone(), means.names_port);
    let updater = Updater::new(settings, client(config)?, means.store.clone(), names);
    Ok((Some(Arc::new(updater)), None))
}

/// The service outside that may be asked for the public address, and the client that asks it.
fn address_service(config: &Config) -> anyhow::Result<Option<(String, HttpsClient)>> {
    // A server that nobody outside looks for asks nobody for its address.
    let url = provider::address_service(config).filter(|_| is_found_by_others(config));
    url.map(|url| Ok((url, client(config)?))).transpose()
}

/// A client for the DNS provider and the address service. It trusts what other servers are checked by.
fn client(config: &Config) -> anyhow::Result<HttpsClient> {
    let roots = config.federation.roots.as_ref();
    let roots = https_client::roots(roots).context("trusting federation.roots")?;
    HttpsClient::new(roots).context("preparing requests to the DNS provider")
}
