//! The domains and addresses whose mail the owner does not want.

use std::collections::BTreeSet;

use mail_types::{Address, Domain};

/// The domains and addresses whose mail is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockList {
    addresses: BTreeSet<Address>,
    domains: BTreeSet<Domain>,
}

impl BlockList {
    /// Refuses this address.
    pub fn add_address(&mut self, address: Address) {
        self.addresses.insert(address);
    }

    /// Refuses this domain, and all domains below it.
    pub fn add_domain(&mut self, domain: Domain) {
        self.domains.insert(domain);
    }

    /// Whether mail of this address is refused.
    #[must_use]
    pub fn has(&self, address: &Address) -> bool {
        self.addresses.contains(address) || self.has_domain(address.domain())
    }

    fn has_domain(&self, domain: &Domain) -> bool {
        let Domain::Name(name) = domain else { return self.domains.contains(domain) };
        let mut rest = Some(name.as_str());
        while let Some(name) = rest {
            if self.domains.contains(&Domain::Name(name.to_owned())) {
                return true;
            }
            rest = name.split_once('.').map(|(_, parent)| parent);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::BlockList;

    #[test]
    fn addresses_and_domains_with_all_below_them_are_refused() {
        let mut list = BlockList::default();
        list.add_address("eve@chat.test".parse().unwrap());
        list.add_domain("spam.test".parse().unwrap());
        list.add_domain("[192.0.2.1]".parse().unwrap());
        for (address, expected) in [
            ("Eve@Chat.Test", true),
            ("bob@chat.test", false),
            ("a@spam.test", true),
            ("a@x.y.spam.test", true),
            ("a@notspam.test", false),
            ("a@test", false),
            ("a@[192.0.2.1]", true),
            ("a@[192.0.2.2]", false),
        ] {
            assert_eq!(list.has(&address.parse().unwrap()), expected, "{address}");
        }
    }
}
