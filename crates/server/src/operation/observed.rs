//! The parts of a running server that its owner may look at: read by the control socket, the metrics and the
//! self-check, changed by none of them.

use std::sync::Arc;

use mail_types::Domain;
use relay_policy::Registration;
use store::Store;
use tls::TlsSettings;

use crate::accounts::pairing::PairingHandle;
use crate::connections::places::Places;
use crate::connections::service::Ports;
use crate::naming::Naming;
use crate::push::Notifier;
use crate::runtime::counters::Counters;
use crate::runtime::resources::Resources;
use crate::runtime::true_clock::TrueClock;
use crate::runtime::tunnel::KnownTunnel;

/// The observed parts.
pub(crate) struct Observed {
    pub(crate) domain: Domain,
    pub(crate) registration: Registration,
    pub(crate) store: Store,
    pub(crate) counters: Arc<Counters>,
    pub(crate) pairing: PairingHandle,
    pub(crate) tls: TlsSettings,
    /// None when push is off.
    pub(crate) notifier: Option<Arc<Notifier>>,
    pub(crate) resources: Resources,
    pub(crate) ports: Ports,
    pub(crate) connections: Arc<Places>,
    pub(crate) clock: TrueClock,
    pub(crate) tunnel: KnownTunnel,
    /// The sentence about owner's settings that could not be taken over.
    pub(crate) owner_trouble: Option<String>,
    pub(crate) naming: Arc<Naming>,
}
