//! The ports that the home's router is asked to forward: the standard ones outside, those that are listened on inside.

use std::num::NonZeroU16;

use anyhow::Context;
use config::Config;
use host::entropy;
use mail_types::Secret;
use port_mapping::plan::LOOK;
use port_mapping::{Nonce, PortMapping, Settings, Transport, WantedPort};
use store::Store;

use super::Means;

/// The store's setting that holds the secret of this box's mappings.
const NONCE_SETTING: &str = "port-mapping.nonce";

/// The task; none if the router is not to be asked, or nobody outside would find the server by its name.
///
/// # Errors
///
/// When the secret of the mappings cannot be kept.
pub(super) fn task(config: &Config, means: &Means) -> anyhow::Result<Option<PortMapping>> {
    if !config.router.port_mapping || !super::is_found_by_others(config) {
        return Ok(None);
    }
    let wanted = means.ports.iter().filter_map(|(outside, inside)| wanted(*outside, *inside));
    let settings = Settings { ports: wanted.collect(), nonce: nonce(&means.store)?, look: LOOK };
    Ok(Some(PortMapping::new(settings)))
}

fn wanted(outside: u16, inside: u16) -> Option<WantedPort> {
    let (external, internal) = (NonZeroU16::new(outside)?, NonZeroU16::new(inside)?);
    Some(WantedPort { transport: Transport::Tcp, external, internal })
}

/// The router refuses a renewal with another secret, so it stays over restarts.
fn nonce(store: &Store) -> anyhow::Result<Nonce> {
    let fresh = Secret::new(entropy::bytes::<12>()?.to_vec());
    let kept =
        store.setting_or_insert(NONCE_SETTING, fresh).context("keeping the secret of port mappings")?;
    let bytes = kept.expose().try_into().context("reading the secret of port mappings")?;
    Ok(Nonce::new(bytes))
}
