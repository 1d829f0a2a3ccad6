//! The box's addresses in a tunnel: who connects to one of them comes from the internet, whatever the own address may be.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use host::locks::Mutex;

/// The addresses in the tunnel; none on a machine without one. All clones learn of a change at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct TunnelAddresses {
    addresses: Arc<Mutex<Vec<IpAddr>>>,
}

impl TunnelAddresses {
    /// Replaces the addresses.
    pub(crate) fn set(&self, addresses: Vec<IpAddr>) {
        *self.addresses.lock() = addresses;
    }

    /// The way of a connection to this address of the box.
    pub(crate) fn way_to(&self, own: SocketAddr) -> web::Way {
        let own = own.ip().to_canonical();
        if self.addresses.lock().contains(&own) { web::Way::Tunnel } else { web::Way::Direct }
    }
}

#[cfg(test)]
mod tests {
    use super::TunnelAddresses;

    #[test]
    fn a_connection_to_an_address_in_the_tunnel_came_through_it() {
        let tunnel = TunnelAddresses::default();
        let [inside, mapped, home] =
            ["10.8.0.2:443", "[::ffff:10.8.0.2]:443", "192.168.1.5:443"].map(|own| own.parse().unwrap());
        assert_eq!(tunnel.way_to(inside), web::Way::Direct);
        tunnel.clone().set(vec![[10, 8, 0, 2].into()]);
        assert_eq!([inside, mapped].map(|own| tunnel.way_to(own)), [web::Way::Tunnel; 2]);
        assert_eq!(tunnel.way_to(home), web::Way::Direct);
    }
}
