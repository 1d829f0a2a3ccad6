//! The server's certificate: the names in one of its own, and the task that looks at the files of another's.

use std::net::IpAddr;
use std::time::Duration;

use config::{Config, Tls};
use mail_types::Domain;
use tls::{CertificateFiles, Reload, TlsSettings};
use tokio::signal::unix::Signal;
use tokio::time::MissedTickBehavior;

use crate::runtime::blocking;

/// From one look at the files to the next; a look is two `stat` calls.
const INTERVAL: Duration = Duration::from_secs(60);

/// The files of a certificate that is renewed from outside; none for one of the server's own.
pub(crate) fn files(settings: &Tls) -> Option<CertificateFiles> {
    match settings {
        Tls::Files { certificate, key } => Some(CertificateFiles::new(certificate.clone(), key.clone())),
        Tls::SelfSigned { .. } => None,
    }
}

/// Looks at the files again and again, and whenever `hang_up` comes. Without files the signal has no meaning, but it
/// must not end the server either.
pub(crate) async fn run(mut files: Option<CertificateFiles>, tls: TlsSettings, mut hang_up: Signal) {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let reload = tokio::select! {
            _ = interval.tick() => Reload::IfChanged,
            _ = hang_up.recv() => Reload::Always,
        };
        let (Some(mut looked_at), tls) = (files.take(), tls.clone()) else { continue };
        let looked = blocking::run(move || {
            looked_at.reload(&tls, reload);
            looked_at
        });
        files = looked.await.ok();
    }
}

/// The names of a self-signed certificate: the domain, what the machine is called at home, and what was asked for.
pub(crate) fn own_names(config: &Config, host_name: &str) -> Vec<String> {
    let mut names = vec![match &config.domain {
        Domain::Name(name) => name.clone(),
        Domain::Ipv4(address) => address.to_string(),
        Domain::Ipv6(address) => address.to_string(),
    }];
    let host_name = host_name.to_ascii_lowercase();
    if matches!(host_name.parse(), Ok(Domain::Name(_))) && host_name.parse::<IpAddr>().is_err() {
        if !host_name.contains('.') {
            names.push(format!("{host_name}.local"));
        }
        names.push(host_name);
    }
    if let Tls::SelfSigned { names: further } = &config.tls {
        names.extend(further.iter().cloned());
    }
    names.extend(config.pairing.host.clone());
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

#[cfg(test)]
mod tests {
    use super::own_names;

    #[test]
    fn the_names_are_those_that_clients_may_use() {
        let config = config::examine("domain = \"[192.0.2.1]\"\ntls.names = [\"x.example\"]").unwrap().0;
        assert_eq!(
            own_names(&config, "Hearth-1A2B"),
            ["192.0.2.1", "hearth-1a2b.local", "hearth-1a2b", "x.example"]
        );
        let config = config::examine("domain = \"hearth-1a2b.local\"").unwrap().0;
        assert_eq!(own_names(&config, "hearth-1a2b"), ["hearth-1a2b.local", "hearth-1a2b"]);
    }
}
